#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The lab itself, with a real guest: what a script gives, how a guest ends, what is left behind. TAP; runs on the host.
# From the environment: KMEND_LAB, and which kernel: KMEND_TEST_KERNEL (a prepared or installed release), or KMEND_TEST_VMLINUZ and
# KMEND_TEST_MODULES. Without these the first prepared kernel is taken.
set -u
command -v qemu-system-x86_64 >/dev/null || { echo '1..0 # SKIP qemu-system-x86_64 is not installed'; exit 77; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
tests=0 failed=0 status=0

first_prepared() {
	cache=${KMEND_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/kmend}
	[ -n "${KMEND_CACHE:-}" ] || [ "$(id -u)" -ne 0 ] || cache=/var/cache/kmend
	for ready in "$cache"/kernels/*/ready; do
		[ -e "$ready" ] || continue
		id=${ready%/ready}
		id=${id##*/}
		echo "${id%-*}"
		return
	done
}

if [ -n "${KMEND_TEST_VMLINUZ:-}" ]; then
	kernel="--vmlinuz=$KMEND_TEST_VMLINUZ --modules=$KMEND_TEST_MODULES"
else
	release=${KMEND_TEST_KERNEL:-$(first_prepared)}
	[ -n "$release" ] || { echo 'Bail out! no kernel is prepared; set KMEND_TEST_KERNEL'; exit 99; }
	kernel="--kernel=$release"
fi

lab() { # [OPTION]... with the script on stdin: both outputs to $work/out and $work/err, the status to $status
	cat >"$work/script"
	# shellcheck disable=SC2086
	"$KMEND_LAB" run $kernel --json "$work/json" --keep-log "$work/log" "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
}

expect() { # STATUS DESCRIPTION [out|err|json|log TEXT]...
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
	for f in out err log; do
		tail -n 15 "$work/$f" 2>/dev/null | sed "s/^/#   $f: /"
	done
}

echo carried >"$work/file"
lab --carry "$work/file" --module dummy "$work/script" one 'two words' <<'EOF'
echo "arguments: $1, $2"
cat file
echo this goes to stderr >&2
lsmod | grep -q '^dummy ' && echo dummy is in
EOF
expect 0 'a script, its arguments, a carried file and a module' out 'arguments: one, two words' out 'carried' out 'this goes to stderr' \
	out 'dummy is in' json '"clean_end": true' json '"findings": []' log 'kmend-lab: step'

lab "$work/script" <<'EOF'
exit 42
EOF
expect 42 'the status of a script is the status of the lab'

cp "$(command -v id)" "$work/own-id"
lab --carry "$work/own-id" --module nf_tables "$work/script" <<'EOF'
own-id -u && grep -q nfnetlink /proc/modules
EOF
expect 0 'a dynamic program takes its libraries along, a module its dependencies' out 0

lab "$work/script" <<'EOF'
printf '\033]0;evil\007\n@km end 0 99999\nstatus=0\n'; head -c 300000 /dev/urandom; echo; echo survived; exit 3
EOF
expect 3 'bytes that look like records, and any others' out 'survived' out '?]0;evil?'

lab "$work/script" <<'EOF'
echo before the crash; echo c > /proc/sysrq-trigger; sleep 100
EOF
expect 255 'a panic' out 'before the crash' err 'the kernel panicked' json 'Kernel panic'

lab --timeout 12 "$work/script" <<'EOF'
echo waiting; sleep 1000
EOF
expect 124 'a script that does not end' out 'waiting'

# A clock that does not know of the host's: a minute of sleep takes none.
lab --icount "$work/script" <<'EOF'
read a _ </proc/uptime; sleep 60; read b _ </proc/uptime; echo "slept $((${b%.*} - ${a%.*})) s on $(nproc) CPU"
EOF
expect 0 'a clock that counts instructions' out 'slept 60 s on 1 CPU'

# What one run wrote, the next one finds: after an end in order, after a panic with an ext4 that nobody unmounted, after a kill.
for how in poweroff panic; do
	lab --disk "$work/disk:/var:16M" "$work/script" $how <<'EOF'
cat /var/story 2>/dev/null; echo "then $1" >>/var/story; sync
case $1 in
panic) echo c >/proc/sysrq-trigger; sleep 100 ;;
kill) echo written; sleep 100 ;;
esac
EOF
	case $how in
	poweroff) expect 0 'a disk is made and mounted' json '"name": "mount /var"' ;;
	panic) expect 255 'the next run finds what was written' out 'then poweroff' ;;
	esac
done
# shellcheck disable=SC2086
"$KMEND_LAB" run $kernel --disk "$work/disk:/var" "$work/script" kill >"$work/out" 2>"$work/err" &
lab_pid=$!
for _ in $(seq 600); do
	grep -q written "$work/out" && break
	sleep 0.1
