#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest: who else looks at a patched function, or changes it. The rows of the table in docs/core-api.md, section Tracers.
. "$(dirname "$0")/core-lib.sh"
T=/sys/kernel/debug/tracing
F=version_proc_show
R=$K/kmt_a/vmlinux/$F,1/redirect
D=/sys/module/kmend/parameters/direct
original=$(cat /proc/version)
echo $F >$T/set_ftrace_filter

new() { says /proc/version 'version by kmt_a'; }
old() { says /proc/version "$original"; }
handler() { grep -q '^handler' $R; }
direct() { says $R direct; }

# Each of them is looked at in three states: under the handler (direct calls off), with the direct call, and on the way from one to the
# other and back while it stays attached.
in_each_state() { # NAME COMMAND: says true when the tool has seen a call
	echo 0 >$D
	is "$1: with the handler the new function runs" 'handler && new'
	is "$1: and it is seen" "$2"
	echo 1 >$D
	is "$1: with a direct call the new function runs" 'direct && new'
	is "$1: and it is seen" "$2"
	disable kmt_a && rmmod kmt_a
	is "$1: the original comes back" old
	is "$1: and it is seen" "$2"
	enable kmt_a
	is "$1: the patch goes in" 'direct && new'
	is "$1: and it is seen" "$2"
}

enable kmt_a
is 'nobody else there: a direct call' 'direct && new'

# ---- the function tracer ----
traced() { echo >$T/trace; cat /proc/version >/dev/null; grep -q "$F <-" $T/trace; }
echo function >$T/current_tracer
in_each_state 'function tracer' traced

# ---- function graph: the new function is below the name of the old one, with its time ----
graphed() { echo >$T/trace; cat /proc/version >/dev/null; grep -q " us .*$F();\|$F() {" $T/trace; }
echo function_graph >$T/current_tracer
in_each_state 'function graph' graphed
echo nop >$T/current_tracer

# ---- kprobe events and kretprobe events ----
probed() { echo >$T/trace; cat /proc/version >/dev/null; grep -q "$1: (" $T/trace; }
echo "p:kp $F" >$T/kprobe_events && echo "r:kr $F" >>$T/kprobe_events
status=$?
check $status 'a kprobe and a kretprobe on a patched function'
echo 1 >$T/events/kprobes/kp/enable
in_each_state kprobe 'probed kp'
echo 0 >$T/events/kprobes/kp/enable
echo 1 >$T/events/kprobes/kr/enable
in_each_state kretprobe 'probed kr'

# ---- all at once ----
echo 1 >$T/events/kprobes/kp/enable
echo function_graph >$T/current_tracer
in_each_state 'graph, kprobe, kretprobe' 'probed kp && probed kr && graphed'
echo nop >$T/current_tracer
echo 0 >$T/events/kprobes/enable
echo >$T/kprobe_events

# ---- fprobe, where there are such events ----
if echo "f:fp $F" >>$T/dynamic_events 2>/dev/null; then
	echo 1 >$T/events/fprobes/fp/enable
	in_each_state fprobe 'probed fp'
	echo 0 >$T/events/fprobes/fp/enable
	echo >$T/dynamic_events
fi

# ---- a kprobe inside the old function: it stays, and is not hit any more ----
inside() { # the first instruction where one can be
	for offset in 6 7 8 9 10 11 12 13 14 15 16 17 18; do
		insert kmt_probe offset=$offset 2>/dev/null && return
	done
	return 1
}
run inside
expect 0 'kprobe inside: a patched function may have one'
cat /proc/version >/dev/null
is 'kprobe inside: the old function does not run' says /sys/module/kmt_probe/parameters/hits 0
disable kmt_a && rmmod kmt_a
cat /proc/version >/dev/null
is 'kprobe inside: it is hit when the original is back' says /sys/module/kmt_probe/parameters/hits 1
enable kmt_a
is 'kprobe inside: the patch goes in' new
rmmod kmt_probe

