# SPDX-License-Identifier: GPL-2.0-or-later
# usage, in a guest: sh host-replace.sh MODULES     (a directory with what is built from tests/vm/modules/)
# A cumulative patch takes the place of another, and the patches stack.
. "$(dirname "$0")/lib.sh"
modules=$1

run $KMEND load "$modules/cmdline_patch.ko"
expect 0 'a patch' 'is loaded'
run cat /proc/cmdline
expect 0 'it acts' patched
run $KMEND load "$modules/replace_patch.ko"
expect 0 'a cumulative patch' 'replace_patch is loaded' 'it replaced cmdline_patch'
run cat /proc/cmdline
expect 0 'it acts' replaced
kernel_lacks cmdline_patch
check $? 'what it replaced leaves memory'
run $KMEND load "$modules/cmdline_patch.ko"
expect 0 'the first one above it' 'is loaded'
run cat /proc/cmdline
expect 0 'the upper one acts' patched
run $KMEND unload replace_patch
expect 0 'the lower one goes first' 'is unloaded'
run cat /proc/cmdline
expect 0 'the upper one still acts' patched
run $KMEND unload cmdline_patch
expect 0 'the upper one goes' 'is unloaded'
run grep -cE 'patched|replaced' /proc/cmdline
expect 1 'the kernel is as before' 0
finish