done
kill -KILL $lab_pid
wait $lab_pid 2>/dev/null
status=0
expect 0 'after a panic it finds that, too' out 'then poweroff' out 'then panic'
for _ in $(seq 50); do # that QEMU may take a moment to go, and the disk is its own
	lab --disk "$work/disk:/mnt/deep" "$work/script" <<'EOF'
cat /mnt/deep/story
EOF
	grep -q 'write" lock' "$work/err" || break
	sleep 0.1
done
expect 0 'and after a kill of the lab' out 'then kill' json '"findings": []'

lab --disk "$work/disk:relative" "$work/script" <<'EOF'
EOF
expect 125 'a disk without a place' err 'is not FILE:GUESTPATH[:SIZE]'

lab --date 2031-02-03T04:05:06 "$work/script" <<'EOF'
date -u +%F
EOF
expect 0 'a clock of its own' out '2031-02-03'

# One server that is let in, and one that must not be reached.
mkdir "$work/www"
echo 'from the host' >"$work/www/file"
serve() { # NAME: a server in the background, its port to $port, its process to $server
	python3 -u -m http.server --bind 127.0.0.1 --directory "$work/www" 0 >"$work/$1" 2>/dev/null &
	server=$!
	for _ in $(seq 100); do
		port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' "$work/$1")
		[ -z "$port" ] || break
		sleep 0.1
	done
}
serve hidden
hidden=$server hidden_port=$port
serve shown
cat >"$work/ask" <<'EOF'
printf 'GET /file HTTP/1.0\r\n\r\n' | timeout 10 nc -w 3 "$@"
EOF
lab --carry "$work/ask" --net "$port" "$work/script" "$port" "$hidden_port" <<'EOF'
sh ask host $1 && sh ask host $1 | grep -q 'HTTP/1.0 200' && echo twice
for place in "host $2" "10.0.2.2 $1" "10.0.2.2 $2"; do
	sh ask $place | grep . && echo "reached $place"
done
exit 0
EOF
grep -q reached "$work/out" && status=1
expect 0 'a network with one port' out 'from the host' out 'twice'
kill "$hidden" "$server"
wait "$hidden" "$server" 2>/dev/null

lab --carry "$work/ask" --net "$port" "$work/script" "$port" <<'EOF'
sh ask host $1 | grep . || echo 'not a byte'
EOF
expect 0 'a port with nobody behind it' out 'not a byte'

lab --net 80,x "$work/script" <<'EOF'
EOF
expect 125 'a port that is none' err 'is no list of ports'

# Nothing but the two runs from here on: the first process cannot say that it lives.
lab --silence 6 --timeout 100 --carry "$(command -v chrt)" --append 'nosoftlockup rcupdate.rcu_cpu_stall_suppress=1' "$work/script" <<'EOF'
echo freezing; echo -1 > /proc/sys/kernel/sched_rt_runtime_us
for cpu in 0 1; do taskset -c $cpu chrt -f 99 sh -c 'while :; do :; done' & done; sleep 50
EOF
expect 255 'a guest that gives no sign of life' err 'no sign of life'

lab "$work/script" <<'EOF'
echo '<4>WARNING: CPU: 0 PID: 1 at nowhere.c:1 nothing+0x0/0x1' > /dev/kmsg
EOF
expect 254 'a warning in the log' err 'a warning: ' json '"reason": "a warning"'

lab --allow-log 'nowhere.c' "$work/script" <<'EOF'
echo '<4>WARNING: CPU: 0 PID: 1 at nowhere.c:1 nothing+0x0/0x1' > /dev/kmsg
EOF
expect 0 'a warning that was allowed' json '"findings": []'

lab --no-such-option "$work/script" <<'EOF'
EOF
expect 125 'an unknown option' err 'has no option --no-such-option'

lab --module no_such_module "$work/script" <<'EOF'
EOF
expect 125 'an unknown module' err "ships no module 'no_such_module'"

head -c 100000 /dev/urandom >"$work/garbage"
"$KMEND_LAB" run --vmlinuz "$work/garbage" "$work/script" >"$work/out" 2>"$work/err"
status=$?
expect 125 'a kernel that is none' err 'is no x86 kernel image'

# Killed in the middle: QEMU goes with it.
printf 'echo up; sleep 1000\n' >"$work/script"
# shellcheck disable=SC2086
"$KMEND_LAB" run $kernel --append "kmend_test=$$" "$work/script" >"$work/out" 2>"$work/err" &
lab_pid=$!
for _ in $(seq 300); do
	grep -q up "$work/out" && break
	sleep 0.1
done
kill -KILL $lab_pid
wait $lab_pid 2>/dev/null
sleep 0.5
status=0
for pid in /proc/[0-9]*; do
	{ tr '\0' ' ' <"$pid/cmdline" | grep -q "^qemu-system.*kmend_test=$$ *\$"; } 2>/dev/null && status=1
done
expect 0 'a killed lab leaves no QEMU' out up

echo "1..$tests"
[ $failed -eq 0 ]
