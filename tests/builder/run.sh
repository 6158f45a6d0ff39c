#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: what kmend-build promises besides the patch itself: the same bytes everywhere, nothing half-written, clear errors.
# usage: run.sh [PATTERN]   only the tests whose name matches
set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
build=${BUILD:-build}
kmend=$top/$build/tools/kmend
patch=$top/examples/refuse-userns.patch
only=${1:-}
release=$(scripts/default-kernel.sh "$kmend") || exit 1
tmp=$(mktemp -d "${TMPDIR:-/tmp}/kmend-builder.XXXXXX")
trap 'wait; rm -rf "$tmp"' EXIT
n=0

# ok NAME: the status of the command before it is the result.
ok() {
	local status=$?
	n=$((n + 1))
	if [ $status = 0 ]; then echo "ok $n - $1"; else
		echo "not ok $n - $1"
		tail -n 20 "$tmp/log" | sed 's/^/# /'
	fi
}
skip() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}
want() { [ -z "$only" ] || [[ $1 == *$only* ]]; }

build_patch() { # OUT-DIR [OPTION...]: a build, its output in $tmp/log
	local out=$1
	shift
	"$kmend" build --kernel "$release" -o "$out" "$@" >"$tmp/log" 2>&1
}
module=kmend_refuse_userns.ko
# says STATUS TEXT COMMAND...: it exits with the status and says the text.
says() {
	local status=$1 text=$2
	shift 2
	"$@" >"$tmp/log" 2>&1
	local got=$?
	[ $got = "$status" ] || { echo "exit status $got, not $status" >>"$tmp/log"; return 1; }
	grep -qE -- "$text" "$tmp/log" || { echo "does not say: $text" >>"$tmp/log"; return 1; }
}

