#!/bin/sh
[ -d /sys/module/nf_tables ]
