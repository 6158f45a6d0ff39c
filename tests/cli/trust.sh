#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Keys, the ceremony, and signing over files.
. "$(dirname "$0")/lib.sh"
cd "$work" || exit 99
date=2026-03-01
echo 'correct horse' >secret
echo 'battery staple' >other

# ---- keys ----
run "$KMEND" key generate builder alice
expect 1 'no terminal and no passphrase' err '--passphrase-file' err '--no-passphrase'
run "$KMEND" key generate --passphrase-file secret builder alice
expect 0 'a key with a passphrase' out 'alice.key: the private key, encrypted'
[ "$(stat -c %a alice.key)" = 600 ] && grep -q '^protection: argon2id' alice.key && ! grep -q '^seed' alice.pub
ok $? 'the private key is encrypted and nobody else can open it'
cp alice.key before
run "$KMEND" key generate --no-passphrase builder alice
expect 1 'a key is never written over' err 'alice.key' err 'exists'
cmp -s alice.key before
ok $? 'it is as it was'
run "$KMEND" key show alice.key alice.pub
expect 0 'show asks for no passphrase' out 'builder' out 'alice, encrypted'
run "$KMEND" key show --json alice.pub
json 'len(j["keys"]) == 1 and j["keys"][0]["role"] == "builder" and len(j["keys"][0]["id"]) == 64' 'a key as JSON'
run "$KMEND" key passphrase --passphrase-file other --new-passphrase-file secret alice.key
expect 2 'a wrong passphrase' err 'not the passphrase of alice.key'
run "$KMEND" key passphrase --passphrase-file secret --no-passphrase alice.key
expect 0 'a passphrase taken off' out 'NOT encrypted'
[ "$(stat -c %a alice.key)" = 600 ]
ok $? 'the mode stays'
for bad in '' ../x 'a b' "$(printf '%065d' 0)"; do
	run "$KMEND" key generate --no-passphrase builder "$bad"
	expect 1 "a key named '$bad'" err 'cannot be the name of a key'
done
run "$KMEND" key generate --no-passphrase king alice
expect 1 'an unknown role' err "there is no role 'king'" err 'timestamp'
run "$KMEND" key genrate
expect 1 'a slip in the action' err "did you mean 'kmend key generate'?"
run "$KMEND" key generate builder
expect 1 'too few words' err 'usage: kmend key generate [OPTIONS] ROLE NAME'
run "$KMEND" key show secret
expect 1 'no key file' err 'secret is no key file'
sed 's/^id: ../id: 00/' alice.pub >broken.pub
run "$KMEND" key show broken.pub
expect 1 'a damaged key file' err 'broken.pub is damaged'

# ---- the ceremony ----
run "$KMEND" key ceremony --date $date t
expect 1 'the ceremony without a terminal wants a passphrase or none' err '--passphrase-file'
rm -rf t
run "$KMEND" key ceremony --date $date --no-passphrase --channel stable,edge t
expect 0 'the ceremony' out 'fingerprint' out 'the channel stable stands' out 'the channel edge stands' out 'signed by 2 of 2'
[ "$(stat -c %a t/keys)" = 700 ] && [ "$(find t/public -type f | wc -l)" -eq 7 ]
ok $? 'seven documents, and keys that are private'
cp -r t/public first
run "$KMEND" key ceremony --date 2026-03-02 --no-passphrase --channel stable,edge --json t
json 'j["complete"] and j["root_missing"] == 0 and len(j["fingerprint"]) == 64' 'the ceremony once more'
diff -r t/public first >>"$work/out"
ok $? 'it changes nothing'
run "$KMEND" key status --date $date t
expect 0 'status' out '1.root' out 'stable.timestamp' out 'good'
run "$KMEND" key status --date $date --json t
json 'sorted(set(d["days_left"] for d in j["documents"])) == [2.0, 30.0, 365.0] and {d["state"] for d in j["documents"]} == {"good"}' 'days to expiry'
run "$KMEND" key status --date 2026-03-03 --json t
json 'j["exit_status"] == 2 and [d["file"] for d in j["documents"] if d["state"] == "expired"] == ["edge.timestamp", "stable.timestamp"]' \
	'a timestamp has expired'
run "$KMEND" key status --date 2026-03-25 t
expect 2 'the rollouts will soon' out 'soon'
run "$KMEND" key status empty
expect 3 'no document at all' err 'kmend key ceremony'
run "$KMEND" key ceremony --no-passphrase --keys root=2 --threshold root=3 u
expect 1 'more must sign than there are' err '3 of 2 root keys cannot sign'
run "$KMEND" key ceremony --no-passphrase --keys king=2 u
expect 1 'an unknown role in a number' err "'king=2' is no ROLE=NUMBER"
run "$KMEND" key ceremony --no-passphrase --channel ../x u
expect 1 'a channel that is a path' err 'cannot be the name of a channel'

