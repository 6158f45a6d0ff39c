#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest: transitions that a task bars. A reader of /proc/kmt_wait sleeps in the old function, or (hold) in the new one, deaf to signals.
. "$(dirname "$0")/core-lib.sh"
original=$(cat /proc/version)
insert kmt_target
/modules/events >/tmp/events &
events=$!
H=/sys/module/kmt_a/parameters/hold

sleeper() { # starts one; $reader
	cat /proc/kmt_wait >/tmp/read &
	reader=$!
	wait_for 'grep -q ^D /proc/$reader/wchan 2>/dev/null || grep -q "(D\|State:.D" /proc/$reader/status'
}

awake() { # the one in the old function comes back
	echo >/proc/kmt_wait
	wait $reader
	rmmod kmt_target 2>/dev/null && insert kmt_target # the next one sleeps again
}

events_are() { # DESCRIPTION: since the last time, from standard input
	cat >/tmp/wanted
	is "$1" 'diff /tmp/wanted /tmp/events'
	kill $events
	/modules/events >/tmp/events &
	events=$!
	sleep 0.2
}

barred() {
	says $K/kmt_a/transition 1 && says $K/kmt_a/tasks_left 1
}

# ---- enabling, turned round ----
sleeper
mark
insert kmt_a what=vw quiet=0
is 'one task bars the transition' barred
is 'the state says so' says $K/kmt_a/state enabling
is 'it is named' says $K/kmt_a/blockers '"$reader $reader cat sleeping kmt_wait_here [kmt_target]"'
is 'whoever is born is on the new side' says /proc/version '"version by kmt_a"'
is 'redirected by the handler' says $K/kmt_a/vmlinux/version_proc_show,1/redirect handler
run /modules/nobody cat $K/kmt_a/blockers
expect 1 'not everybody may read who it is' 'Permission denied'
run /modules/nobody cat $K/kmt_a/tasks_left $K/kmt_a/state $K/kmt_a/mode $K/kmt_a/vmlinux/version_proc_show,1/redirect
expect 0 'but everything else' enabling
run /modules/nobody sh -c "echo 0 >$K/kmt_a/enabled || echo 1 >$K/kmt_a/force || echo stop >$K/mode"
expect 1 'nor change anything' 'Permission denied'
run insert kmt_b what=l
expect 16 'another patch has to wait' 'busy'
run sh -c "echo 1 >$K/kmt_a/enabled"
expect 1 'it is on the way already' 'Invalid argument'
run rmmod kmt_a
expect 1 'the module cannot be removed now' unavailable
echo 0 >$K/kmt_a/enabled
is 'it is turned round' gone kmt_a
log_is 'the log tells it' <<'L'
kmend: enabling patch 'kmt_a'
kmend: 'kmt_a': initializing patching transition
kmt: kmt_a pre_patch vmlinux before 0
kmt: kmt_a pre_patch kmt_target before 0
kmend: 'kmt_a': starting patching transition
kmend: 'kmt_b': the transition of 'kmt_a' is under way
kmend: 'kmt_a': reversing transition from patching to unpatching
kmend: 'kmt_a': starting unpatching transition
kmend: 'kmt_a': completing unpatching transition
kmt: kmt_a post_unpatch vmlinux
kmt: kmt_a post_unpatch kmt_target
kmend: 'kmt_a': unpatching complete
L
is 'all is as before' '[ "$(cat /proc/version)" = "$original" ]'
events_are 'one event' <<'L'
kmt_a reverted
L
remove kmt_a

# ---- enabling, the task comes out ----
insert kmt_a what=vw
is 'barred again' barred
awake
is 'when the task comes out the patch is in force' in_force kmt_a
is 'the task has seen the old function' says /tmp/read old
is 'the next one sees the new one' says /proc/kmt_wait kmt_a

# ---- disabling, turned round ----
echo 1 >$H
sleeper
echo 0 >$K/kmt_a/enabled
is 'a task in the new function bars the way back' barred
is 'the state says so' says $K/kmt_a/state disabling
is 'enabled tells where it goes' says $K/kmt_a/enabled 0
is 'where it is is told' 'grep -q "^$reader $reader cat [a-z]* wait_new \[kmt_a\]$\|^$reader $reader cat [a-z]* msleep" $K/kmt_a/blockers'
echo 1 >$K/kmt_a/enabled
is 'it is turned round' in_force kmt_a
echo 0 >$K/kmt_a/enabled
is 'and again' barred
echo 0 >$H
is 'when the task comes out the patch goes' gone kmt_a
wait $reader
is 'the task has seen the new function' says /tmp/read kmt_a
remove kmt_a
events_are 'an event for each end' <<'L'
kmt_a enabled
kmt_a reverted
kmt_a disabled
L

