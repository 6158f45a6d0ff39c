#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# load, unload and what shows them, on a simulated kernel.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 99
"$MKPATCH" kmend_a.ko kmend_a
"$MKPATCH" other.ko kmend_a id=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
"$MKPATCH" kmend_b.ko kmend_b cve=CVE-2026-0002

new_kernel
run "$KMEND_SIM" blockers
expect 3 'no transition: nothing to tell' err 'no transition is under way'
run "$KMEND_SIM" load kmend_a
expect 0 'load by name, from the working directory' out 'kmend_a is loaded: transition took 0.5'
run "$KMEND_SIM" load ./kmend_a.ko
expect 0 'load again' out 'already loaded'
run "$KMEND_SIM" load --json kmend_a.ko
json 'j["result"] == "already-loaded" and j["exit_status"] == 0' 'load again as JSON'
run "$KMEND_SIM" load other.ko
expect 2 'another build under that name' err 'another build of kmend_a is applied' err 'kmend unload kmend_a'
run "$KMEND_SIM" list
expect 0 'list' out 'kmend_a  enabled' out 'vmlinux'
mkdir -p "$KMEND_ROOT/var/lib/kmend/patches"
mv kmend_b.ko "$KMEND_ROOT/var/lib/kmend/patches"
run "$KMEND_SIM" load --json kmend_b
json 'j["result"] == "loaded" and 0.5 <= j["transition_seconds"] < 0.6 and not j["resumed"]' 'load by name, from the store, as JSON'
run "$KMEND_SIM" status
expect 0 'status' out '2 patches applied' out 'CVE-2026-0001 CVE-2026-0002' out 'since 20'
run "$KMEND_SIM" status --json
json 'j["state"] == "patched" and j["cves"] == ["CVE-2026-0001", "CVE-2026-0002"] and j["transition"] is None' 'status as JSON'
run "$KMEND_SIM" list --json
json '[p["state"] for p in j["patches"]] == ["enabled"] * 2 and j["patches"][0]["loaded_by"] == "kmend"' 'list as JSON'
run "$KMEND_SIM" info kmend_b
expect 0 'info of a loaded patch' out CVE-2026-0002
run "$KMEND_SIM" load kmend_a other.ko
expect 1 'two patches at a time' err "'other.ko' is no PARAMETER=VALUE"
run "$KMEND_SIM" unload kmend_a
expect 0 'unload' out 'kmend_a is unloaded: transition took 0.5'
run "$KMEND_SIM" unload kmend_a
expect 0 'unload again' out 'kmend_a is not loaded'
run "$KMEND_SIM" unload kmend-b.ko
expect 0 'unload by file name' out 'kmend_b is unloaded'
[ ! -e "$KMEND_ROOT/sys/module/kmend_b" ] && [ ! -e "$KMEND_ROOT/run/kmend/patches/kmend_b.json" ]
ok $? 'no module and no record stay'
run "$KMEND_SIM" unload ext4
expect 2 'unload of an ordinary module' err 'no live patch'

# A cumulative patch.
new_kernel
run "$KMEND_SIM" load kmend_a.ko
sim replace 1
"$MKPATCH" all.ko kmend_all
run "$KMEND_SIM" load all.ko count=3 'name=two words' on=
grep -qx 'count=3 name="two words" on=' "$KMEND_ROOT/sim/parameters"
ok $? 'parameters reach the module'
expect 0 'a cumulative patch' out 'kmend_all is loaded' out 'it replaced kmend_a'
[ ! -e "$KMEND_ROOT/sys/module/kmend_a" ] && [ ! -e "$KMEND_ROOT/run/kmend/patches/kmend_a.json" ]
ok $? 'what it replaced leaves memory'

# A transition that does not end.
new_kernel
run "$KMEND_SIM" status
task=$KMEND_ROOT/proc/4242/task/4243
mkdir -p "$task"
echo 'blocked (task) 1' >"$task/comm"
echo '4243 (blocked (task) 1) D 1 1 1 0 -1 4194560 0' >"$task/stat"
printf '[<0>] schedule_timeout+0x1/0x2\n[<0>] do_thing+0x11/0x40\n[<0>] entry+0x1/0x2 [ext4]\n' >"$task/stack"
echo -1 >"$task/patch_state"
sim busy 1e9
run "$KMEND_SIM" load --timeout 20 kmend_a.ko
expect 4 'the limit: reverted' err 'within 20 s' err 'taken back' err 'blocked (task) 1' err '> do_thing+0x11/0x40   <- patched' \
	err '20 s, 1 task left to switch'
[ ! -e "$KMEND_ROOT/sys/module/kmend_a" ]
ok $? 'the module is gone'
run "$KMEND_SIM" load --timeout 20 --json kmend_a.ko
expect 4 'as JSON: the exit status'
json 'j["result"] == "reverted" and j["blockers"][0]["tid"] == 4243 and [f["patched"] for f in j["blockers"][0]["stack"]] == [False, True, False]' \
	'as JSON: the blocker and its stack'
