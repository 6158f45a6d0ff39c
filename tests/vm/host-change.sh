# SPDX-License-Identifier: GPL-2.0-or-later
# usage, in a guest: sh host-change.sh PATCH.ko [OTHER.ko]
# load, unload and what shows them, on a real kernel. PATCH is any live patch for this kernel whose object is loaded; OTHER another one.
. "$(dirname "$0")/lib.sh"
patch=$1
other=${2:-}
name=$(basename "$patch" .ko | tr - _)

run $KMEND unload "$name"
expect 0 'unload of what is not loaded' 'is not loaded'
run $KMEND blockers
expect 3 'no transition' 'no transition'
run $KMEND load "$patch"
expect 0 'load' "$name is loaded: transition"
grep 'transition took' $out | sed 's/^/# /'
kernel_has "$name"
check $? 'the kernel has it'
run $KMEND load "$patch"
expect 0 'load again' 'already loaded'
run $KMEND list
expect 0 'list' "$name" enabled
run $KMEND status
expect 0 'status' '1 patch applied' 'has been live-patched'
run $KMEND status --json
expect 0 'status as JSON' '"state": "patched"' "\"name\": \"$name\""
run $KMEND info "$name"
expect 0 'info' "$name"
if [ -n "$other" ]; then
	second=$(basename "$other" .ko | tr - _)
	run $KMEND load "$other"
	expect 0 'a second patch' 'is loaded'
	run $KMEND list --json
	expect 0 'both are listed' "\"name\": \"$name\"" "\"name\": \"$second\""
	run $KMEND unload "$second"
	expect 0 'and it goes' 'is unloaded'
	insmod "$other"
	run $KMEND load "$other"
	expect 0 'one that insmod loaded is known as the same build' "$second"
	run $KMEND list
	expect 0 'and as loaded by another' 'other'
	run $KMEND unload "$second"
	expect 0 'and can be unloaded' 'is unloaded'
	insmod "$other"
	until kernel_has "$second"; do sleep 0.2; done
	echo 0 >"/sys/kernel/livepatch/$second/enabled"
	while [ -e "/sys/kernel/livepatch/$second" ]; do sleep 0.2; done
	run $KMEND list
	expect 0 'a module left in memory shows as disabled' "$second" disabled
	run $KMEND load "$other"
	expect 0 'load replaces it' 'is loaded'
	run $KMEND unload "$second"
	expect 0 'and it goes again' 'is unloaded'
fi
run $KMEND unload "$name"
expect 0 'unload' "$name is unloaded: transition"
kernel_lacks "$name"
check $? 'the kernel lacks it'
i=0
while [ $i -lt 5 ]; do
	$KMEND load "$patch" >$out 2>&1 && $KMEND unload "$name" >$out 2>&1 || break
	i=$((i + 1))
done
[ $i -eq 5 ]
check $? 'five times in and out'
head -c 3000 "$patch" >/tmp/cut.ko
run $KMEND load /tmp/cut.ko
expect 1 'a truncated file' cut.ko
finish
