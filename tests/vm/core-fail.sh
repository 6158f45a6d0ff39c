#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest, with a kmend.ko that was built with KMEND_TEST: whatever fails at whatever step leaves everything as it was.
. "$(dirname "$0")/core-lib.sh"
F=/sys/module/kmend/parameters/fail_at
[ -e $F ] || { echo 'Bail out! kmend.ko was built without KMEND_TEST'; exit 99; }
insert kmt_target

# The step is reached, the command fails, nothing has changed; and without the failure it works, which is for the caller to see.
fails() { # STEP DESCRIPTION COMMAND...
	step=$1 what=$2
	shift 2
	snapshot >/tmp/before
	echo $step >$F
	mark
	run "$@"
	{
		[ $status != 0 ] || echo 'it has succeeded'
		[ -z "$(cat $F)" ] || echo 'the step was not reached'
		sleep 0.3
		snapshot | diff -u /tmp/before -
	} >>$out 2>&1
	echo >$F
	! grep -q "it has succeeded\|not reached\|^[-+]" $out
	check $? "$what: $step"
}

for step in create ask symbols relocs site table hook jump sysfs prepare pre_patch start tasks ranges; do
	fails $step 'enabling fails' insert kmt_a what=voth
done
fails pre_patch:2 'enabling fails' insert kmt_a what=voth
fails site:3 'enabling fails' insert kmt_a what=voth
fails stop 'enabling by mode stop fails' insert kmt_a what=voth mode=1
enable kmt_a what=voth
is 'without a failure it is enabled' value "'one=101 twins=21,201 hidden=1005'"
for step in prepare hook table start tasks ranges; do
	fails $step 'disabling fails' sh -c "echo 0 >$K/kmt_a/enabled"
done
for step in create ask symbols site table hook sysfs prepare pre_patch start tasks ranges; do
	fails $step 'replacing fails' insert kmt_b what=vl replace=1
done
rmmod kmt_target
for step in ask symbols relocs site late table hook pre_patch; do
	fails $step 'a module cannot be patched and stays out' insert kmt_target
done
insert kmt_target
is 'without a failure it gets in' value "'one=101 twins=21,201 hidden=1005'"
enable kmt_b what=vl replace=1
is 'and the patch is replaced' gone kmt_a
remove kmt_a
take_out kmt_b

# What can be done without.
echo direct >$F
enable kmt_a
is 'without a direct call the handler stays' 'grep -q ^handler $K/kmt_a/vmlinux/version_proc_show,1/redirect'
is 'and works' says /proc/version '"version by kmt_a"'
take_out kmt_a
echo >$F
rmmod kmt_target
run rmmod kmend
expect 0 'kmend goes'
finish