# ---- stop ----
sleeper
mark
run insert kmt_a what=vw mode=1 quiet=0
expect 16 'mode stop gives up when a task stays inside'
is 'it names the task' 'since_mark | grep -q "^kmend: .kmt_a.: cat:$reader is in kmt_wait_here \[kmt_target\]"'
is 'what pre_patch did is undone' 'since_mark | grep -q "^kmt: kmt_a post_unpatch kmt_target"'
is 'nothing is left of it' '[ ! -e $K/kmt_a ] && [ "$(cat /proc/version)" = "$original" ]'
awake
enable kmt_a what=vw mode=1
is 'when the task is out it gets in' says /proc/version '"version by kmt_a"'
echo 1 >$H
sleeper
run sh -c "echo 0 >$K/kmt_a/enabled"
expect 1 'it gives up the way back too' busy
is 'the patch stays in force' in_force kmt_a
is 'the file tells why' says $K/kmt_a/last_error -16
is 'its function too' says /proc/version '"version by kmt_a"'
echo 0 >$H
wait $reader
take_out kmt_a
events_are 'the attempts are events' <<'L'
kmt_a blocked
kmt_a enabled
kmt_a blocked
kmt_a disabled
L

# ---- deadline ----
now() { cut -d. -f1 /proc/uptime; }
sleeper
start=$(now)
insert kmt_a what=vw mode=4 deadline_ms=3000
is 'the deadline runs' barred
is 'a task that never comes out: the patch goes back' gone kmt_a
is 'in time' '[ $(($(now) - start)) -le 4 ]'
is 'all is as before' '[ "$(cat /proc/version)" = "$original" ]'
remove kmt_a
awake
enable kmt_a what=vw mode=4 deadline_ms=3000
echo 1 >$H
sleeper
start=$(now)
echo 0 >$K/kmt_a/enabled
is 'the way back is barred' barred
is 'the patch stays' in_force kmt_a
is 'in time' '[ $(($(now) - start)) -le 4 ]'
is 'the file tells why' says $K/kmt_a/last_error -62
echo 0 >$H
wait $reader
take_out kmt_a
events_are 'and so are these' <<'L'
kmt_a reverted
kmt_a enabled
kmt_a reverted
kmt_a disabled
L

# ---- a module comes and goes in mid-transition ----
sleeper
insert kmt_a what=vwd quiet=0
is 'barred' barred
for n in 1 2 3; do
	mark
	insert dummy
	is "a module that comes now ($n) is patched" says $K/kmt_a/dummy/patched 1
	log_is 'its post_patch waits for the others' <<'L'
kmend: applying patch 'kmt_a' to loading module 'dummy'
kmt: kmt_a pre_patch dummy before 0
L
	is 'it takes part in the transition' says $K/kmt_a/dummy/dummy_xmit,1/redirect handler
	[ $n = 3 ] && break
	mark
	rmmod dummy
	log_is 'it goes without pre_unpatch' <<'L'
kmend: reverting patch 'kmt_a' on unloading module 'dummy'
kmt: kmt_a post_unpatch dummy
L
done
mark
echo >/proc/kmt_wait
is 'with the last task it ends for all' in_force kmt_a
log_is 'also for the module' <<'L'
kmend: 'kmt_a': completing patching transition
kmt: kmt_a post_patch vmlinux before 0
kmt: kmt_a post_patch kmt_target before 0
kmt: kmt_a post_patch dummy before 0
kmend: 'kmt_a': patching complete
L
is 'its calls go straight' says $K/kmt_a/dummy/dummy_xmit,1/redirect direct
wait $reader
take_out kmt_a
rmmod dummy
rmmod kmt_target
insert kmt_target

# ---- a module comes while a patch is replaced ----
enable kmt_a what=o
rmmod kmt_target
insert kmt_target
sleeper
insert kmt_b what=wd replace=1
is 'replacing is barred' says $K/kmt_b/transition 1
insert dummy
is 'the old patch stays as long' 'in_force kmt_a && grep -q one=1 /proc/kmt_value'
echo >/proc/kmt_wait
is 'then it goes' gone kmt_a
is 'and its function' 'grep -q "^one=1 " /proc/kmt_value'
wait $reader
rmmod dummy
remove kmt_a
take_out kmt_b
rmmod kmt_target
insert kmt_target

# ---- force ----
sleeper
insert kmt_a what=vw
is 'barred once more' barred
mark
echo 1 >$K/kmt_a/force
is 'force ends it' in_force kmt_a
is 'the log warns' 'since_mark | grep -q "forcing remaining tasks to the patched state"'
awake
is 'the task that was forced ends in the old function' says /tmp/read old
take_out kmt_a
is 'nothing of the patch was in use: its module could be removed' '[ ! -e /sys/module/kmt_a ]'
enable kmt_a what=vw
echo 1 >$H
sleeper
echo 0 >$K/kmt_a/enabled
is 'the way back is barred' barred
echo 1 >$K/kmt_a/force
is 'force ends that too' '[ ! -e $K/kmt_a ]'
is 'the original is back' '[ "$(cat /proc/version)" = "$original" ]'
sleep 0.5
run rmmod kmt_a
expect 1 'but its module stays: the task is in it' unavailable
echo 0 >$H
wait $reader
is 'the task ends in the new function' says /tmp/read kmt_a
run rmmod kmt_a
expect 1 'it stays for ever' unavailable
events_are 'force is an event' <<'L'
kmt_a enabled
kmt_a disabled
kmt_a enabled
kmt_a disabled
kmt_b enabled
kmt_b disabled
kmt_a forced
kmt_a disabled
kmt_a enabled
kmt_a forced
L
kill $events
finish
