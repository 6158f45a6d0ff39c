#!/bin/sh
cat /proc/loadavg >/dev/null
grep -q once /proc/loadavg && [ "$(dmesg | grep -c 'kmend case: once')" = 1 ]
