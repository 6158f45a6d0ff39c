#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The part of the demo that runs inside the virtual machine: open, patched, open again, with a workload running all the time.
# usage: demo-guest.sh PATCH.ko
# A lab shows no control characters, so colours leave it as marks, {green} and the like, and demo.sh makes them what they are.
patch=$1
name=$(basename "$patch" .ko)
good='{green}' bad='{red}' bold='{bold}' off='{off}'
status=0

line() { # COLOUR WHAT TEXT
	printf '  %s%-11s%s %s\n' "$1" "$2" "$off" "$3"
}
expect() { # YES|NO WHAT TEXT-WHEN-OPEN TEXT-WHEN-CLOSED
	if su nobody -c 'unshare -U true' 2>/dev/null; then is=open text=$3; else is=closed text=$4; fi
	if [ "$is" = "$1" ]; then line "$([ $is = open ] && echo "$bad" || echo "$good")" "$2" "$text"; else
		line "$bad" "WRONG" "the hole is $is"
		status=1
	fi
}
seconds() { # of the transition in a JSON file
	sed -n 's/.*"transition_seconds": \([0-9.]*\).*/\1/p' "$1" | cut -c1-5
}

mkdir -p /etc
printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' >/etc/passwd
printf '%s%s%s, %s processors, %s\n' "$bold" "$(uname -r)" "$off" "$(grep -c ^processor /proc/cpuinfo)" "up $(cut -d' ' -f1 /proc/uptime) s"

kmend-workload >/workload.out 2>&1 &
workload=$!
sleep 1
expect open "hole open" "an unprivileged user opens a user namespace" "?"

kmend load --json "$patch" >/load.json || status=1
line "$good" "patched" "kmend load $name.ko: all tasks switched in $(seconds /load.json) s"
expect closed "hole closed" "?" "the same call is refused: Operation not permitted"
kmend list | sed 's/^/              /'
sleep 1

kmend unload --json "$name" >/unload.json || status=1
line "$good" "unloaded" "kmend unload $name: all tasks switched back in $(seconds /unload.json) s"
expect open "hole open" "the kernel is what it was" "?"
[ -d "/sys/module/$name" ] && line "$bad" "WRONG" "the module is still there" && status=1

kill "$workload"
wait "$workload" || status=1
line "$good" "workload" "$(sed -n '$s/ops=\([0-9]*\) errors=\([0-9]*\) .*longest_gap_ms=\([0-9.]*\) .*/\1 operations all the while, \2 errors, longest pause \3 ms/p' /workload.out)"
exit $status