# ---- the ceremony at a terminal ----
cat >terminal.py <<'END'
import os, pty, sys
pid, fd = pty.fork()
if not pid:
    os.execv(sys.argv[1], [sys.argv[1], "key", "ceremony", "i"])
answers = [(b"root keys [3]: ", b"1"), (b"must sign [1]: ", b""), (b"builder keys [1]: ", b""), (b"reviewer keys [1]: ", b""),
           (b"[stable]: ", b"edge"), (b"new key root-1: ", b"swordfish"), (b"once more: ", b"swordfish")]
answers += [(b": ", b"swordfish")] * 6
seen = b""
try:
    while chunk := os.read(fd, 4096):
        seen += chunk
        sys.stdout.buffer.write(chunk)
        if answers and seen.endswith(answers[0][0]):
            os.write(fd, answers.pop(0)[1] + b"\n")
except OSError:
    pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or len(answers))
END
run timeout 120 python3 terminal.py "$KMEND"
expect 0 'questions and passphrases at a terminal' out 'a passphrase for the new key index-1' out 'the channel edge stands'
! grep -q swordfish "$work/out"
ok $? 'no passphrase is shown'
run "$KMEND" key show i/keys/root-1.key i/keys/index-1.key i/keys/timestamp-1.key
[ "$(grep -c encrypted "$work/out")" -eq 2 ]
ok $? 'offline keys are encrypted, online keys are not'

# ---- refresh ----
run "$KMEND" sign --refresh --date 2026-03-02 t
expect 0 'refresh' out 'signed 2 timestamps and 0 rollouts'
run "$KMEND" sign --refresh --date 2026-03-20 --json t
json 'j == {"timestamps": 2, "rollouts": 2}' 'refresh in the second half of the rollouts'
run "$KMEND" key status --date 2026-03-20 --json t
json '{d["file"]: d["version"] for d in j["documents"]}["stable.timestamp"] == 3 and {d["file"]: d["version"] for d in j["documents"]}["stable.rollout"] == 2' \
	'versions went up'
mv t/keys/timestamp-1.key away.key
run "$KMEND" sign --refresh t
expect 2 'no online key' err 'there is no timestamp key of root 1'
mv away.key t/keys/timestamp-1.key
run "$KMEND" sign --refresh nowhere
expect 1 'refresh of nothing' err 'nowhere'

# ---- signing over files: people with machines of their own ----
mkdir -p v/keys
for n in 1 2 3; do
	"$KMEND" key generate --no-passphrase root person-$n >/dev/null
	cp person-$n.pub v/keys/
done
cp alice.pub v/keys/
run "$KMEND" key ceremony --date $date --no-passphrase v
expect 2 'a ceremony whose root keys are elsewhere waits for them' out 'The root lacks 2 signatures' out 'kmend sign --key'
run "$KMEND" key status v
expect 2 'status tells it' out 'unsigned'
cp v/public/1.root carried.root
run "$KMEND" sign --key person-1.key carried.root
expect 0 'the first signs' out 'document    root' out 'carried.root.person-1.sig: signed as root by person-1'
run "$KMEND" sign --key person-3.key --output three.sig --json carried.root
json 'j["signature"] == "three.sig" and j["role"] == "root"' 'the third signs'
cmp -s v/public/1.root carried.root
ok $? 'signing does not change the document'
run "$KMEND" sign --add v/public/1.root carried.root.person-1.sig
expect 0 'one is added' out 'has 1 signature now'
run "$KMEND" sign --check v/public/1.root
expect 2 'one is not enough' err '1 of 2 good signatures by root keys'
run "$KMEND" sign --add v/public/1.root carried.root.person-1.sig three.sig
expect 0 'twice the same one counts once' out 'has 2 signatures now'
run "$KMEND" sign --check v/public/1.root
expect 0 'now it is good' out 'is a good root'
run "$KMEND" key ceremony --date $date --no-passphrase v
expect 0 'and the ceremony goes on' out 'the channel stable stands'
[ ! -e v/keys/person-1.key ] && [ ! -e v/keys/builder-1.pub ]
ok $? 'no key was made that was there'

run "$KMEND" sign --key alice.key carried.root
expect 2 'a builder does not sign a root' err 'is a builder key' err 'one role for life'
run "$KMEND" sign --add t/public/1.root three.sig
expect 2 'a signature for another document' err 'three.sig: the signature is for another document'
sed 's/^signature: ../signature: 00/' three.sig >bad.sig
run "$KMEND" sign --add v/public/1.root bad.sig
expect 2 'a signature that is not good' err 'the signature by person-3 is not good'
"$KMEND" key generate --no-passphrase root stranger >/dev/null
"$KMEND" sign --key stranger.key --output stranger.sig carried.root >/dev/null
run "$KMEND" sign --add v/public/1.root stranger.sig
expect 2 'a signature by a stranger' err 'is in no root that is given'
head -c 100 three.sig >cut.sig
run "$KMEND" sign --add v/public/1.root cut.sig
expect 1 'a cut signature file' err 'no signature file'

