# SPDX-License-Identifier: GPL-2.0-or-later
# From the kernel's own live patching to kmend.ko: applied to the extracted scripts, never to the modules' sources.
# the directory, as a path and in the lines that the scripts log
s#/sys/kernel/livepatch#/sys/kernel/kmend#g
# which holds some plain files too
s#=(/sys/kernel/kmend/\*)#=(/sys/kernel/kmend/*/)#g
# the prefix of the log, where it is expected, written and looked for
s#livepatch: #kmend: #g
s#-e 'livepatch:'#-e 'kmend:'#
# debugging output is switched on for a module and not for files that are built in
s#'^kernel/livepatch'#'\\[kmend\\]'#
s#file kernel/livepatch/\* +p#module kmend +p#
# per task there, per state that does not fit here: both are no part of what is compared
s#func klp_try_switch_task -p#func km_states_check -p#
# this refusal says more
s#failed to register ftrace handler for function '\(.*\)' (-16)#\1 is changed by somebody else (livepatch, a kprobe with a post_handler), or ftrace_enabled is 0#
# told after 5 seconds and not after 15, and so on a slow machine also where the scripts hold a transition up
s#grep -v '\(.*\) kernel' |#grep -v -e '\1 kernel' -e 'signaling remaining tasks' |#
