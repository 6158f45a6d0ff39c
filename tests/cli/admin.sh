#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The publisher's and the operator's verbs against a server made for it, which can be hostile, too.
. "$(dirname "$0")/lib.sh"
toy=$(cd "$(dirname "$0")" && pwd)/toy_server.py
cd "$work" || exit 99
HOME=$work
KMEND_TRUST=trust
KMEND_ADMIN_TOKEN=kma_test
export HOME KMEND_TRUST KMEND_ADMIN_TOKEN
unset KMEND_SERVER XDG_CONFIG_HOME
"$KMEND" key ceremony --no-passphrase --channel edge,stable trust >/dev/null
python3 "$toy" trust/public port &
server=$!
trap 'kill $server; rm -rf "$work"' EXIT
tries=0
while [ ! -e port ] && [ $tries -lt 100 ]; do
	tries=$((tries + 1))
	sleep 0.1
done
url=http://127.0.0.1:$(cat port)
toy() { # JSON|FILE: sets what the server does
	python3 -c 'import sys, urllib.request
data = sys.argv[2].encode() if sys.argv[2].startswith("{") else open(sys.argv[2], "rb").read()
urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/toy", data))' "$url" "$1"
}
run "$KMEND" release list
expect 1 'no server' err '--server URL'
KMEND_SERVER=$url
export KMEND_SERVER
KMEND_ADMIN_TOKEN=wrong run "$KMEND" release list
expect 2 'a token that is not known' err 'this token is not known'

printf -- '--- a/k.c\n+++ b/k.c\n@@ -1 +1 @@\n-old\n+new\n' >one.diff
"$MKPATCH" one.ko kmend_one source=one.diff
"$MKPATCH" two.ko kmend_two source=one.diff
publish="$KMEND publish --source one.diff --key trust/keys/builder-1.key"
run $publish --server "$url" one.ko
expect 2 'no reviewer, no upload' err '0 of 1 good signatures by reviewer keys'
run "$KMEND" release list
expect 0 'nothing came there' out 'no release'
run $publish --key trust/keys/reviewer-1.key --server "$url" one.ko
expect 0 'publish' out 'the server has it'
run $publish --key trust/keys/reviewer-1.key --server "$url" --json two.ko
json 'j["uploaded"] and j["signed_as"] == ["builder", "reviewer"]' 'publish as JSON'
run "$KMEND" release list
expect 0 'the list' out 'kmend_one' out 'kmend_two'
run "$KMEND" release show --diff kmend_one-1
expect 0 'a release with its diff' out '+new' out 'signature   reviewer'
run "$KMEND" release show kmend_on
expect 1 'no such release' err "no release 'kmend_on'"
run "$KMEND" channel add kmend_one --channel edge
expect 0 'add' out 'the server has it' out 'kmend rollout start'
run "$KMEND" channel add kmend_one --channel edg
expect 1 'a slip in the channel' err "did you mean 'edge'?"
run "$KMEND" channel promote kmend_two --from edge --to stable
expect 2 'promote what is not there' err 'edge does not have the release'
run "$KMEND" rollout start kmend_one --channel edge --waves canary,5%,100% --gate failed=0.5% --settle 1h --json
json 'j["plan"]["gates"]["failed"] == 50 and j["plan"]["settle"] == 3600 and [w["permyriad"] for w in j["plan"]["waves"]] == [10000, 500, 10000]' 'start'
toy '{"counts": {"members": 9, "online": 8, "tried": 4, "wave_online": 8, "wave_settled": 4}}'
run "$KMEND" rollout status
expect 0 'status' out '[############............] 4 of 8 online hosts settled' out '0.50 % allowed'
run "$KMEND" rollout halt 1
expect 1 'a halt has a reason' err '--reason'
run "$KMEND" rollout halt 1 --reason 'smoke'
expect 0 'halt' out 'is halted'
run "$KMEND" rollout status 1
expect 2 'a halted one is a refusal for scripts' out 'smoke'
run "$KMEND" rollout rollback 1 --reason 'fire'
run "$KMEND" rollout rollback 1 --reason 'fire'
expect 2 'twice is too often' err 'taken-back'
for words in '--waves 5%,1%,100%' '--waves canary' '--policy fast' '--gate crashed=1%' '--settle soon' '--complete 0%' '--waves 100% --policy careful'; do
	run "$KMEND" rollout start kmend_one --channel edge --dry-run $words
	expect 1 "no plan: $words"