run "$KMEND_SIM" load --no-wait kmend_a.ko
expect 0 '--no-wait' out 'has begun'
run "$KMEND_SIM" status
expect 0 'status says so' out 'in transition: kmend_a is being applied, 1 task left'
run "$KMEND_SIM" status --json
json 'j["state"] == "in-transition" and j["transition"] == {"name": "kmend_a", "target": "enabled", "tasks_left": 1} and j["cves"] == []' \
	'an unfinished transition closes no CVE'
run "$KMEND_SIM" blockers
expect 0 'blockers' out 'do_thing+0x11/0x40   <- patched' out 'pid 4242, thread 4243' out 'uninterruptible'
run "$KMEND_SIM" blockers --json kmend_a
json 'j["target"] == "enabled" and j["blockers"][0]["comm"] == "blocked (task) 1" and j["blockers"][0]["stack"][2]["module"] == "ext4"' \
	'blockers as JSON'
"$MKPATCH" b.ko kmend_b
run "$KMEND_SIM" load b.ko
expect 2 'a second transition is refused' err 'kmend_a is being applied' err 'one transition at a time'
run "$KMEND_SIM" unload kmend_b
expect 0 'what is not loaded stays a no-op' out 'not loaded'
run "$KMEND_SIM" unload kmend_a
expect 0 'unload turns the transition round' out 'kmend_a is unloaded'
sim back 1e9
run "$KMEND_SIM" load --timeout 5 kmend_a.ko
expect 5 'the way back does not end either' err 'goes on in the kernel' err 'kmend unload kmend_a'
sim left 0
sim back 0.01
run "$KMEND_SIM" unload kmend_a
expect 0 'and is ended later' out 'unloaded'
run "$KMEND_SIM" load --timeout 5 --force kmend_a.ko
expect 0 'forced' out 'FORCED'
sim busy 0.1
run "$KMEND_SIM" unload kmend_a
expect 5 'what was forced cannot be removed' err 'stays in memory'

# A limit on the way out.
new_kernel
run "$KMEND_SIM" load kmend_a.ko
sim busy 1e9
run "$KMEND_SIM" unload --timeout 3 --json kmend_a
expect 4 'unload at its limit'
json 'j["result"] == "reverted"' 'unload at its limit: reverted'
run "$KMEND_SIM" list
expect 0 'it is enabled again' out 'kmend_a  enabled'
sim busy 0.1
sim lag 7
run "$KMEND_SIM" unload kmend_a
expect 0 'the last reference goes late' out 'unloaded'
sim lag 1000
run "$KMEND_SIM" load kmend_a.ko
run "$KMEND_SIM" unload kmend_a
expect 5 'a module that does not go' err 'still holds a reference'
run "$KMEND_SIM" list
expect 0 'list shows it' out 'kmend_a  disabled'
sim lag 0
run "$KMEND_SIM" load kmend_a.ko
expect 0 'load cleans it away and loads anew' out 'is loaded'
mkdir -p "$KMEND_ROOT/sys/module/kmend_a/holders/uses_it"
run "$KMEND_SIM" unload kmend_a
expect 2 'a module that others use' err 'used by uses_it'

# Patches for kmend.ko.
new_kernel
"$MKPATCH" fast.ko kmend_fast core
run "$KMEND_SIM" load fast.ko
expect 2 'no kmend.ko' err 'neither loaded nor installed' err 'kmend core -o DIR' err '--flavour klp'
sim core 1
run "$KMEND_SIM" info --json fast.ko
json 'j["flavour"] == "core" and not j["livepatch"] and j["fits_running_kernel"]' 'info tells the flavour'
run "$KMEND_SIM" load --mode lazy fast.ko
expect 0 'it is loaded first' out 'kmend_fast is loaded'
run "$KMEND_SIM" load kmend_a.ko
expect 0 'the other back end beside it' out 'kmend_a is loaded'
run "$KMEND_SIM" list --json
json '[(p["name"], p["backend"], p["state"]) for p in j["patches"]] == [(n, b, "enabled") for n, b in (("kmend_a", "livepatch"), ("kmend_fast", "core"))]' \
	'both are listed'
run "$KMEND_SIM" load --mode stop kmend_a.ko
expect 0 'what is loaded needs no mode' out 'already loaded'
run "$KMEND_SIM" unload --mode stop kmend_a
expect 2 'and has no choice' err 'the mode hybrid alone'
run "$KMEND_SIM" load --mode fast fast.ko
expect 1 'a mode that does not exist' err "there is no mode 'fast'" err 'stop, lazy, hybrid and deadline'
run "$KMEND_SIM" load --mode lazy --deadline 3 fast.ko
expect 1 'a deadline of another mode' err 'the mode lazy has no deadline'
run "$KMEND_SIM" load --deadline -3 fast.ko
expect 1 'a deadline in the past' err "'-3' is not a number of seconds"
sim busy 1e9
run "$KMEND_SIM" unload --deadline 2 kmend_fast
expect 4 'the core turns round' err 'within 2 s' err 'it is enabled again'
finish
