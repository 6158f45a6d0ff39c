#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Words that are wrong, and what help there is.
. "$(dirname "$0")/lib.sh"
new_kernel

run "$KMEND"
expect 1 'no verb: usage on stderr' err 'usage: kmend VERB'
run "$KMEND" unlod x
expect 1 'a slip in the verb is guessed' err "'unlod' is not a kmend command" err "did you mean 'kmend unload'?"
run "$KMEND" frobnicate
expect 1 'an unknown verb' err 'kmend help lists them'
for verb in load unload info; do
	run "$KMEND" $verb
	expect 1 "$verb without a word" err "kmend $verb needs" err "usage: kmend $verb"
done
run "$KMEND" list x
expect 1 'too many words' err "too many words: 'x'"
run "$KMEND" list --frob
expect 1 'an unknown option' err 'unknown option --frob'
run "$KMEND" load -x y
expect 1 'an unknown short option' err 'unknown option -x'
run "$KMEND" load --timeout
expect 1 'an option without its argument' err '--timeout needs an argument'
for bad in 0 -5 x 5s nan inf 1e99 ''; do
	run "$KMEND_SIM" load --timeout "$bad" x.ko
	expect 1 "--timeout '$bad'" err 'is not a number of seconds'
done
for bad in '' / .. .ko; do
	run "$KMEND_SIM" unload "$bad"
	expect 1 "unload '$bad'" err 'no name of a patch'
done
run "$KMEND" load --force --no-wait x.ko
expect 1 'options that exclude each other' err 'exclude each other'
for verb in load unload list status info blockers key sign version help completion; do
	run "$KMEND" $verb --help
	expect 0 "$verb --help" out "usage: kmend $verb" out '--json'
	run "$KMEND" help $verb
	expect 0 "help $verb" out "usage: kmend $verb"
done
run "$KMEND" help frob
expect 1 'help for nothing' err "'frob' is not a kmend command"
run "$KMEND" --version
expect 0 'version' out 'kmend '
run "$KMEND" version --json
json 'isinstance(j["version"], str) and j["patch_format"] == 1' 'version as JSON'
run "$KMEND" help --json
json '"load" in [v["name"] for v in j["verbs"]]' 'verbs as JSON'
run "$KMEND" help
expect 0 'verbs in groups' out 'on a host:' out 'where the fleet is run:'
run "$KMEND" load --json
json 'j["result"] == "error" and j["error"]["kind"] == "usage" and j["exit_status"] == 1' 'a usage error as JSON'
run "$KMEND" completion
bash -n "$work/out" && grep -q -- '--no-wait' "$work/out"
ok $? 'the completion script is one, with the options'
bash -c '. "$1"; COMP_WORDS=(kmend bundle e) COMP_CWORD=2; _kmend; [[ " ${COMPREPLY[*]} " == *" export "* ]] &&
	COMP_WORDS=(kmend key cer) && _kmend && [[ " ${COMPREPLY[*]} " == *" ceremony "* ]]' - "$work/out"
ok $? 'it knows the actions of a verb'

# Programs of their own: below KMEND_LIBEXECDIR first.
mkdir "$work/libexec"
printf '#!/bin/sh\necho "$0 ran: $*"\nexit 2\n' >"$work/libexec/kmend-build"
chmod +x "$work/libexec/kmend-build"
export KMEND_LIBEXECDIR="$work/libexec"
run "$KMEND" build --name x 'a b.patch'
expect 2 'build is handed on with its words and its exit status' out 'kmend-build ran: build --name x a b.patch'
run "$KMEND" kernels
expect 2 'kernels is handed on' out 'ran: kernels'

[ "$(id -u)" -ne 0 ] || as_user='setpriv --reuid 65534 --regid 65534 --clear-groups'
unset KMEND_ROOT
run ${as_user:-} "$KMEND" unload some_patch
expect 1 'unload as a user' err 'only root' err 'sudo'
chmod 755 "$work"
"$MKPATCH" "$work/user.ko" kmend_user
chmod 644 "$work/user.ko"
run ${as_user:-} "$KMEND" load "$work/user.ko"
expect 1 'load as a user' err 'only root'
run ${as_user:-} "$KMEND" status
expect 0 'status as a user' out 'kernel   '
"$KMEND" status >/dev/full 2>"$work/err"
status=$?
expect 1 'a full disk behind the output' err 'cannot write the output'
finish
