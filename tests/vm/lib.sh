# SPDX-License-Identifier: GPL-2.0-or-later
# What the scripts share that run as root inside a guest. Plain sh, busybox is enough; TAP on stdout. kmend is in PATH, or $KMEND.
set -u
KMEND=${KMEND:-kmend}
out=/tmp/host-test.out
tests=0
failed=0
status=0

check() { # STATUS DESCRIPTION
	tests=$((tests + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tests - $2"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $2"
		sed "s/^/#   status $status: /" $out
	fi
}

run() { # COMMAND...: both outputs to $out, the exit status to $status
	"$@" >$out 2>&1 </dev/null
	status=$?
}

expect() { # STATUS DESCRIPTION [TEXT]...
	want=$1 what=$2 good=0
	shift 2
	[ "$status" -eq "$want" ] || good=1
	for text; do
		grep -qF -e "$text" $out || good=1
	done
	check $good "$what"
}

kernel_has() { # NAME: enabled and settled
	[ "$(cat "/sys/kernel/livepatch/$1/enabled" 2>/dev/null)" = 1 ] && [ "$(cat "/sys/kernel/livepatch/$1/transition")" = 0 ]
}

kernel_lacks() { # NAME
	[ ! -e "/sys/kernel/livepatch/$1" ] && [ ! -e "/sys/module/$1" ]
}

# Nothing but what live patching always says.
log_is_clean() {
	! dmesg | grep -E 'BUG:|WARNING:|Oops|general protection|stack-protector|soft lockup|hung task|RCU.*stall|Call Trace' >$out
	check $? 'the kernel log is clean'
}

finish() {
	log_is_clean
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}
