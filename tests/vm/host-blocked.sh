# SPDX-License-Identifier: GPL-2.0-or-later
# usage, in a guest: sh host-blocked.sh MODULES     (a directory with what is built from tests/vm/modules/)
# A task sleeps, deaf to signals, inside a function that is to be patched: the limit, the blockers, the way back, kills on it.
. "$(dirname "$0")/lib.sh"
modules=$1
patch=$modules/nap_patch.ko

insmod "$modules/napper.ko"
cat /proc/kmend_nap &
sleeper=$!
until grep -q kmend_nap "/proc/$sleeper/stack"; do sleep 0.2; done

run $KMEND load --timeout 4 "$patch"
expect 4 'load reverts at its limit' 'within 4 s' 'taken back' "pid $sleeper" 'kmend_nap+' '<- patched'
sed 's/^/# /' $out
kernel_lacks nap_patch
check $? 'nothing stays'
run $KMEND load --no-wait "$patch"
expect 0 'load without waiting' 'has begun'
run $KMEND status
expect 0 'status: in transition' 'in transition: nap_patch is being applied'
run $KMEND blockers
expect 0 'blockers' 'kmend_nap+' '<- patched' "pid $sleeper"
run $KMEND blockers --json
expect 0 'blockers as JSON' '"patched": true' '"function": "kmend_nap"'
run $KMEND load "$modules/cmdline_patch.ko"
expect 2 'a second transition is refused' 'nap_patch is being applied'
run $KMEND unload nap_patch
expect 0 'unload turns it round' 'is unloaded'
kernel_lacks nap_patch
check $? 'nothing stays'

for step in load-reverting load-reverted load-removed; do
	KMEND_KILL_AT=$step run $KMEND load --timeout 2 "$patch"
	expect 137 "$step: killed"
	run $KMEND status
	expect 0 "$step: status tells"
	run $KMEND unload nap_patch
	expect 0 "$step: unload succeeds"
	kernel_lacks nap_patch
	check $? "$step: nothing stays"
done

# The sleeper wakes while load waits.
(sleep 3; echo >/proc/kmend_nap) &
run $KMEND load --timeout 60 "$patch"
expect 0 'the transition ends when the sleeper wakes' 'is loaded'
run timeout 5 cat /proc/kmend_nap
expect 0 'the patched function does not sleep'
run $KMEND unload nap_patch
expect 0 'unload' 'is unloaded'
rmmod napper
run $KMEND load "$patch"
expect 0 'load for a module that is not there' 'is loaded'
run $KMEND list
expect 0 'it waits for the module' nap_patch
insmod "$modules/napper.ko"
run timeout 5 cat /proc/kmend_nap
expect 0 'the module is patched when it comes'
run $KMEND unload nap_patch
expect 0 'unload' 'is unloaded'
finish
