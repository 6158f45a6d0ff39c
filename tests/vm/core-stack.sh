#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest: enabling, disabling, replacing, stacking, states, callbacks, sysfs.
. "$(dirname "$0")/core-lib.sh"
original=$(cat /proc/version)

# ---- one patch ----
is 'the top tells the ABI' says $K/abi 1
is 'and the version' says $K/version "$(cat /sys/module/kmend/version)"
mark
insert kmt_a quiet=0
is 'a patch gets in force' in_force kmt_a
is 'its function runs' says /proc/version '"version by kmt_a"'
log_is 'the log tells each step, as the kernel does' <<'L'
kmend: enabling patch 'kmt_a'
kmend: 'kmt_a': initializing patching transition
kmt: kmt_a pre_patch vmlinux before 0
kmend: 'kmt_a': starting patching transition
kmend: 'kmt_a': completing patching transition
kmt: kmt_a post_patch vmlinux before 0
kmend: 'kmt_a': patching complete
L
is 'its call goes straight' says $K/kmt_a/vmlinux/version_proc_show,1/redirect direct
is 'the kernel is tainted by it' '[ $(($(cat /proc/sys/kernel/tainted) >> 15 & 1)) = 1 ]'
is 'and its module' 'grep -q K /sys/module/kmt_a/taint'

