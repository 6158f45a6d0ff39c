#!/bin/sh
cd /proc/sys/kernel || exit 1
echo 1 > sched_schedstats
grep -q 'sched stats on' /proc/loadavg
on=$?
echo 0 > sched_schedstats
grep -q 'sched stats off' /proc/loadavg && [ $on = 0 ]
