#!/bin/sh
dmesg -c >/dev/null
echo kyber > /sys/block/nullb0/queue/scheduler
dd if=/dev/nullb0 of=/dev/null bs=4k count=4 iflag=direct 2>/dev/null || exit 1
! dmesg | grep -q 'kmend case: kyber'
