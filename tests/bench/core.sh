# SPDX-License-Identifier: GPL-2.0-or-later
# usage, in a guest: sh core.sh "PART…" "TASKS…" ROUNDS "MODES…"     (parts: calls, wide, blocked, transitions; the rest is transitions')
# The bench of kmend.ko against the kernel's own live patching, both in the same guest. The modules of tests/bench/modules and kmend.ko are in
# the working directory, kmend-bench in PATH. What was measured is on lines that begin with "row".
set -u
parts=$1 all_tasks=$2 rounds=$3 modes=$4
klp=/sys/kernel/livepatch
core=/sys/kernel/kmend
HOLD_S=5 # how long the kernel's transition is watched while it stalls

die() {
	echo "core.sh: $*" >&2
	dmesg | tail -n 20 >&2
	exit 1
}

until_is() { # VALUE FILE
	for _ in $(seq 200); do
		[ "$(cat "$2" 2>/dev/null)" = "$1" ] && return
		sleep 0.05
	done
	die "$2 is $(cat "$2"), not $1"
}

until_gone() { # PATH
	for _ in $(seq 200); do
		[ -e "$1" ] || return
		sleep 0.05
	done
	die "$1 stays"
}

# ---- one patch at a time: $patch is its module, $dir its place in sysfs ------------------------------------------------------------------
name_it() { # klp|core [PATCH]: the patch of three functions, or another
	patch=${2:-kmend_bench}_$1
	case $1 in
	klp) dir=$klp/$patch ;;
	core) dir=$core/$patch ;;
	esac
}

settle() { # until what goes on behind a transition is over as well
	until_is 0 "$dir/transition"
	[ "$patch" != "${patch#kmend_bench_wide}" ] || for f in "$dir"/*/*/redirect; do
		[ ! -e "$f" ] || [ "$(cat /sys/module/kmend/parameters/direct)" = N ] || until_is direct "$f"
	done
	sleep 0.2
}

remove() {
	[ "$(cat "$dir/enabled" 2>/dev/null)" != 1 ] || echo 0 >"$dir/enabled" || die "$patch cannot be disabled"
	until_gone "$dir"
	for _ in $(seq 100); do
		rmmod "$patch" 2>/dev/null && return
		sleep 0.05
	done
	rmmod "$patch" || die "$patch cannot be removed"
}

# ---- calls -------------------------------------------------------------------------------------------------------------------------------
count() { # FLAVOUR STATE [WORD]
	echo "${3:-count}" >/proc/kmend_bench || die "$1 $2"
	echo "row what=call flavour=$1 state=$2 ticks=$(cat /proc/kmend_bench)"
}

hold() {
	echo hold >/proc/kmend_bench &
	holder=$!
	sleep 0.2
	grep -q bench_hold "/proc/$holder/stack" || die 'nobody is in bench_hold'
}

release() {
	echo release >/proc/kmend_bench
	wait "$holder"
}

calls_in_transition() { # klp|core
	hold
	insmod "$patch.ko" || die "$patch"
	sleep 0.5
	until_is 1 "$dir/transition"
	count "$1" switched
	sh -c 'echo count >/proc/kmend_bench'
	echo "row what=call flavour=$1 state=newborn ticks=$(cat /proc/kmend_bench)"
	count "$1" pending measure
	until_is 1 "$dir/transition"
	release
	settle
	remove
}

calls_of() { # klp|core
	name_it "$1"
	insmod "$patch.ko" || die "$patch"
	settle
	count "$1" steady
	remove
	# What a call costs depends a little on where the task lies in memory: each round has other tasks.
	for round in 1 2 3; do
		(calls_in_transition "$1") || exit 1
	done
}

calls() {
	count none plain
	calls_of klp
	calls_of core
	echo N >/sys/module/kmend/parameters/direct
	insmod "$patch.ko"
	settle
	count core handler
	remove
	echo Y >/sys/module/kmend/parameters/direct
}

# ---- many functions ----------------------------------------------------------------------------------------------------------------------
wide_of() { # klp|core
	name_it "$1" kmend_bench_wide
	sleep 1
	kmend-bench memory >/dev/null
	echo "row what=memory flavour=$1 state=before $(kmend-bench memory)"
	echo "row what=wide op=apply flavour=$1 $(kmend-bench load "$dir" "$patch.ko" '')"
	settle
	sleep 1
	echo "row what=memory flavour=$1 state=after $(kmend-bench memory)"
	echo "row what=wide op=revert flavour=$1 $(kmend-bench disable "$dir")"
	remove
}

wide() {
	insmod kmend_bench_many.ko || die kmend_bench_many
	for round in 1 2; do # the first fills caches
		wide_of klp
		wide_of core
	done
	rmmod kmend_bench_many
}

# ---- a task that stays -------------------------------------------------------------------------------------------------------------------
blocked() {
	name_it klp
	hold
	insmod "$patch.ko"
	sleep $HOLD_S
	echo "row what=blocked flavour=klp mode=klp after_s=$HOLD_S transition=$(cat "$dir/transition")"
	remove
	for ms in 1000 4000; do
		name_it core
		echo "row what=blocked flavour=core mode=deadline deadline_ms=$ms" \
			"$(kmend-bench load "$dir" "$patch.ko" "mode=deadline deadline_ms=$ms")"
		remove
	done
	echo "row what=blocked flavour=core mode=stop $(kmend-bench load "$dir" "$patch.ko" mode=stop)"
	until_gone "$dir"
	release
}

# ---- transitions -------------------------------------------------------------------------------------------------------------------------
transition() { # klp|core MODE PARAMS: one there and back; CASE, TASKS and ROUND are set
	name_it "$1"
	about="flavour=$1 mode=$2 case=$CASE tasks=$TASKS round=$ROUND"
	there=$(kmend-bench load "$dir" "$patch.ko" "$3") || die "$about"
	own=
	if [ -e "$dir" ]; then
		settle
		[ "$1" = klp ] || own="own_ns=$(cat "$dir/last_transition_ns") stop_ns=$(cat "$dir/stop_ns")"
	fi
	echo "row what=transition op=apply $about $there $own"
	[ -e "$dir" ] || return
	back=$(kmend-bench disable "$dir") || die "$about, back"
	echo "row what=transition op=revert $about $back"
	remove
}

round() {
	transition klp klp ''
	for mode in $modes; do
		transition core "$mode" "mode=$mode deadline_ms=10000"
	done
}

start() { # VERB ARG...: a kmend-bench in the background
	kmend-bench "$@" >/tmp/ready &
	busy=$!
	for _ in $(seq 600); do
		[ "$(cat /tmp/ready)" = ready ] && return
		sleep 0.1
	done
	die "$*"
}

transitions() {
	for TASKS in $all_tasks; do
		start sleepers "$TASKS"
		sleepers=$busy
		CASE=idle
		for ROUND in $(seq "$rounds"); do
			round
		done
		CASE=nappers
		for ROUND in $(seq "$rounds"); do
			start nappers 8 30
			round
			kill "$busy"
			wait "$busy" 2>/dev/null
		done
		kill "$sleepers"
		wait "$sleepers" 2>/dev/null
	done
}

insmod kmend_bench.ko && insmod kmend.ko || die 'no modules'
for part in $parts; do
	$part
done
exit 0