done
run "$KMEND" channel promote kmend_one --from edge --to stable
expect 0 'promote' out 'the server has it'
run "$KMEND" token create web --channel edge --limit 3 --tags a,b --output word
expect 0 'a token goes into a file'
grep -q "^kmt_x*\.$("$KMEND" sign --show --json trust/public/1.root | sed -n 's/.*"sha256": "\(.*\)".*/\1/p')$" word && [ "$(stat -c %a word)" = 600 ]
ok $? 'with the fingerprint of the root at hand, for its owner alone'
run "$KMEND" token list
expect 0 'and is listed' out 'web' out 'a b'

# ---- a server that lies ----
toy '{"evil": "escapes"}'
run "$KMEND" release list
! grep -q "$(printf '\033')" "$work/out"
ok $? 'a server does not write to the terminal'
toy '{"evil": "old-index"}'
run "$KMEND" channel withdraw kmend_one --channel edge --reason x
expect 2 'an old index is no ground' err 'has the version 1'
toy '{"evil": "blob"}'
run "$KMEND" release show --diff kmend_one
[ "$status" -ne 0 ] && ! grep -q evil "$work/out"
ok $? 'nor is a changed diff shown'
toy '{"evil": "other-release"}'
run "$KMEND" release show kmend_one
expect 2 'nor another release' err 'gave another release'
toy '{"evil": "no-json"}'
run "$KMEND" release list
expect 1 'no kmend server at all' err 'is this the address of a kmend server?'
toy '{"evil": ""}'
run "$KMEND" release withdraw kmend_one --reason 'it crashed'
expect 0 'withdrawn everywhere' out 'from edge' out 'from stable'
run "$KMEND" release withdraw kmend_one --reason again
expect 3 'twice is nothing'

# ---- the audit log ----
python3 - <<'END'
import hashlib, json
prev, rows = "0" * 64, []
for seq in range(1, 2500):
    f = ["admin:ops", "token.revoke", "0123456789abcdef", f"lost laptop\t{seq}"]
    text = f"kmend/1 audit\n{prev}\n{seq}\n{1800000000 + seq}\n" + "".join(f"{len(x.encode())}:{x}\n" for x in f)
    prev = hashlib.sha256(text.encode()).hexdigest()
    rows.append(dict(zip(("actor", "action", "object", "detail"), f), seq=seq, at=1800000000 + seq, hash=prev))
json.dump({"audit": rows}, open("log.json", "w"))
open("head", "w").write(rows[-1]["hash"])
rows[1200]["actor"] = "admin:eve"
json.dump({"audit": rows}, open("bent.json", "w"))
END
toy log.json
run "$KMEND" audit verify --head "$(cat head)"
expect 0 'the chain over three pages' out 'records 1 to 2499'
run "$KMEND" audit export --output log
expect 0 'export'
run env -u KMEND_SERVER "$KMEND" audit verify log
expect 0 'an export is verified without a server' out 'records 1 to 2499'
sed 1000d log >cut
run "$KMEND" audit verify cut
expect 2 'a record that was taken out' err 'record 1001 follows record 999'
head -2000 log >cut
run "$KMEND" audit verify --head "$(cat head)" cut
expect 2 'records that were cut off' err 'no record has the hash'
toy bent.json
run "$KMEND" audit verify
expect 2 'a record that was changed' err 'record 1201 is not the one that was written'
finish
