# SPDX-License-Identifier: GPL-2.0-or-later
# usage, in a guest: sh core-cli-guest.sh. /built and /built/core have one patch in both flavours, kmend.ko and nap_core.ko; /modules what is
# built from tests/vm/modules/; /built/installed a /lib/modules/RELEASE with kmend.ko.
. "$(dirname "$0")/lib.sh"
name=kmend_refuse_userns

# What may differ: who redirects, which file it is, and when; and what this kernel's own livepatch does not tell yet.
same() { # FILE FILE DESCRIPTION
	for f in "$1" "$2"; do
		sed '/"\(backend\|build_id\|loaded_at\|path\|sha256\|stack_order\|replace\|taint\|[a-z]*_seconds\)":/d' "$f" >"$f.same"
	done
	diff "$1.same" "$2.same" >$out 2>&1
	check $? "$3"
}

# ---- without kmend.ko ----
run $KMEND load /built/core/$name.ko
expect 2 'a patch for kmend.ko, which is not installed' 'neither loaded nor installed' 'kmend core'
run $KMEND load --mode stop /built/$name.ko
expect 2 "a mode that the kernel's own livepatch has not" 'the mode hybrid alone' '--flavour core'
mkdir -p "/lib/modules/$(uname -r)" /var/lib/kmend/patches/core
cp -r /built/installed/. "/lib/modules/$(uname -r)"
cp /built/$name.ko /var/lib/kmend/patches
cp /built/core/$name.ko /var/lib/kmend/patches/core

# ---- both flavours, the same verbs ----
for flavour in klp core; do
	dir=/built
	[ $flavour = klp ] || dir=/built/core
	$KMEND info --json $dir/$name.ko | sed '/"\(file\|flavour\|livepatch\)":/d' >/tmp/info.$flavour
	$KMEND load --json $dir/$name.ko >/tmp/load.$flavour 2>&1
	$KMEND load --json $dir/$name.ko >/tmp/again.$flavour 2>&1
	$KMEND list --json >/tmp/list.$flavour 2>&1
	$KMEND status --json >/tmp/status.$flavour 2>&1
	$KMEND unload --json $name >/tmp/unload.$flavour 2>&1
	$KMEND unload --json $name >/tmp/gone.$flavour 2>&1
	cp /tmp/load.$flavour $out
	grep -q '"result": "loaded"' $out
	check $? "$flavour: loaded"
	cp /tmp/unload.$flavour $out
	grep -q '"result": "unloaded"' $out && [ ! -e /sys/module/$name ]
	check $? "$flavour: unloaded"
done
for verb in info load again list status unload gone; do
	same /tmp/$verb.klp /tmp/$verb.core "the same JSON: $verb"
done
grep -q '"backend": "core"' /tmp/list.core && grep -q '"backend": "livepatch"' /tmp/list.klp
check $? 'the back ends are told apart'
lsmod >$out
grep -q '^kmend ' $out
check $? 'kmend.ko was loaded when it was needed'

# ---- the host decides ----
run $KMEND load $name
expect 0 'of both flavours in the store' 'is loaded'
run $KMEND list --json
expect 0 "the core's is taken" '"backend": "core"' '"stack_order": 1' '"replace": false'
run $KMEND load /built/$name.ko
expect 2 'the other flavour under the same name is refused' 'another build'
echo 0 >/sys/kernel/kmend/$name/enabled
until [ ! -e /sys/kernel/kmend/$name ]; do sleep 0.1; done
run $KMEND list
expect 0 'a module left in memory shows as disabled' $name disabled
run $KMEND unload $name
expect 0 'and is removed' 'is unloaded'

# ---- modes ----
for mode in stop lazy hybrid deadline; do
	run $KMEND load --mode $mode /built/core/$name.ko
	expect 0 "load --mode $mode" 'is loaded'
	[ "$(cat /sys/kernel/kmend/$name/mode) $(cat /sys/kernel/kmend/mode)" = "$mode default" ]
	check $? "$mode is the mode of this patch alone"
	run $KMEND unload --mode $mode $name
	expect 0 "unload --mode $mode" 'is unloaded'
done

# ---- someone stays inside ----
insmod /modules/napper.ko
cat /proc/kmend_nap &
sleeper=$!
until grep -q kmend_nap "/proc/$sleeper/stack"; do sleep 0.1; done
run $KMEND load --mode stop /built/core/nap_core.ko
expect 2 'mode stop names who is in the way' "cat:$sleeper is in kmend_nap"
[ ! -e /sys/module/nap_core ] && [ "$(cat /sys/kernel/kmend/mode)" = default ]
check $? 'and leaves nothing'
run $KMEND load --deadline 2 /built/core/nap_core.ko
expect 4 'a deadline: the core turns back by itself' 'within 2 s' 'taken back' "pid $sleeper" 'kmend_nap+' '<- patched'
[ ! -e /sys/module/nap_core ]
check $? 'and leaves nothing'
run $KMEND load --no-wait --mode hybrid /built/core/nap_core.ko
expect 0 'begin a transition' 'has begun'
run $KMEND status
expect 0 'status: in transition' 'in transition: nap_core is being applied' '1 task left'
run $KMEND blockers --json
expect 0 'blockers as JSON' "\"pid\": $sleeper" '"function": "kmend_nap"' '"patched": true' '"kernel_thread": false'
run $KMEND load /modules/cmdline_patch.ko
expect 2 'one transition at a time, whoever makes it' 'nap_core is being applied'
KMEND_KILL_AT=load-waiting run $KMEND load /built/core/nap_core.ko
expect 137 'killed while it waits'
run $KMEND unload nap_core
expect 0 'unload turns it round' 'is unloaded'
KMEND_KILL_AT=load-chosen run $KMEND load --mode lazy /built/core/nap_core.ko
expect 137 'killed when it has chosen a mode'
run $KMEND load --no-wait /built/core/nap_core.ko
[ "$(cat /sys/kernel/kmend/mode)" = default ]
check $? 'the next one takes the choice back'
(sleep 2; echo >/proc/kmend_nap) &
run $KMEND load /built/core/nap_core.ko
expect 0 'the transition ends when the sleeper wakes' 'is loaded'
run $KMEND load /modules/cmdline_patch.ko
expect 0 'patches of both back ends at once' 'is loaded'
run $KMEND list
expect 0 'both are listed' nap_core cmdline_patch
run $KMEND status
expect 0 'and counted' '2 patches applied'
run $KMEND unload cmdline_patch
expect 0 'one goes' 'is unloaded'
run $KMEND unload nap_core
expect 0 'and the other' 'is unloaded'
rmmod kmend
check $? 'kmend.ko goes'
finish
