#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Live patches written by hand, in real guests: verify and batch give the right verdicts, and the host command's own tests (host-*.sh) pass.
# TAP; runs on the host. From the environment: KMEND_LAB, KMEND, and KMEND_TEST_KERNEL, a prepared release; without it the first one.
set -u
here=$(cd "$(dirname "$0")" && pwd)
command -v qemu-system-x86_64 >/dev/null || { echo '1..0 # SKIP qemu-system-x86_64 is not installed'; exit 77; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
tests=0 failed=0 status=0

cache=${KMEND_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kmend}
[ -n "${KMEND_CACHE:-}${XDG_CACHE_HOME:-}" ] || [ "$(id -u)" -ne 0 ] || cache=/var/cache/kmend
for ready in "$cache/kernels/${KMEND_TEST_KERNEL:-}"*/ready; do
	dir=${ready%/ready}
	id=${dir##*/}
	[ -e "$dir/image/boot/vmlinuz-${id%-*}" ] && break
	dir=
done
[ -n "$dir" ] || { echo 'Bail out! no kernel is prepared'; exit 99; }
release=${id%-*}

cp -r "$here/modules" "$work/modules" || exit 99
compiler=$(sed -n 's/.*"compiler": "\([^"]*\)".*/\1/p' "$dir/kernel.json")
make -C "$dir/tree" M="$work/modules" CC="$compiler" modules >"$work/make.log" 2>&1 ||
	{ tail -n 20 "$work/make.log" | sed 's/^/# /'; echo 'Bail out! the modules do not build'; exit 99; }
m=$work/modules

run() {
	"$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

expect() { # STATUS DESCRIPTION [out|err|json TEXT]...
	want=$1 what=$2 good=1
	shift 2
	[ "$status" -eq "$want" ] || good=0
	while [ $# -ge 2 ]; do
		grep -qF -e "$2" "$work/$1" || good=0
		shift 2
	done
	tests=$((tests + 1))
	if [ $good = 1 ]; then
		echo "ok $tests - $what"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $what"
	echo "#   status $status"
	for f in out err; do
		tail -n 25 "$work/$f" | sed "s/^/#   $f: /"
	done
}

run "$KMEND_LAB" verify --kernel "$release" --json "$work/json" --workload kmend-workload \
	--before '! grep -q ^patched /proc/cmdline' --after 'grep -q ^patched /proc/cmdline' "$m/cmdline_patch.ko"
expect 0 'verify: closed by the patch, open before and after' out 'pass: ' json '"pass": true' json 'transition_seconds' json 'ops='
run "$KMEND_LAB" verify --kernel "$release" "$m/cmdline_patch.ko"
expect 0 'verify without commands: three times in and out' out 'functions in effect'
run "$KMEND_LAB" verify --kernel "$release" --json "$work/json" --after 'echo not closed; exit 5' "$m/cmdline_patch.ko"
expect 2 'verify: the reproducer still works' out 'fail: after: the patch is applied: exit status 5: not closed' json '"failing_step": 2'
run "$KMEND_LAB" verify --kernel "$release" --before 'exit 1' "$m/cmdline_patch.ko"
expect 2 'verify: the reproducer does not work in the first place' out 'fail: before: the patch is not applied: exit status 1'
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

host() { # SCRIPT WORDS...
	script=$1
	shift
	run "$KMEND_LAB" run --kernel "$release" --carry "$KMEND:/bin/kmend" --carry "$m:/modules" --carry "$here/lib.sh:/kmend/script/lib.sh" \
		--timeout 400 "$here/$script" "$@"
	expect 0 "$script"
}
host host-change.sh /modules/cmdline_patch.ko /modules/nap_patch.ko
host host-replace.sh /modules
host host-blocked.sh /modules
host host-kill.sh /modules/cmdline_patch.ko

echo "1..$tests"
[ $failed -eq 0 ]
