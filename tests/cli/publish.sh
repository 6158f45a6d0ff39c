#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# From modules to a release, its signatures, and a channel's next index, over files.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 99
HOME=$work
export HOME
unset KMEND_TRUST KMEND_SERVER KMEND_ADMIN_TOKEN XDG_CONFIG_HOME
date=2026-03-01
id1=1111111111111111111111111111111111111111
id2=2222222222222222222222222222222222222222

cat >one.diff <<'END'
--- a/kernel/thing.c
+++ b/kernel/thing.c
@@ -1 +1 @@
-old
+new
END
sed s/new/other/ one.diff >other.diff
module() { # FILE [KEY=VALUE]...
	file=$1
	mkdir -p "$(dirname "$file")"
	shift
	"$MKPATCH" "$file" kmend_fix source=one.diff cve=CVE-2026-1234 "$@"
}
"$KMEND" key ceremony --date $date --no-passphrase --channel edge,stable trust >/dev/null
builder=trust/keys/builder-1.key reviewer=trust/keys/reviewer-1.key
# What `kmend build -o` leaves for two kernels, one with both flavours.
module built/a/kmend_fix.ko release=6.1.0-50-cloud-amd64 build_id=$id1
module built/a/core/kmend_fix.ko release=6.1.0-50-cloud-amd64 build_id=$id1 core
module built/b/kmend_fix.ko release=6.1.0-51-cloud-amd64 build_id=$id2
cp one.diff built/a/kmend_fix.ko.diff
cp one.diff built/b/kmend_fix.ko.diff

