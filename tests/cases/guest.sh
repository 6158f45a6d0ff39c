#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs cases in the guest: guest.sh CASE...; each is /cases/CASE with before.sh, after.sh, a patch NAME.ko, its NAME in `name`, and
# perhaps `later`, a list of modules that are inserted while the patch is applied. Says on its standard output, a line each:
# "@begin CASE", then "@ok CASE" or "@fail CASE WHY". The log gets a mark at each begin.

KLP=/sys/kernel/livepatch
[ ! -e /root/kmend.ko ] || { insmod /root/kmend.ko && KLP=/sys/kernel/kmend; } || exit
LIMIT=60 # seconds a transition may take

# Waits until the command is true; false at the limit.
wait_for() {
	tries=$((LIMIT * 10))
	until "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

settled() {
	[ "$(cat "$KLP/$1/transition" 2>/dev/null)" = 0 ]
}

gone() {
	[ ! -e "$KLP/$1" ]
}

# Tasks that hold a transition up, with their stacks.
blockers() {
	cat "$KLP"/*/blockers 2>/dev/null
	for state in /proc/[0-9]*/task/*/patch_state; do
		[ "$(cat "$state" 2>/dev/null)" = "$1" ] || continue
		task=${state%/patch_state}
		echo "blocks: $(cat "$task/comm")"
		cat "$task/stack"
	done
}

load() {
	insmod "/cases/$1/$2.ko" || return 1
	wait_for settled "$2" && [ "$(cat "$KLP/$2/enabled")" = 1 ] && return 0
	blockers 0
	unload "$2"
	return 1
}

unload() {
	echo 0 > "$KLP/$1/enabled" && wait_for gone "$1" && rmmod "$1" && return 0
	blockers 1
	return 1
}

state() {
	(cd /tmp && sh "/cases/$1/$2.sh") 2>&1
}

insert_later() {
	[ -e "/cases/$1/later" ] || return 0
	while read -r module; do
		insmod "/root/$module.ko" || return 1
	done < "/cases/$1/later"
}

remove_later() {
	[ -e "/cases/$1/later" ] || return 0
	while read -r module; do
		rmmod "$module" || return 1
	done < "/cases/$1/later"
}

# Leaves the reason in $why.
run_case() {
	name=$(cat "/cases/$1/name")
	why="before.sh is not true before the patch is loaded"
	state "$1" before || return 1
	why="it does not load"
	load "$1" "$name" || return 1
	why="a module that comes later does not come"
	insert_later "$1" || { unload "$name"; return 1; }
	why="after.sh is not true while the patch is applied"
	state "$1" after
	effect=$?
	unload "$name" || { why="it does not unload"; return 1; }
	[ "$effect" = 0 ] || return 1
	why="before.sh is not true after the patch is unloaded"
	state "$1" before || return 1
	why="a module that came later does not leave"
	remove_later "$1"
}

for case in "$@"; do
	echo "@begin $case"
	echo "kmend-case: $case" > /dev/kmsg
	if run_case "$case"; then
		echo "@ok $case"
	else
		echo "@fail $case $why"
	fi
done
echo "kmend-case: end" > /dev/kmsg
