#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# load and unload killed at each step: the next command, whichever it is, goes on from what the kernel holds.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 99
"$MKPATCH" kmend_a.ko kmend_a

killed() { # STEP COMMAND...
	step=$1
	shift
	KMEND_KILL_AT=$step run "$@" 2>/dev/null
	expect 137 "$step: $2 is killed there"
}

consistent() { # WHAT
	run "$KMEND_SIM" status --json
	json 'j["state"] in ("patched", "not-patched", "in-transition")' "$1: status tells"
}

gone() { # WHAT
	[ ! -e "$KMEND_ROOT/sys/module/kmend_a" ] && [ ! -e "$KMEND_ROOT/sys/kernel/livepatch/kmend_a" ] &&
		[ ! -e "$KMEND_ROOT/run/kmend/patches/kmend_a.json" ]
	ok $? "$1: nothing stays"
}

for step in load-locked load-checked load-recorded load-loaded load-waiting load-done; do
	for next in load unload; do
		new_kernel
		killed $step "$KMEND_SIM" load kmend_a.ko
		consistent "$step"
		if [ $next = load ]; then
			run "$KMEND_SIM" load kmend_a.ko
			expect 0 "$step: the next load succeeds" out 'kmend_a is'
			run "$KMEND_SIM" list --json
			json 'j["patches"][0]["state"] == "enabled" and j["patches"][0]["loaded_by"] == "kmend"' "$step: enabled, with its record"
		fi
		run "$KMEND_SIM" unload kmend_a
		expect 0 "$step, $next: unload succeeds"
		gone "$step, $next"
	done
done

for step in load-reverting load-reverted load-removed; do
	for next in load unload; do
		new_kernel
		sim busy 1e9
		killed $step "$KMEND_SIM" load --timeout 1 kmend_a.ko
		consistent "$step"
		sim busy 0.1
		if [ -e "$KMEND_ROOT/sim/left" ] && [ $next = load ]; then
			sim left 0.1
			run "$KMEND_SIM" load kmend_a.ko
			expect 0 "$step: the next load succeeds" out 'is loaded'
		fi
		run "$KMEND_SIM" unload kmend_a
		expect 0 "$step, $next: unload succeeds"
		gone "$step, $next"
	done
done

for step in unload-locked unload-disabling unload-disabled unload-waiting unload-removing unload-removed; do
	for next in load unload; do
		new_kernel
		run "$KMEND_SIM" load kmend_a.ko
		killed $step "$KMEND_SIM" unload kmend_a
		consistent "$step"
		run "$KMEND_SIM" $next kmend_a
		expect 0 "$step: the next $next succeeds"
		run "$KMEND_SIM" list --json
		if [ $next = load ]; then
			json 'j["patches"][0]["state"] == "enabled" and j["patches"][0]["loaded_by"] == "kmend"' "$step: enabled again"
			run "$KMEND_SIM" unload kmend_a
		fi
		gone "$step, $next"
	done
done

new_kernel
run "$KMEND_SIM" load kmend_a.ko
sim busy 1e9
killed unload-reverting "$KMEND_SIM" unload --timeout 1 kmend_a
run "$KMEND_SIM" load kmend_a.ko
expect 0 'unload-reverting: load turns it round' out 'is loaded'
run "$KMEND_SIM" list --json
json 'j["patches"][0]["state"] == "enabled"' 'unload-reverting: enabled'

# The lock: a second command waits for the first, and does not start when it takes too long.
new_kernel
KMEND_STOP_AT=load-recorded "$KMEND_SIM" load kmend_a.ko >/dev/null 2>&1 &
pid=$!
n=0
until [ "$(cut -d' ' -f3 /proc/$pid/stat)" = T ] || [ $n -ge 100 ]; do
	sleep 0.05
	n=$((n + 1))
done
run "$KMEND_SIM" unload --timeout 2 kmend_a
expect 1 'two commands at once: the second waits, then says why' err 'waiting for it' err 'another kmend is'
run "$KMEND_SIM" status
expect 0 'status needs no lock'
kill -CONT $pid
wait $pid
ok $? 'the first goes on and succeeds'
finish
