#!/bin/sh
dmesg -c >/dev/null
cat /proc/loadavg >/dev/null
dmesg | grep -q 'WARNING: .* at fs/proc/loadavg.c:[0-9]* loadavg_proc_show' && dmesg | grep -q 'kmend case: warned'
