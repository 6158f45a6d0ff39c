#!/bin/sh
cd /proc/sys/kernel || exit 1
echo 1 > bpf_stats_enabled
grep -q 'bpf stats on' /proc/loadavg
on=$?
echo 0 > bpf_stats_enabled
grep -q 'bpf stats off' /proc/loadavg && [ $on = 0 ]