# ---- a release ----
run "$KMEND" publish --date $date --key $builder built
expect 0 'modules become a release' out 'kmend_fix-1.release: release ' out "lacks a reviewer's signature" out 'kmend release show --diff'
[ "$(find blobs -type f | wc -l)" -eq 4 ]
ok $? 'with three modules and one diff beside it'
good=0
for blob in blobs/*; do [ "$(sha256sum <"$blob" | cut -c1-64)" = "$(basename "$blob")" ] || good=1; done
ok $good 'named by what they are'
run "$KMEND" sign --show --json kmend_fix-1.release
json '[(k["release"], [p["flavour"] for p in k["payloads"]]) for k in j["body"]["kernels"]] == [("6.1.0-50-cloud-amd64", ["klp", "core"]), ("6.1.0-51-cloud-amd64", ["klp"])]' 'each kernel has its flavours'
json 'j["body"]["cves"] == ["CVE-2026-1234"] and j["body"]["severity"] == "high" and j["body"]["summary"] == "closes a hole"' \
	'and what the patch says is in it'
json '[s["role"] for s in j["signatures"]] == ["builder"]' 'signed by the builder'
cp kmend_fix-1.release before
run "$KMEND" publish --date $date --json --key $builder --output again.release built
json 'j["file"] == "again.release" and not j["uploaded"] and j["signed_as"] == ["builder"]' 'as JSON'
cmp -s before again.release
ok $? 'the same modules on the same day make the same release'
run "$KMEND" publish --date $date --json --cve CVE-2026-1 --cve CVE-2026-2222 --severity critical --summary 'all of it' --output r built
expect 1 'a CVE that is none' err 'cves'
run "$KMEND" publish --date $date --json --cve CVE-2026-1111 --cve CVE-2026-2222 --severity critical --summary 'all of it' --output r built
json 'j["body"]["cves"] == ["CVE-2026-1111", "CVE-2026-2222"] and j["body"]["severity"] == "critical" and j["body"]["summary"] == "all of it"' \
	'the publisher may say it better'
run "$KMEND" publish --name kmend_fix --version 1 --output r built
expect 0 'name and version as expected'

# ---- the reviewer ----
mkdir bob
cp -r kmend_fix-1.release blobs bob/
run "$KMEND" release show --diff bob/kmend_fix-1.release
expect 0 'the reviewer sees everything' out 'CVE-2026-1234' out 'closes a hole' out '6.1.0-51-cloud-amd64' out '+new' out 'made of the diff'
run "$KMEND" release show --json --diff bob/kmend_fix-1.release
json 'j["overrides"] == [] and j["diff"] == open("one.diff").read() and len(j["id"]) == 64' 'as JSON'
printf '+\033[2K\n' >>bob/blobs/"$(sha256sum <one.diff | cut -c1-64)"
run "$KMEND" release show bob/kmend_fix-1.release
expect 2 'a diff that was changed on the way' err 'other bytes than the release names'
rm bob/blobs/"$(sha256sum <one.diff | cut -c1-64)"
run "$KMEND" release show bob/kmend_fix-1.release
expect 1 'a diff that was left at home' err 'No such file' err 'travels beside'
cp one.diff bob/blobs/"$(sha256sum <one.diff | cut -c1-64)"
run "$KMEND" sign --key $reviewer bob/kmend_fix-1.release
expect 0 'the reviewer signs'
# A builder who says one thing in the release and another in the module.
"$KMEND" sign --show --json kmend_fix-1.release >shown
python3 -c 'import json
b = json.load(open("shown"))["body"]
b["kernels"][1]["release"] = "6.1.0-99-cloud-amd64"
json.dump(b, open("forged.json", "w"))'
"$KMEND" sign --wrap release --output forged.release forged.json >/dev/null
run "$KMEND" release show forged.release
expect 2 'a release that does not say what its modules are' err 'does not say what its modules say' err 'do not sign it'
python3 -c 'import hashlib, json
b = json.load(open("shown"))["body"]
diff = open("other.diff", "rb").read()
sum = hashlib.sha256(diff).hexdigest()
open("blobs/" + sum, "wb").write(diff)
b["source"] = {"sha256": sum, "size": len(diff)}
json.dump(b, open("forged.json", "w"))'
"$KMEND" sign --wrap release --output forged.release forged.json >/dev/null
run "$KMEND" release show forged.release
expect 2 'a release that shows another diff' err 'is not what'

# ---- signatures come together ----
run "$KMEND" publish --add bob/kmend_fix-1.release.reviewer-1.sig kmend_fix-1.release
expect 1 'a signature is measured by a root' err '--trust DIR'
run "$KMEND" publish --trust trust --add bob/kmend_fix-1.release.reviewer-1.sig kmend_fix-1.release
expect 0 'the signature is added' out 'brings it to the server'
run "$KMEND" sign --check --root trust/public/1.root kmend_fix-1.release
expect 0 'and the release is good'
"$KMEND" key generate --no-passphrase reviewer mallory >/dev/null
"$KMEND" sign --key mallory.key --output mallory.sig again.release >/dev/null
run "$KMEND" publish --trust trust --add mallory.sig again.release
expect 2 'a reviewer whom nobody knows' err 'is not in root 1'
cmp -s before again.release
ok $? 'changes nothing'
"$KMEND" sign --key $reviewer --output wrong.sig r >/dev/null
run "$KMEND" publish --trust trust --add wrong.sig again.release
expect 2 'a signature for another release' err 'for another document'
run "$KMEND" publish again.release
expect 1 'a release that is to go nowhere' err '--server URL'
run "$KMEND" publish --severity low again.release
expect 1 'a release never changes' err '--severity does not go with a release'
run "$KMEND" publish --trust trust --server http://127.0.0.1:9 again.release
expect 2 'it goes nowhere without its reviewer' err '0 of 1 good signatures by reviewer keys' err 'kmend publish --add'

# ---- modules that do not belong together ----
refused() { # DESCRIPTION TEXT [KEY=VALUE]...: built and one more module
	what=$1 text=$2
	shift 2
	rm -rf bad
	cp -r built bad
	module bad/c/kmend_fix.ko release=6.1.0-52-cloud-amd64 build_id=$id2 "$@"
	run "$KMEND" publish --output no.release bad
	expect 2 "$what" err "$text"
	[ ! -e no.release ]
	ok $? 'and nothing is written'
}
refused 'another version' "differ in their version: '1' and '2'" version=2
refused 'another severity' 'differ in their severity' severity=low
refused 'other CVEs' 'differ in the CVEs' cve=CVE-2026-9999
refused 'another diff' 'differ in their source diff' source=other.diff
refused 'the same kernel twice' 'are both for 6.1.0-51-cloud-amd64 in the flavour klp' release=6.1.0-51-cloud-amd64
refused 'an override' 'was built with --allow-mismatch' flag=allow-mismatch
run "$KMEND" publish --allow allow-data --allow allow-mismatch --output allowed.release bad
expect 0 'an override that is allowed'
run "$KMEND" release show allowed.release
expect 0 'the reviewer is told' out 'built with  --allow-mismatch'
run "$KMEND" publish --severity low --output no.release built built/a/kmend_fix.ko
expect 2 'a module that is named twice' err 'are both for 6.1.0-50-cloud-amd64'
"$MKPATCH" bad.ko kmend_other source=one.diff release=6.1.0-52-cloud-amd64
run "$KMEND" publish --output no.release built bad.ko
expect 2 'another name' err "differ in their name"
run "$KMEND" publish --name kmend_other --output no.release built
expect 2 'not the name that was expected' err "is named 'kmend_fix', not 'kmend_other'"
run "$KMEND" publish --version 2 --output no.release built
expect 2 'not the version that was expected' err "has the version '1', not '2'"
run "$KMEND" publish --source other.diff --output no.release built
expect 2 'not the diff that it was built from' err 'is not what built/'
rm -f bad.ko.diff
run "$KMEND" publish --output no.release bad.ko
expect 1 'no diff at all' err '--source DIFF'
"$MKPATCH" foreign.ko kmend_x foreign
run "$KMEND" publish --source one.diff --output no.release foreign.ko
expect 1 'a patch of another tool' err 'was not made by kmend build'
head -c 200 built/a/kmend_fix.ko >cut.ko
run "$KMEND" publish --source one.diff --output no.release cut.ko
expect 1 'half a module' err 'cannot publish cut.ko'
echo hello >text.ko
run "$KMEND" publish --source one.diff --output no.release text.ko
expect 1 'no module' err 'cannot publish text.ko'
mkdir empty
run "$KMEND" publish --output no.release empty
expect 1 'a directory without modules' err 'no module in empty' err 'kmend build -o'
run "$KMEND" publish --output no.release nosuch
expect 1 'a directory that is not there' err 'nosuch'
run "$KMEND" publish --severity terrible --output no.release built
expect 1 'a severity that is none' err 'severity'
run "$KMEND" publish --key $reviewer --key trust/keys/index-1.key --output no.release built
expect 2 'an index key signs no release' err 'is a index key'
[ ! -e no.release ]
ok $? 'none of them has left a release'
run "$KMEND" publish --json --name x built
json 'j["error"]["kind"] == "refused" and j["exit_status"] == 2 and j["verb"] == "publish"' 'a refusal as JSON'
chmod 500 empty
run "$KMEND" publish --output empty/r.release built
[ "$(id -u)" -eq 0 ] || expect 1 'a directory that cannot be written to' err 'empty'

# ---- a channel's index ----
rel=$(sed -n 's/.*release \([0-9a-f]\{64\}\)$/\1/p' <<END
$("$KMEND" publish --date $date --output x.release built)
END
)
export KMEND_TRUST=trust
run "$KMEND" channel add --channel edge --index trust/public/edge.index --date $date --key trust/keys/index-1.key --output 2.index kmend_fix-1.release
expect 0 'a release comes to a channel' out "$rel, staged" out 'the next index, signed'
run "$KMEND" sign --check --root trust/public/1.root 2.index
expect 0 'by an index that hosts accept'
run "$KMEND" channel add --channel edge --index 2.index --output 3.index "$rel"
expect 3 'twice is nothing' err 'has the release already'
run "$KMEND" channel add --channel edge --index 2.index --date 2026-04-01 --at-once --output 3.index "$rel"
expect 0 'what was staged may be given to all' out 'unsigned: kmend sign --key'
"$KMEND" sign --key trust/keys/index-1.key --output 3.sig 3.index >/dev/null
"$KMEND" sign --add --root trust/public/1.root 3.index 3.sig >/dev/null
run "$KMEND" channel add --channel edge --index 3.index --output 4.index "$rel"
expect 2 'and not back' err 'gives the release to every host already'
run "$KMEND" channel withdraw --channel edge --index 3.index --output 4.index "$rel"
expect 1 'a withdrawal has a reason' err '--reason'
run "$KMEND" channel withdraw --channel edge --index 3.index --key trust/keys/index-1.key --reason 'it crashed' --json --output 4.index "$rel"
json 'j["body"]["version"] == 4 and j["body"]["releases"] == [{"id": j["body"]["releases"][0]["id"], "staged": False, "withdrawn": "it crashed"}]' \
	'a withdrawal'
json 'j["body"]["issued"] >= 1775001600' 'issued after the one before'
run "$KMEND" channel add --channel edge --index 4.index --output 5.index "$rel"
expect 2 'what is withdrawn does not come back' err 'was withdrawn from edge: it crashed'
run "$KMEND" channel withdraw --channel edge --index 4.index --reason again --output 5.index "$rel"
expect 3 'nor is it withdrawn twice' err 'withdrawn already'
run "$KMEND" channel withdraw --channel edge --index 4.index --reason x --output 5.index "$(printf '%064d' 0)"
expect 2 'nor what was never there' err 'does not have the release'
run "$KMEND" channel renew --channel edge --index 4.index --date 2027-01-01 --lifetime 30 --json --output 5.index
json 'j["body"]["version"] == 5 and j["body"]["expires"] - j["body"]["issued"] == 30 * 86400 and len(j["body"]["releases"]) == 1' 'new dates'
run "$KMEND" channel add --channel stable --index 4.index --output 5.index "$rel"
expect 2 'the index of another channel' err 'of the channel edge, not of stable'
sed 's/it crashed/he crashed/' 4.index >bent.index
run "$KMEND" channel add --channel edge --index bent.index --output 6.index "$(printf '%064d' 0)"
expect 2 'an index that nobody signed is no ground' err '0 of 1 good signatures by index keys'
[ ! -e 6.index ]
ok $? 'to build on'
run "$KMEND" channel add --channel new --new --output new.index --json "$rel"
json 'j["body"]["channel"] == "new" and j["body"]["version"] == 1' 'a new channel'
run "$KMEND" channel add --channel ../x --new --output no.index "$rel"
expect 1 'a channel that is a path' err 'channel'
run "$KMEND" channel add --channel edge --index 2.index --key $builder --output no.index "$(printf '%064d' 1)"
expect 2 'a builder signs no index' err 'is a builder key'
run "$KMEND" channel ad
expect 1 'a slip in the action' err "did you mean 'add'?"
run "$KMEND" channel --help
expect 0 'the actions' out 'withdraw RELEASE'
run "$KMEND" channel
expect 1 'no action' err 'usage: kmend channel ACTION'

# ---- the configuration ----
unset KMEND_TRUST
mkdir -p .config/kmend
printf '# mine\n\ntrust = %s/trust\n server=http://127.0.0.1:9\n' "$work" >.config/kmend/admin.conf
run "$KMEND" channel renew --channel edge --index 4.index --output 5.index
expect 0 'the directory of keys is in admin.conf'
run "$KMEND" channel renew --trust nowhere --channel edge --index 4.index --output 5.index
expect 1 'an option goes before it' err 'nowhere'
printf 'trust trust\n' >.config/kmend/admin.conf
run "$KMEND" channel renew --channel edge --index 4.index --output 5.index
expect 1 'a line that is none' err 'admin.conf, line 1: this is no KEY = VALUE'
printf '\nfoo = 1\n' >.config/kmend/admin.conf
run "$KMEND" channel renew --channel edge --index 4.index --output 5.index
expect 1 'a key that is unknown' err "line 2: there is no 'foo'"
finish