# ---- a kprobe with a post_handler changes the instruction pointer as we do ----
run insert kmt_probe post=1
expect 16 'kprobe with a post_handler: refused on a patched function'
echo 0 >$D
run insert kmt_probe post=1
expect 16 'kprobe with a post_handler: refused with the handler too'
echo 1 >$D
is 'kprobe with a post_handler: the patch is as before' 'direct && new'
disable kmt_a && rmmod kmt_a
run insert kmt_probe post=1
expect 0 'kprobe with a post_handler: it may come first'
mark
run insert kmt_a
expect 16 'kprobe with a post_handler: the patch is refused then'
is 'kprobe with a post_handler: the log says by whom' 'since_mark | grep -q "$F is changed by somebody else"'
is 'kprobe with a post_handler: nothing has changed' 'old && [ ! -e $K/kmt_a ]'
rmmod kmt_probe
enable kmt_a
is 'when it is gone the patch goes in' 'direct && new'

# ---- the kernel's own livepatch ----
if [ -e /modules/kmt_klp.ko ]; then
	run insert kmt_klp
	expect 16 'livepatch: refused on a patched function'
	is 'livepatch: the patch is as before' 'direct && new'
	disable kmt_a && rmmod kmt_a
	run insert kmt_klp
	expect 0 'livepatch: it may come first'
	is 'livepatch: it is in force' says /proc/version "'version by livepatch'"
	run insert kmt_a
	expect 16 'livepatch: the patch is refused then'
	is 'livepatch: it is as before' says /proc/version "'version by livepatch'"
	wait_for says /sys/kernel/livepatch/kmt_klp/transition 0
	echo 0 >/sys/kernel/livepatch/kmt_klp/enabled
	wait_for '[ ! -e /sys/kernel/livepatch/kmt_klp ]' && rmmod kmt_klp
	enable kmt_a
	is 'when it is gone the patch goes in' 'direct && new'
fi

# ---- BPF fentry: its trampoline needs the place of the direct call ----
counts() { # it rises with a call
	n=$(cat /tmp/count)
	cat /proc/version >/dev/null
	wait_for '[ "$(cat /tmp/count)" -gt $n ]'
}
trampoline() { # NAME [exit]
	type=${2:-}
	run /modules/fentry $F /tmp/count $type
	expect 16 "$1: refused while there is a direct call"
	is "$1: the patch is as before" 'direct && new'
	echo 0 >$D
	/modules/fentry $F /tmp/count $type 2>$out &
	bpf=$!
	is "$1: with direct calls off it attaches" '[ -s /tmp/count ]'
	is "$1: it counts" counts
	is "$1: the new function runs" 'handler && new'
	echo 1 >$D
	is "$1: the direct call stays away" 'sleep 0.2; handler && new && counts'
	is "$1: the reason is told" 'grep -q "^handler: .* BPF" $R'
	disable kmt_a && rmmod kmt_a
	is "$1: the original comes back" 'old && counts'
	enable kmt_a
	is "$1: a patch goes in below it" 'handler && new && counts'
	insert kmt_b && wait_for in_force kmt_b
	is "$1: another patch on top" 'says /proc/version "version by kmt_b" && counts'
	take_out kmt_b
	is "$1: and off again" 'handler && new && counts'
	kill $bpf
	wait $bpf 2>/dev/null
	is "$1: when it is gone the direct call comes back" 'direct && new'
	rm /tmp/count
}
trampoline 'BPF fentry'
trampoline 'BPF fexit' exit

# ---- switching ftrace off ----
run sh -c 'echo 0 >/proc/sys/kernel/ftrace_enabled'
expect 1 'ftrace_enabled=0 is refused while a function is patched' busy
is 'the patch is as before' 'direct && new'
disable kmt_a && rmmod kmt_a
run sh -c 'echo 0 >/proc/sys/kernel/ftrace_enabled'
expect 0 'it may be switched off without patches'
run insert kmt_a
expect 16 'a patch is refused then'
echo 1 >/proc/sys/kernel/ftrace_enabled
enable kmt_a
is 'when it is on again the patch goes in' 'direct && new'
disable kmt_a && rmmod kmt_a
is 'the original is back' old
is 'nothing is left of anybody' '! grep -q "^$F" $T/enabled_functions'
run rmmod kmend
expect 0 'the core can be removed'
finish
