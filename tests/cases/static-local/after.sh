#!/bin/sh
cd /proc/sys/kernel/random || exit 1
tr A-F a-f < boot_id | cmp -s - /tmp/boot_id && grep -q '[A-F]' boot_id && ! grep -q '[a-f]' boot_id