# ---- rotation ----
"$KMEND" key generate --no-passphrase timestamp second >/dev/null
run "$KMEND" key rotate --remove timestamp-1 t
expect 1 'a role without a key' err '1 timestamp keys must sign, and there are 0'
run "$KMEND" key rotate --remove nobody t
expect 2 'a key that is not there' err "root 1 has no key 'nobody'"
run "$KMEND" key rotate --date $date --remove timestamp-1 --add second.pub t
expect 0 'rotate' out '2.root: root 2, unsigned. 2 keys of root 1 must sign it'
for n in 1 2; do "$KMEND" sign --key t/keys/root-$n.key 2.root >/dev/null; done
"$KMEND" sign --add --root t/public/1.root 2.root 2.root.root-1.sig >/dev/null
run "$KMEND" sign --check --root t/public/1.root 2.root
expect 2 'half a rotation is none' err '1 of 2 good signatures by root keys of root 1'
"$KMEND" sign --add --root t/public/1.root 2.root 2.root.root-2.sig >/dev/null
run "$KMEND" sign --check --root t/public/1.root 2.root
expect 0 'a whole one is' out 'is a good root'
cp 2.root t/public/
run "$KMEND" key status --date $date t
expect 2 'what the old key has signed counts no more' out 'unsigned'
cp second.key second.pub t/keys/
run "$KMEND" sign --refresh --date $date t
expect 0 'refresh takes the new key' out 'signed 2 timestamps'
run "$KMEND" sign --check --root t/public/2.root t/public/stable.timestamp
expect 0 'which root 2 accepts' out 'is a good timestamp'
run "$KMEND" sign --check --root t/public/1.root t/public/stable.timestamp
expect 2 'and root 1 does not' err '0 of 1 good signatures by timestamp keys'

# ---- documents by hand ----
sum=$(printf x | sha256sum | cut -c1-64)
cat >body.json <<END
{"type":"release","format":1,"name":"userns_off","version":"1","issued":1800000000,"summary":"a fix","severity":"high","replace":false,
 "cves":["CVE-2026-1234"],"source":{"sha256":"$sum","size":1},"kernels":[{"arch":"x86_64","release":"6.1.0-50-cloud-amd64",
 "build_id":"00112233445566778899","payloads":[{"flavour":"klp","sha256":"$sum","size":1}]}]}
END
run "$KMEND" sign --wrap release --output r.release body.json
expect 0 'an unsigned release' out 'an unsigned release'
run "$KMEND" sign --show r.release
expect 0 'shown' out 'userns_off' out 'CVE-2026-1234' out '6.1.0-50-cloud-amd64'
run "$KMEND" sign --key t/keys/builder-1.key --output b.sig r.release
run "$KMEND" sign --add --root t/public/2.root r.release b.sig
run "$KMEND" sign --check --root t/public/2.root r.release
expect 2 'a builder alone is not enough' err '0 of 1 good signatures by reviewer keys'
run "$KMEND" sign --key t/keys/reviewer-1.key --output r.sig r.release
run "$KMEND" sign --add --root t/public/2.root r.release r.sig
run "$KMEND" sign --check --root t/public/2.root --json r.release
json 'j["document"] == "release" and [s["role"] for s in j["signatures"]] == ["builder", "reviewer"] and j["body"]["severity"] == "high"' \
	'builder and reviewer together are'
sed 's/"high"/"terrible"/' body.json >bad.json
run "$KMEND" sign --wrap release --output bad.release bad.json
expect 1 'a body with a wrong value' err '"severity" has no allowed value'
[ ! -e bad.release ]
ok $? 'makes no document'
run "$KMEND" sign --wrap index --output bad.index body.json
expect 1 'a body of another type' err '"type" is not "index"'
sed 's/userns_off/userns_on!/' r.release >bent.release
run "$KMEND" sign --check --root t/public/2.root bent.release
expect 2 'a changed body' err '0 of 1 good signatures'
run "$KMEND" sign --show body.json
expect 1 'no document' err 'no signed document'
run "$KMEND" sign r.release
expect 1 'nothing to do' err 'it is not said what to do'
run "$KMEND" sign --show --check r.release
expect 1 'two things' err 'only one thing at a time'
run "$KMEND" sign --check r.release
expect 1 'check without a root' err '--root FILE is needed'
run "$KMEND" sign --check --root t/public/2.root --json bent.release
json 'j["result"] == "error" and j["error"]["kind"] == "refused" and j["exit_status"] == 2' 'a refusal as JSON'
finish
