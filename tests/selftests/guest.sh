#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs in the guest: guest.sh [NAME=VALUE]...: each script of /selftests, after a line "== SCRIPT"; "== end STATUS" closes it. Words are the
# parameters of kmend.ko, if it is here.
export LC_ALL=C
cd /selftests || exit 1
[[ -e /dev/fd ]] || ln -s /proc/self/fd /dev/fd # for <(…)

# What a script that died has left, so that the next one can begin.
clear_left() {
	local left

	for left in /sys/kernel/{livepatch,kmend}/*/enabled; do
		[[ -e $left ]] && echo 0 2>/dev/null >"$left"
	done
	for left in {1..50}; do
		left=$(lsmod | awk '/^test_klp/ {print $1}')
		[[ -n $left ]] || return
		for left in $left; do
			rmmod "$left" &>/dev/null
		done
		sleep 0.2
	done
	echo "left in the kernel:" $left
}

if [[ -e /modules/kmend.ko ]]; then
	insmod /modules/kmend.ko "$@" || exit 1
fi
for script in test-*.sh; do
	echo "== $script"
	bash "./$script"
	echo "== end $?"
	clear_left
done
if [[ -e /modules/kmend.ko ]]; then
	echo "== kmend.ko"
	echo -n "TEST: it can be unloaded ... "
	rmmod kmend && echo ok
	echo "== end $?"
fi
