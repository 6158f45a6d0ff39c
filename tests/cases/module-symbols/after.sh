#!/bin/sh
echo 3 > /proc/sys/vm/drop_caches
dd if=/dev/ram15 bs=4k count=1 2>/dev/null | grep -q kmend && ! dd if=/dev/ram0 bs=4k count=1 2>/dev/null | grep -q kmend
