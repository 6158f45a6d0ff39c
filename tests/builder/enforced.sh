#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest with module.sig_enforce=1: three files of one patch that do not get in, each for its own reason.
bad=0
refused() { # FILE ERROR LOG: what insmod says; what the kernel says of it, or "" when it need not say anything
	before=$(dmesg | wc -l)
	if insmod "/root/$1" 2>/tmp/err; then
		echo "$1 was loaded"
		bad=1
	fi
	dmesg | tail -n +$((before + 1)) >/tmp/new
	grep -q "$2" /tmp/err || { echo "$1: not $2: $(cat /tmp/err)"; bad=1; }
	[ -z "$3" ] || grep -q "$3" /tmp/new || { echo "$1: not $3: $(cat /tmp/new)"; bad=1; }
}

refused plain.ko 'Key was rejected' 'unsigned module is rejected'
refused signed.ko 'Key was rejected' 'unavailable key is rejected' # it was parsed: the key is what is missing
refused damaged.ko 'Bad message' ''
[ ! -e /sys/kernel/livepatch/kmend_refuse_userns ] || bad=1
[ $bad = 0 ] && echo 'all refused'
