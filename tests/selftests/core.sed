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
/func klp_try_switch_task -p/d
# the one line whose words differ
s#Livepatch patch (\(.*\)) is not compatible with the already installed livepatches\.#@INCOMPATIBLE@#
