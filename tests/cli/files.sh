#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Files that must not reach the kernel.
. "$(dirname "$0")/lib.sh"
new_kernel
cd "$work" || exit 99
other_id=ffffffffffffffffffffffffffffffffffffffff

none_loaded() {
	run "$KMEND_SIM" list
	expect 0 "$1: nothing was loaded" out 'no patches are loaded'
}

run "$KMEND_SIM" load nosuch
expect 1 'an unknown name says where it looked' err "no patch named 'nosuch'" err /var/lib/kmend/patches/nosuch.ko err ./nosuch.ko
"$MKPATCH" kmend_fix.ko kmend_fix
run "$KMEND_SIM" load kmend_fx
expect 1 'a slip in the name is guessed' err "did you mean 'kmend_fix'?"
run "$KMEND_SIM" load ./nosuch.ko
expect 1 'a path that does not exist' err 'No such file'
run "$KMEND_SIM" load .
expect 1 'a directory' err '.ko'
mkdir dir.ko
run "$KMEND_SIM" load dir.ko
expect 1 'a directory named .ko' err 'no regular file'
mkfifo pipe.ko
run timeout 5 "$KMEND_SIM" load pipe.ko
expect 1 'a FIFO does not block' err 'no regular file'
: >empty.ko
run "$KMEND_SIM" load empty.ko
expect 1 'an empty file' err 'empty.ko'
echo 'no module at all' >text.ko
run "$KMEND_SIM" load text.ko
expect 1 'a text' err 'text.ko'
size=$(wc -c <kmend_fix.ko)
for n in 1 4 63 64 200 $((size / 2)) $((size - 1)); do
	head -c "$n" kmend_fix.ko >cut.ko
	run "$KMEND_SIM" load cut.ko
	expect 1 "cut to $n bytes" err 'cut.ko'
done
"$MKPATCH" names.ko kmend_fix module=kmend_fox
run "$KMEND_SIM" load names.ko
expect 1 'metadata of another module' err 'the metadata is of kmend_fix' err 'kmend_fox'
for name in ../../../tmp/x a/b .. 'a b' "$(printf '%060d' 0)"; do
	"$MKPATCH" names.ko "$name" foreign
	run "$KMEND_SIM" load names.ko
	expect 1 "a module named '$name'" err 'names.ko'
done
none_loaded 'broken files'

"$MKPATCH" release.ko kmend_fix release=6.1.0-53-cloud-amd64
run "$KMEND_SIM" load release.ko
expect 2 'another release' err 'is for kernel 6.1.0-53-cloud-amd64, this is 6.1.0-50-cloud-amd64' err 'kmend build --kernel'
"$MKPATCH" id.ko kmend_fix build_id=$other_id
run "$KMEND_SIM" load id.ko
expect 2 'another build-id' err "build-id $other_id"
"$MKPATCH" foreign.ko other_fix foreign release=6.1.0-53-amd64
run "$KMEND_SIM" load foreign.ko
expect 2 'another vermagic, made by another tool' err 'is for kernel 6.1.0-53-amd64'
"$MKPATCH" plain.ko plain ordinary
run "$KMEND_SIM" load plain.ko
expect 2 'an ordinary module' err 'no live patch'
run "$KMEND_SIM" load --json id.ko
expect 2 'a refusal as JSON has its exit status'
json 'j["error"]["kind"] == "refused" and j["exit_status"] == 2 and j["error"]["hint"]' 'a refusal as JSON'
none_loaded 'refused files'

sim load_errno 8
run "$KMEND_SIM" load kmend_fix.ko
expect 2 'the kernel does not take it: ENOEXEC' err 'the kernel refused kmend_fix' err 'vermagic'
sim load_errno 129
run "$KMEND_SIM" load kmend_fix.ko
expect 2 'the kernel does not take it: EKEYREJECTED' err 'signed'
sim load_errno 1
run "$KMEND_SIM" load kmend_fix.ko
expect 1 'the kernel does not take it: EPERM' err 'not permitted'
rm "$KMEND_ROOT/sim/load_errno"
sim deaf 1
run "$KMEND_SIM" load kmend_fix.ko
expect 2 'a module that patches nothing' err 'registered no live patch' err 'removed again'
none_loaded 'denied by the kernel'
run ls "$KMEND_ROOT/run/kmend/patches"
[ ! -s "$work/out" ]
ok $? 'no record of them stays'

rm -r "$KMEND_ROOT/sim/deaf" "$KMEND_ROOT/sys/kernel/livepatch"
run "$KMEND_SIM" load kmend_fix.ko
expect 2 'a kernel without live patching' err 'no live patching'
run "$KMEND_SIM" status --json
json 'j["state"] == "unsupported" and not j["kernel"]["livepatch"]' 'status of such a kernel'
run "$KMEND" load kmend_fix.ko
[ "$status" -eq 2 ]
ok $? 'below KMEND_ROOT the real program refuses as well'

run "$KMEND_SIM" info kmend_fix.ko
expect 0 'info' out 'kmend_fix, version 1' out 'CVE-2026-0001' out 'do_thing' out 'fits'
run "$KMEND_SIM" info --json id.ko
json 'j["name"] == "kmend_fix" and j["kmend"] and not j["fits_running_kernel"] and "build-id" in j["unfit_because"]' 'info as JSON'
json 'j["objects"][0]["functions"][0]["name"] == "do_thing" and j["cves"] == ["CVE-2026-0001"]' 'with functions and CVEs'
run "$KMEND_SIM" info --json foreign.ko
json 'j["kmend"] is False and j["livepatch"] is True and j["format"] is None' "info of another tool's patch"
run "$KMEND_SIM" info text.ko
expect 1 'info of a text' err 'text.ko'
finish
