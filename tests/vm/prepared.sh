# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts share that run on the host and need a prepared kernel and the modules of tests/vm/modules built for it; sourced.
# From the environment: KMEND_LAB, KMEND, and KMEND_TEST_KERNEL, a release; without it the default one.
# Gives: $here, $work (removed at the end), $release, $m (the built modules); run and expect, which write TAP.
set -u
here=$(cd "$(dirname "$0")" && pwd)
command -v qemu-system-x86_64 >/dev/null || { echo '1..0 # SKIP qemu-system-x86_64 is not installed'; exit 77; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
tests=0 failed=0 status=0

release=${KMEND_TEST_KERNEL:-$("$here/../../scripts/default-kernel.sh" "$KMEND")} || exit 99
dir=$("$KMEND" prepare -q --json "$release" | sed -n 's/.*"directory": "\(.*\)".*/\1/p')
[ -n "$dir" ] || { echo "Bail out! $release cannot be prepared"; exit 99; }

# A copy: the cached tree and the sources are only read.
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

finish() {
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}
