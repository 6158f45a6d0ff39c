#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: each fuzz target for SECONDS under ASan and UBSan, two at a time, from a copy of its corpus.
# usage: [SEED=NUMBER] run.sh [SECONDS [TARGET...]]
# With SEED the same inputs are tried first each time: for tests, which are there for what has changed. Without it each run looks elsewhere.
# What makes a target fail is kept in build-fuzz/findings/TARGET; what it found worth keeping stays in build-fuzz/corpus/TARGET for the next run.
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60}
shift $(($# ? 1 : 0))
build=build-fuzz
log=$(mktemp -d "${TMPDIR:-/tmp}/kmend-fuzz.XXXXXX")
trap 'rm -rf "$log"' EXIT
trap 'trap - INT TERM; kill 0; exit 130' INT TERM

bail() {
	tail -n 20 "$log/build" | sed 's/^/# /'
	echo "Bail out! $1"
	exit 1
}
[ -e $build/build.ninja ] || CC=clang meson setup -Dfuzz=true -Db_lundef=false $build >"$log/build" 2>&1 ||
	bail 'the fuzz build cannot be set up'
targets=("$@")
[ ${#targets[@]} -gt 0 ] || for source in tests/fuzz/fuzz_*.c; do
	name=${source##*/fuzz_}
	targets+=("${name%.c}")
done
ninja -C $build "${targets[@]/#/tests/fuzz/fuzz_}" >"$log/build" 2>&1 || bail 'the fuzz targets do not build'

fuzz() { # TARGET: its output and its status to $log
	local found=$build/findings/$1 seeds=$build/corpus/$1
	mkdir -p "$found" "$seeds"
	# A slow input is a finding too; -timeout leaves room for a busy machine.
	"$build/tests/fuzz/fuzz_$1" ${SEED:+-seed="$SEED"} -max_total_time="$seconds" -timeout=60 -rss_limit_mb=2048 -max_len=131072 -print_final_stats=1 \
		-artifact_prefix="$found/" "$seeds" "tests/fuzz/corpus/$1" >"$log/$1" 2>&1
	echo $? >"$log/$1.status"
}

report() { # NUMBER TARGET
	local runs new
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log/$2")
	new=$(sed -n 's/^stat::new_units_added: *//p' "$log/$2")
	if [ "$(cat "$log/$2.status")" = 0 ]; then
		echo "ok $1 - $2: ${runs:-0} runs, ${new:-0} new inputs"
		return
	fi
	bad=1
	echo "not ok $1 - $2"
	grep -E 'ERROR|SUMMARY|runtime error|^broken:|^ *#[0-9]+ .* in ' "$log/$2" | head -n 15 | sed 's/^/# /'
	sed -n "s|.*Test unit written to *|# it fails with $PWD/|p" "$log/$2"
	echo "# run it again: $build/tests/fuzz/fuzz_$2 FILE"
}

bad=0 next=0
for name in "${targets[@]}"; do
	fuzz "$name" &
	next=$((next + 1))
	[ $next -lt 2 ] || wait -n
done
wait
number=0
for name in "${targets[@]}"; do
	number=$((number + 1))
	report $number "$name"
done
echo "1..$number"
exit $bad
