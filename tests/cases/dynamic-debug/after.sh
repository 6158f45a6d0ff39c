#!/bin/sh
grep -q debug /proc/loadavg || exit 1
dmesg -c >/dev/null
cat /proc/loadavg >/dev/null
! dmesg | grep -q 'kmend case: debug' || exit 1
echo 'file fs/proc/loadavg.c +p' > /proc/dynamic_debug/control || exit 1
cat /proc/loadavg >/dev/null
dmesg | grep -q 'kmend case: debug'
