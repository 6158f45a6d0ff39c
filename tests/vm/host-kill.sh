# SPDX-License-Identifier: GPL-2.0-or-later
# usage, in a guest: sh host-kill.sh PATCH.ko
# load and unload killed at each step: the next command goes on from what the kernel holds.
. "$(dirname "$0")/lib.sh"
patch=$1
name=$(basename "$patch" .ko | tr - _)

for step in load-locked load-checked load-recorded load-loaded load-waiting load-done; do
	for next in load unload; do
		KMEND_KILL_AT=$step run $KMEND load "$patch"
		expect 137 "$step: killed"
		run $KMEND status
		expect 0 "$step: status tells"
		if [ $next = load ]; then
			run $KMEND load "$patch"
			expect 0 "$step: the next load succeeds" "$name is"
			kernel_has "$name"
			check $? "$step: the kernel has it"
		fi
		run $KMEND unload "$name"
		expect 0 "$step, $next: unload succeeds"
		kernel_lacks "$name"
		check $? "$step, $next: nothing stays"
	done
done

for step in unload-locked unload-disabling unload-disabled unload-waiting unload-removing unload-removed; do
	for next in load unload; do
		run $KMEND load "$patch"
		KMEND_KILL_AT=$step run $KMEND unload "$name"
		expect 137 "$step: killed"
		if [ $next = load ]; then
			run $KMEND load "$patch"
			expect 0 "$step: load succeeds" "$name is"
			kernel_has "$name"
			check $? "$step: the kernel has it"
		fi
		run $KMEND unload "$name"
		expect 0 "$step, $next: unload succeeds"
		kernel_lacks "$name"
		check $? "$step, $next: nothing stays"
	done
done
finish
