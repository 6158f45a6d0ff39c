# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the command line share. TAP on stdout; a test sources this, calls check functions, and ends with `finish`.
# From the environment: KMEND, KMEND_SIM (with a simulated kernel), MKPATCH.
set -u
LC_ALL=C
export LC_ALL
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
tests=0
failed=0
status=0

ok() { # STATUS-OF-THE-CHECK DESCRIPTION
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $tests - $2"
	sed 's/^/#   status: /' "$work/status"
	sed 's/^/#   out: /' "$work/out"
	sed 's/^/#   err: /' "$work/err"
}

run() { # COMMAND...: outputs to $work/out and $work/err, exit status to $status
	"$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	echo "$status" >"$work/status"
}

# expect STATUS DESCRIPTION [out|err TEXT]...: what the last run must have given. TEXT is a fixed string.
expect() {
	want=$1 what=$2 good=0
	shift 2
	[ "$status" -eq "$want" ] || good=1
	while [ $# -ge 2 ]; do
		grep -qF -e "$2" "$work/$1" || good=1
		shift 2
	done
	ok "$good" "$what"
}

# json PYTHON-EXPRESSION DESCRIPTION: the last run's output is one JSON document `j` for which the expression holds.
json() {
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
sys.exit(0 if eval(sys.argv[2]) else 1)' "$work/out" "$1" 2>>"$work/err"
	ok $? "$2"
}

# A fresh simulated kernel below $KMEND_ROOT.
new_kernel() {
	KMEND_ROOT=$(mktemp -d "$work/root.XXXXXX")
	export KMEND_ROOT
}

sim() { # FILE VALUE: sets a control of the simulated kernel (tests/sim/sim.h)
	mkdir -p "$KMEND_ROOT/sim"
	echo "$2" >"$KMEND_ROOT/sim/$1"
}

finish() {
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}
