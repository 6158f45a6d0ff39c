#!/bin/sh
[ "$(cat /sys/kernel/livepatch/*/nf_tables/patched)" = 1 ]
