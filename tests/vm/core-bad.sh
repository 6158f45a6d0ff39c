#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest: patches that must not get in. Each is refused with an errno and one line in the log, and nothing has changed.
. "$(dirname "$0")/core-lib.sh"
insert kmt_target
enable kmt_c what=l state_version=2 # the system is not empty

refused() { # ERRNO TEXT DESCRIPTION MODULE [PARAMETER]...: TEXT is in the line
	want=$1 text=$2 what=$3
	shift 3
	snapshot >/tmp/before
	mark
	run insert "$@"
	snapshot >/tmp/after
	{
		[ $status = "$want" ] || echo "errno $status, not $want"
		since_mark | grep '^kmend:' >/tmp/lines
		[ "$(wc -l </tmp/lines)" = "${lines:-1}" ] && grep -qF -e "$text" /tmp/lines || { echo "not one line with $text:"; cat /tmp/lines; }
		diff -u /tmp/before /tmp/after
	} >$out
	[ ! -s $out ]
	check $? "$what"
}

bad() { # HOW ERRNO TEXT DESCRIPTION
	refused "$2" "$3" "$4" kmt_bad how=$1
}

echo 'module kmend -p' >/sys/kernel/debug/dynamic_debug/control
bad abi 8 'made for version 2 of the ABI' 'a patch for another version of kmend'
bad build-id 8 'kmt_bad' 'a patch for another kernel'
bad build-id-text 8 'kmt_bad' 'a build-id that is none'
bad symbol 2 'kmt_there_is_no_such_function' 'a symbol that does not exist'
bad ambiguous 22 'c_start' 'a symbol of which there are several, without a position'
bad sympos 2 'version_proc_show,7' 'a position that does not exist'
bad nofentry 22 'entry_SYSCALL_64' 'a function without fentry'
bad data 22 'linux_proc_banner' 'data in place of a function'
bad hash 84 'version_proc_show' 'running bytes that are not the expected ones'
bad masks 22 'version_proc_show' 'masks that are out of order'
bad nothing-new 22 'no replacement' 'a function without replacement'
bad wild-new 22 'replacement of' 'a replacement that is no function'
bad twice 22 'listed twice' 'a function that is listed twice'
bad no-module 22 'without module' 'a patch without module'
bad no-objects 22 'without module or objects' 'a patch without objects'
bad no-functions 22 'no array of functions' 'an object without an array'
bad objects-twice 22 'listed twice' 'an object that is listed twice'
bad vmlinux 22 'NULL' 'the kernel by name'
bad itself 22 'cannot change itself' 'a patch of itself'
bad core 22 'cannot change itself or kmend' 'a patch of kmend'
bad slash 22 'cannot be the name of a module' 'a name that is a path'
bad mode 22 'unknown mode' 'a mode that does not exist'
bad states 22 'state 5 is listed twice' 'a state that is listed twice'
bad state-missing 22 'not compatible' 'a cumulative patch that does not know a state'
bad state-older 22 'not compatible' 'a state in an older form'
bad reloc-symbol 2 'kmt_there_is_no_such_symbol' 'a relocation to a symbol that does not exist'
bad reloc-type 22 'type 99' 'a relocation of an unknown type'
bad reloc-used 17 'not zero' 'a relocation of a place that is in use'
bad reloc-range 34 'out of reach' 'a relocation that does not fit'
bad reloc-place 22 'linux_banner' 'a relocation of the kernel itself'

sysctl -q kernel.ftrace_enabled=0 2>/dev/null
is 'the function tracer cannot be turned off while a patch is in' says /proc/sys/kernel/ftrace_enabled 1
take_out kmt_c
sysctl -q kernel.ftrace_enabled=0
lines=5
refused 16 'version_proc_show' 'when it is off no patch gets in' kmt_a
lines=1
sysctl -q kernel.ftrace_enabled=1
enable kmt_a
is 'when it is on again it does' says /proc/version '"version by kmt_a"'
take_out kmt_a
rmmod kmt_target
run rmmod kmend
expect 0 'kmend goes'
finish
