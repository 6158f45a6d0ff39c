#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From a source diff to a patched running kernel, and back: builds kmend, prepares a stock Debian kernel, builds a patch for it, boots that
# kernel in a virtual machine and shows there what the patch does. KERNEL=RELEASE chooses the kernel.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD:-build}
patch=examples/refuse-userns.patch
out=$(mktemp -d "${TMPDIR:-/tmp}/kmend-demo.XXXXXX")
trap 'rm -rf "$out"' EXIT
colour=0
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] && colour=1

coloured() { # the marks of demo-guest.sh
	local esc=$'\033'
	if [ $colour = 1 ]; then
		sed -u "s/{green}/$esc[32m/g; s/{red}/$esc[31m/g; s/{bold}/$esc[1m/g; s/{off}/$esc[0m/g"
	else
		sed -u 's/{green}//g; s/{red}//g; s/{bold}//g; s/{off}//g'
	fi
}

stages=() times=() began=
now() { date +%s.%N; }
stage() { # NAME: ends the stage before
	local t
	t=$(now)
	[ -z "$began" ] || times+=("$(echo "$t $began" | awk '{ printf "%.1f", $1 - $2 }')")
	began=$t
	[ -z "$1" ] && return
	stages+=("$1")
	if [ $colour = 1 ]; then printf '\n\033[1m== %s\033[0m\n' "$1"; else printf '\n== %s\n' "$1"; fi
}

stage "build kmend"
[ -e "$build/build.ninja" ] || meson setup "$build" >/dev/null
ninja -C "$build" | tail -n 1
kmend=$build/tools/kmend

release=$(scripts/default-kernel.sh "$kmend")
stage "prepare $release (once for a kernel)"
"$kmend" prepare "$release"

stage "build the patch"
cat <<END
$patch: $(head -n 1 $patch)
END
"$kmend" build --kernel "$release" -o "$out" --severity high \
	--description "no user namespaces for the unprivileged" $patch

stage "boot $release and patch it while it runs"
"$build/lab/kmend-lab" run --kernel "$release" --carry "$kmend" \
	--carry "$out/kmend_refuse_userns.ko" --timeout 180 scripts/demo-guest.sh kmend_refuse_userns.ko | coloured
echo "  the kernel's log is clean"

stage ""
printf '\n'
for i in "${!stages[@]}"; do
	printf '%8s s  %s\n' "${times[$i]}" "${stages[$i]}"
done
