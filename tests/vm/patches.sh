#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Live patches written by hand, in real guests: verify and batch give the right verdicts. TAP; runs on the host.
. "$(dirname "$0")/prepared.sh"

run "$KMEND_LAB" verify --kernel "$release" --json "$work/json" --workload kmend-workload \
	--before '! grep -q ^patched /proc/cmdline' --after 'grep -q ^patched /proc/cmdline' "$m/cmdline_patch.ko"
expect 0 'verify: closed by the patch, open before and after' out 'pass: ' json '"pass": true' json 'transition_seconds' json 'ops='
run "$KMEND_LAB" verify --kernel "$release" "$m/cmdline_patch.ko"
expect 0 'verify without commands: three times in and out' out 'functions in effect'
run "$KMEND_LAB" verify --kernel "$release" --json "$work/json" --after 'echo not closed; exit 5' "$m/cmdline_patch.ko"
expect 2 'verify: the reproducer still works' out "fail: the step 'after: the patch is applied' gave exit status 5: not closed" json '"failing_step": 2'
run "$KMEND_LAB" verify --kernel "$release" --before 'exit 1' "$m/cmdline_patch.ko"
expect 2 'verify: the reproducer does not work in the first place' out "fail: the step 'before: the patch is not applied' gave exit status 1"
run "$KMEND_LAB" verify --kernel "$release" "$m/warn_patch.ko"
expect 2 'verify: a warning' out "fail: the kernel's log has a warning"
run "$KMEND_LAB" verify --kernel "$release" "$m/crash_patch.ko"
expect 2 'verify: a panic' out "fail: the kernel panicked in the step 'load'" out 'crash_patch panics'
run "$KMEND_LAB" verify --kernel "$release" "$m/napper.ko"
expect 1 'verify: a module that is no live patch' err 'no live patch'
run "$KMEND_LAB" verify "$m/cmdline_patch.ko" "$m/warn_patch.ko"
expect 1 'verify: one at a time' err 'one patch at a time'

head -c 1000 "$m/cmdline_patch.ko" >"$work/cut.ko"
run "$KMEND_LAB" batch --kernel "$release" --json "$work/json" "$m/cmdline_patch.ko" "$m/warn_patch.ko" "$work/cut.ko" \
	"$m/crash_patch.ko" "$m/replace_patch.ko"
expect 2 'batch: each its own verdict, whatever the others did' out 'pass cmdline_patch' out 'fail warn_patch' out 'fail crash_patch' \
	out 'fail cut' out 'pass replace_patch' out '2 of 5 patches passed' json 'the kernel panicked in the step'

finish