modes() { (cd $K/kmt_a && stat -c '%A %n' . * vmlinux/patched vmlinux/*,1/redirect | grep -v '^d.* [dkv]') ; }
modes >/tmp/said
cat >/tmp/wanted <<'L'
drwxr-xr-x .
-r-------- blockers
-rw-r--r-- deadline_ms
-rw-r--r-- enabled
--w------- force
-r--r--r-- last_error
-r--r--r-- last_transition_ns
-rw-r--r-- mode
-r--r--r-- replace
-r--r--r-- stack_order
-r--r--r-- state
-r--r--r-- stop_ns
-r--r--r-- tasks_left
-r--r--r-- transition
-r--r--r-- vmlinux/patched
-r--r--r-- vmlinux/version_proc_show,1/redirect
L
diff -u /tmp/wanted /tmp/said >$out 2>&1
check $? 'who may read and write what'
is 'it took some time' '[ $(cat $K/kmt_a/last_transition_ns) -gt 1000 ]'
for f in replace:0 stack_order:1 tasks_left:0 stop_ns:0 last_error:0 mode:hybrid deadline_ms:10000 enabled:1; do
	is "${f%:*} is ${f#*:}" says $K/kmt_a/${f%:*} ${f#*:}
done
run sh -c "echo 1 >$K/kmt_a/enabled"
expect 1 'what is enabled is not enabled again' 'Invalid argument'
run sh -c "echo 1 >$K/kmt_a/force"
expect 1 'there is nothing to force' 'Invalid argument'
run sh -c "echo quick >$K/kmt_a/mode"
expect 1 'a mode that does not exist is refused' 'Invalid argument'
run rmmod kmt_a
expect 1 'its module is in use' unavailable
run rmmod kmend
expect 1 'and kmend as well' unavailable

mark
echo 0 >$K/kmt_a/enabled
is 'it is taken back, and its directory goes' gone kmt_a
is 'the original runs' '[ "$(cat /proc/version)" = "$original" ]'
log_is 'the log tells the way back' <<'L'
kmend: 'kmt_a': initializing unpatching transition
kmt: kmt_a pre_unpatch vmlinux
kmend: 'kmt_a': starting unpatching transition
kmend: 'kmt_a': completing unpatching transition
kmt: kmt_a post_unpatch vmlinux
kmend: 'kmt_a': unpatching complete
L
run rmmod kmt_a
expect 0 'its module can be removed'
is 'nothing is hooked any more' '! grep -q version_proc_show /sys/kernel/debug/tracing/enabled_functions'

# ---- several ----
enable kmt_a && enable kmt_b && enable kmt_c what=l
is 'the newest one runs' says /proc/version '"version by kmt_b"'
is 'they are in order' 'says $K/kmt_a/stack_order 1 && says $K/kmt_b/stack_order 2 && says $K/kmt_c/stack_order 3'
mark
run sh -c "echo 0 >$K/kmt_a/enabled"
expect 1 'what is covered by a newer patch stays' 'busy'
log_is 'one line tells which' <<'L'
kmend: 'kmt_a': patch 'kmt_b' covers its 'version_proc_show': disable that one first
L
is 'it is still in force' in_force kmt_a
is 'what is independent goes in any order' disable kmt_b
is 'the one below is back' says /proc/version '"version by kmt_a"'
take_out kmt_a
is 'the other has not noticed' says /proc/loadavg '"loadavg by kmt_c"'
rmmod kmt_b
enable kmt_a
enable kmt_b replace=1 what=v
is 'a cumulative patch replaces both' gone kmt_a
is 'both' gone kmt_c
is 'what it has is new' says /proc/version '"version by kmt_b"'
is 'what it has not is the original' '! grep -q by /proc/loadavg'
is 'it is alone' says $K/kmt_b/stack_order 1
is 'it says that it replaces' says $K/kmt_b/replace 1
run rmmod kmt_a kmt_c
expect 0 'their modules can be removed'
take_out kmt_b
is 'all is as before' '[ "$(cat /proc/version)" = "$original" ]'

# ---- states ----
enable kmt_a state_version=2
mark
run insert kmt_b state_version=1
expect 22 'an older form of a state is refused' 'Invalid argument'
log_is 'one line tells why' <<'L'
kmend: Livepatch patch (kmt_b) is not compatible with the already installed livepatches.
kmend: 'kmt_b': state 1 of 'kmt_a' has version 2
L
run insert kmt_b replace=1
expect 22 'a cumulative patch must know all states' 'Invalid argument'
mark
enable kmt_b replace=1 state_version=3 quiet=0
is 'a newer one takes over' gone kmt_a
log_is 'callbacks see the state of the one below, and those of that one are not called' <<'L'
kmend: enabling patch 'kmt_b'
kmend: 'kmt_b': initializing patching transition
kmt: kmt_b pre_patch vmlinux before 2
kmend: 'kmt_b': starting patching transition
kmend: 'kmt_b': completing patching transition
kmt: kmt_b post_patch vmlinux before 2
kmend: 'kmt_b': patching complete
L
rmmod kmt_a
take_out kmt_b

# ---- callbacks that fail ----
mark
run insert kmt_a quiet=0 pre_patch_ret=-19
expect 19 'an error of pre_patch keeps the patch out' 'No such device'
log_is 'as the kernel tells it' <<'L'
kmend: enabling patch 'kmt_a'
kmend: 'kmt_a': initializing patching transition
kmt: kmt_a pre_patch vmlinux before 0
kmend: pre-patch callback failed for object 'vmlinux'
kmend: failed to enable patch 'kmt_a'
kmend: 'kmt_a': canceling patching transition, going to unpatch
kmend: 'kmt_a': completing unpatching transition
kmend: 'kmt_a': unpatching complete
L
is 'nothing is left of it' '[ ! -e $K/kmt_a ] && [ "$(cat /proc/version)" = "$original" ]'

# ---- the operator's choice ----
echo stop >$K/mode
echo 1234 >$K/deadline_ms
enable kmt_a mode=2
is "the operator's mode goes before the patch's" says $K/kmt_a/mode stop
is 'and so does the time' says $K/kmt_a/deadline_ms 1234
is 'all CPUs were stopped for a moment' '[ $(cat $K/kmt_a/stop_ns) -gt 0 ]'
echo default >$K/mode
echo 0 >$K/deadline_ms
enable kmt_b what=l mode=2
is "without it the patch's own" says $K/kmt_b/mode lazy
is 'with it for one patch' 'echo deadline >$K/kmt_b/mode && says $K/kmt_b/mode deadline'
is 'or back again' 'echo default >$K/kmt_b/mode && says $K/kmt_b/mode lazy'
take_out kmt_b kmt_a
echo lazy >/sys/module/kmend/parameters/mode
enable kmt_a
is "else the module parameter's" says $K/kmt_a/mode lazy
take_out kmt_a
echo hybrid >/sys/module/kmend/parameters/mode

for mode in 1 2 3 4; do
	enable kmt_a what=vl mode=$mode && enable kmt_b what=vl mode=$mode replace=1 && remove kmt_a && take_out kmt_b
	is "mode $mode enables, replaces and disables" '[ ! -e /sys/module/kmt_b ] && [ "$(cat /proc/version)" = "$original" ]'
done

# ---- the examples ----
echo 0 >/proc/sys/kernel/panic
enable kmend_version
is 'example version' 'grep -q "(live patched)" /proc/version'
enable kmend_panic_timeout
is 'example panic-timeout changes the system' says /proc/sys/kernel/panic 30
is 'and replaces the other' gone kmend_version
enable kmend_panic_timeout2
is 'its next version takes over' 'gone kmend_panic_timeout && grep -q "(state 2)" /proc/version && says /proc/sys/kernel/panic 30'
rmmod kmend_panic_timeout
run insert kmend_panic_timeout
expect 22 'the way down is refused' 'Invalid argument'
rmmod kmend_version
take_out kmend_panic_timeout2
is 'the last one restores the system' says /proc/sys/kernel/panic 0
echo -1 >/proc/sys/kernel/panic

# ---- shadow variables ----
run insert kmt_shadow
expect 0 'shadow variables do what the header says'
dmesg | grep 'kmt: not true'
rmmod kmt_shadow

run rmmod kmend
expect 0 'kmend goes when no patch is in'
is 'and takes its directory along' '[ ! -e $K ]'
finish