"$kmend" prepare -q --json "$release" >"$tmp/prepared.json" 2>"$tmp/log"
ok "prepare $release"
dir=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["directory"])' "$tmp/prepared.json") || exit 1
debs=${dir%/kernels/*}/debs

test_same_bytes() {
	build_patch "$tmp/one" "$patch" && cmp "$tmp/one/$module.diff" "$patch" >>"$tmp/log" 2>&1
	ok "a build, which keeps the diff"
	mkdir -p "$tmp/elsewhere/deep" && (cd "$tmp/elsewhere/deep" && cp "$patch" refuse-userns.diff &&
		"$kmend" build --kernel "$release" --name kmend_refuse_userns -o . refuse-userns.diff) >"$tmp/log" 2>&1 &&
		cmp "$tmp/one/$module" "$tmp/elsewhere/deep/$module" >>"$tmp/log" 2>&1
	ok "the same inputs give the same bytes in another directory"
	build_patch "$tmp/again" --json "$tmp/again.json" "$patch" && python3 - "$tmp/again.json" >>"$tmp/log" 2>&1 <<-'PY'
		import json, sys
		r = json.load(open(sys.argv[1]))
		assert r["result"] == "built" and r["exit"] == 0, r["result"]
		assert all(u["original_from_cache"] for u in r["units"]), r["units"]
		assert [i["name"] for u in r["units"] for i in u["items"] if i["replaces"]] == ["create_user_ns"]
		assert all(i["matched"] for u in r["units"] for i in u["items"] if i["replaces"])
	PY
	ok "originals come from the cache; the JSON report tells what was replaced and matched"
}

test_two_at_once() {
	local pids=() status=0
	for i in 1 2 3; do
		"$kmend" build --kernel "$release" -o "$tmp/par$i" "$patch" >"$tmp/log$i" 2>&1 &
		pids+=($!)
	done
	for p in "${pids[@]}"; do wait "$p" || status=1; done
	cat "$tmp"/log[123] >"$tmp/log"
	[ $status = 0 ] && cmp "$tmp/par1/$module" "$tmp/par2/$module" && cmp "$tmp/par1/$module" "$tmp/par3/$module"
	ok "three builds at once give the same patch"
}

test_killed() {
	local status=0 delay
	build_patch "$tmp/whole" "$patch" || status=1
	: >"$tmp/killed.log"
	for delay in 0.1 0.3 0.6 1.0 1.5 2.2 3.0; do
		rm -rf "$tmp/killed"
		setsid "$kmend" build --kernel "$release" -o "$tmp/killed" "$patch" >"$tmp/log" 2>&1 &
		local pid=$!
		sleep $delay
		kill -9 -- -$pid 2>/dev/null
		wait $pid 2>/dev/null
		if [ -e "$tmp/killed/$module" ]; then
			cmp "$tmp/killed/$module" "$tmp/whole/$module" >>"$tmp/killed.log" 2>&1 || status=1
		fi
		# What a killed run left in the working copy must not show in the next build.
		rm -rf "$tmp/after"
		if ! build_patch "$tmp/after" "$patch"; then
			{ echo "after a kill at $delay s:"; cat "$tmp/log"; } >>"$tmp/killed.log"
			status=1
		elif ! cmp "$tmp/after/$module" "$tmp/whole/$module" >>"$tmp/killed.log" 2>&1; then
			status=1
		fi
	done
	cp "$tmp/killed.log" "$tmp/log"
	[ $status = 0 ]
	ok "a build that is killed at any moment leaves nothing half-written, and the next gives the same bytes"
}

test_errors() {
	says 1 "cloud-amd64" "$kmend" build --kernel "${release/cloud/clod}" "$patch"
	ok "an unknown kernel: near ones are named"
	says 1 "no file" "$kmend" build --kernel "$release" /nonexistent.patch
	ok "a patch file that is not there"
	says 1 "no PATCH" "$kmend" build --kernel "$release"
	ok "no patch given"
	says 1 "--source.*together|together" "$kmend" build --source /tmp "$patch"
	ok "half of a kernel of one's own"
	says 1 "CVE-YYYY" "$kmend" build --cve 2026-1 "$patch"
	ok "a CVE that is none"
	says 1 "name of a patch" "$kmend" build --kernel "$release" --name 'a/b' "$patch"
	ok "a name that no module can have"
	if [ "$(id -u)" = 0 ]; then
		says 1 "network|fetch|download|apt" unshare -n env KMEND_CACHE="$tmp/offline" "$kmend" prepare "$release"
		ok "no network: it says what could not be fetched"
		[ -z "$(find "$tmp/offline" -name ready 2>/dev/null)" ]
		ok "and nothing passes for prepared"
	else
		skip "no network" "needs root for a network namespace"
	fi
}

# In a mount namespace of its own, so that nothing stays mounted whatever happens.
test_full_disk() {
	if [ "$(id -u)" != 0 ]; then
		skip "full disk" "needs root to mount a small one"
		return
	fi
	mkdir -p "$tmp/small"
	says 1 "[Nn]o space|full" unshare -m sh -c "mount -t tmpfs -o size=4k none '$tmp/small' &&
		'$kmend' build --kernel '$release' -o '$tmp/small' '$patch'; s=\$?; echo left: \$(ls -A '$tmp/small'); exit \$s"
	ok "a full disk where the patch goes"
	grep -q '^left:$' "$tmp/log"
	ok "and no half of a patch is left there"
	says 1 "[Nn]o space|full" unshare -m sh -c "mount -t tmpfs -o size=100m none '$tmp/small' &&
		KMEND_CACHE='$tmp/small' '$kmend' prepare --debs '$debs' '$release'; s=\$?
		find '$tmp/small' -name ready | grep . && exit 9; exit \$s"
	ok "a full disk while preparing"
}

# A cold cache that is killed twice on its way, fed from a directory of packages.
test_prepare_killed() {
	local pid
	for delay in 2 7; do
		KMEND_CACHE=$tmp/cold setsid "$kmend" prepare --debs "$debs" "$release" >"$tmp/log" 2>&1 &
		pid=$!
		sleep $delay
		kill -9 -- -$pid 2>/dev/null
		wait $pid 2>/dev/null
	done
	KMEND_CACHE=$tmp/cold "$kmend" prepare --debs "$debs" "$release" >"$tmp/log" 2>&1 &&
		KMEND_CACHE=$tmp/cold build_patch "$tmp/coldout" "$patch" && build_patch "$tmp/warmout" "$patch" &&
		cmp "$tmp/coldout/$module" "$tmp/warmout/$module"
	ok "preparing that was killed is done again, from --debs, and gives the same patch"
	rm -rf "$tmp/cold" & # many small files
}

# The same kernel as files of one's own: the tree is copied, configured and prepared by make.
test_own_kernel() {
	find "$dir/tree" -newer "$dir/ready" -type f | sort >"$tmp/newer.before"
	KMEND_CACHE=$tmp/own "$kmend" build --source "$dir/tree" --config "$dir/tree/.config" --vmlinux "$(find "$dir/image" -name 'vmlinu*' -type f | head -1)" \
		--symvers "$dir/tree/Module.symvers" -o "$tmp/ownout" --json "$tmp/own.json" "$patch" >"$tmp/log" 2>&1 &&
		python3 -c 'import json,sys; r=json.load(open(sys.argv[1])); assert r["kernel"]["release"]==sys.argv[2], r["kernel"]' "$tmp/own.json" "$release" 2>>"$tmp/log"
	ok "a kernel of one's own: --source --config --vmlinux --symvers"
	find "$dir/tree" -newer "$dir/ready" -type f | sort | cmp - "$tmp/newer.before" >>"$tmp/log" 2>&1
	ok "the user's tree was not written to"
	rm -rf "$tmp/own" &
}

# A key of one's own: the stock kernel does not have it, and says so; what it cannot read it refuses in other words.
test_signed() {
	local lab=$top/$build/lab/kmend-lab key=$tmp/sign.key cert=$tmp/sign.pem
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$key" -out "$cert" -days 2 -subj '/CN=kmend test/' >"$tmp/log" 2>&1 &&
		build_patch "$tmp/plain" "$patch" &&
		build_patch "$tmp/signed" --sign-key "$key" --sign-cert "$cert" --json "$tmp/signed.json" "$patch" &&
		head -c "$(stat -c %s "$tmp/plain/$module")" "$tmp/signed/$module" | cmp - "$tmp/plain/$module" >>"$tmp/log" 2>&1
	ok "a signed patch begins with the bytes of the unsigned one"
	"$kmend" info --json "$tmp/signed/$module" >"$tmp/info.json" 2>"$tmp/log" &&
		python3 - "$tmp/signed.json" "$tmp/info.json" "$(sha256sum <"$tmp/plain/$module")" >>"$tmp/log" 2>&1 <<-'PY'
		import json, sys
		report, info = (json.load(open(p)) for p in sys.argv[1:3])
		for sig in report["patch"]["signature"], info["signature"]:
		    assert sig["issuer"] == "CN=kmend test" and sig["hash"] == "sha256" and sig["serial"], sig
		assert report["patch"]["signature"]["unsigned_sha256"] == sys.argv[3].split()[0]
		assert info["kmend"] and [f["name"] for o in info["objects"] for f in o["functions"]] == ["create_user_ns"]
	PY
	ok "the report and info tell who signed it"
	says 2 "does not belong" build_says --sign-key "$key" --sign-cert "$tmp/other.pem"
	ok "a certificate of another key"
	[ ! -e "$tmp/none" ]
	ok "and nothing is written"
	says 1 "together" "$kmend" build --kernel "$release" --sign-key "$key" "$patch"
	ok "a key without certificate"
	if ! command -v qemu-system-x86_64 >/dev/null; then
		skip "a kernel that enforces signatures" "qemu-system-x86_64 is not installed"
		return
	fi
	# One byte inside the PKCS#7 message: its first length.
	cp "$tmp/signed/$module" "$tmp/damaged.ko" &&
		printf '\000' | dd of="$tmp/damaged.ko" bs=1 seek=$(($(stat -c %s "$tmp/plain/$module") + 1)) conv=notrunc 2>"$tmp/log"
	says 0 "all refused" "$lab" run --kernel "$release" --append module.sig_enforce=1 --carry "$tmp/plain/$module:/root/plain.ko" \
		--carry "$tmp/signed/$module:/root/signed.ko" --carry "$tmp/damaged.ko:/root/damaged.ko" tests/builder/enforced.sh
	ok "a kernel that enforces signatures: ours is read and its key missed; unsigned and damaged ones are told apart"
	says 0 "loaded" "$lab" run --kernel "$release" --carry "$tmp/signed/$module:/root/signed.ko" tests/builder/not_enforced.sh
	ok "a kernel that does not takes a signed patch"
}
build_says() { # OPTION...: with a second pair's certificate
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/other.key" -out "$tmp/other.pem" -days 2 -subj /CN=other/ 2>/dev/null
	"$kmend" build --kernel "$release" -o "$tmp/none" "$@" "$patch"
}

# Two kernels, of which one has the code at other lines; the second is one of those that are in the cache.
test_many() {
	local other
	other=$("$kmend" kernels | awk -v r="$release" '$1 != r && $2 != "-" && /cached/ { print $1; exit }')
	[ -n "$other" ] || { skip "several kernels" "one kernel is in the cache"; return; }
	# As if it were made for another version: every hunk's line numbers lie 3 off.
	awk '/^@@ / { split($2, o, ","); split($3, n, ","); $2 = o[1] - 3 "," o[2]; $3 = "+" substr(n[1], 2) + 3 "," n[2] } { print }' "$patch" >"$tmp/refuse-userns.patch"
	"$kmend" build --kernel "$release" --kernel "$other" -o "$tmp/many" --json "$tmp/many.json" "$tmp/refuse-userns.patch" >"$tmp/log" 2>&1 &&
		python3 - "$tmp/many.json" "$release" "$other" >>"$tmp/log" 2>&1 <<-'PY'
		import json, sys
		j = json.load(open(sys.argv[1]))
		assert [b["kernel"] for b in j["builds"]] == sys.argv[2:], j["builds"]
		assert j["exit"] == 0 and all(b["result"] == "built" and b["applies"] == "with offset" for b in j["builds"])
		assert [b["report"]["kernel"]["release"] for b in j["builds"]] == sys.argv[2:]
	PY
	ok "several kernels in one report, which tells the offset"
	build_patch "$tmp/plain" "$tmp/refuse-userns.patch" && cmp "$tmp/plain/$module" "$tmp/many/$release/$module" >>"$tmp/log" 2>&1
	ok "the patch is the one that a build of its own makes"
	says 1 "clod.*error" "$kmend" build --kernel "$release" --kernel "${release/cloud/clod}" -o "$tmp/worst" "$patch"
	ok "the worst exit status; the other kernel's patch is there all the same"
	[ -e "$tmp/worst/$release/$module" ]
	ok "and it is"
	mkdir -p "$tmp/it's" && "$kmend" build --kernel "$release" --kernel "$other" -o "$tmp/it's" --jobs-file "$tmp/jobs" "$patch" >"$tmp/log" 2>&1 &&
		[ "$(wc -l <"$tmp/jobs")" = 2 ] && head -n 1 "$tmp/jobs" | sh >>"$tmp/log" 2>&1 && [ -e "$tmp/it's/$release/$module" ] && [ ! -e "$tmp/it's/$other" ]
	ok "--jobs-file: independent commands"
}

for t in same_bytes two_at_once killed errors signed many full_disk prepare_killed own_kernel; do
	want "$t" && test_$t
done
echo "1..$n"
