#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The host command over both back ends, in real guests: one patch in both flavours, the same verbs and the same JSON. TAP; runs on the host.
# Besides the default kernel a 6.12 one is used if there is one in the cache.
. "$(dirname "$0")/prepared.sh"

core_of() { # RELEASE: what `kmend core` builds, and nap_core.ko, into $work/RELEASE/core
	"$KMEND" core -q --kernel "$1" -o "$work/$1/core" >/dev/null && cp "$here"/core-cli/* "$work/$1/core" || return
	tree=$("$KMEND" prepare -q --json "$1" | sed -n 's/.*"directory": "\(.*\)".*/\1/p')
	make -C "$tree/tree" M="$work/$1/core" CC="$(sed -n 's/.*"compiler": "\([^"]*\)".*/\1/p' "$tree/kernel.json")" \
		KBUILD_EXTRA_SYMBOLS="$work/$1/core/Module.symvers" modules >"$work/make.log" 2>&1
}

both() { # RELEASE MODULES
	run "$KMEND" build --kernel "$1" --flavour both --cve CVE-2026-0001 -o "$work/$1" "$here/../../examples/refuse-userns.patch"
	expect 0 "$1: a patch is built in both flavours" out "built $work/$1/kmend_refuse_userns.ko:" \
		out "built $work/$1/core/kmend_refuse_userns.ko for kmend.ko:"
	# So that modprobe(8) finds kmend.ko in the guest.
	mkdir -p "$work/$1/root/lib/modules/$1/updates" && cp "$work/$1/core/kmend.ko" "$work/$1/root/lib/modules/$1/updates"
	/sbin/depmod -b "$work/$1/root" "$1" 2>/dev/null
	run "$KMEND_LAB" run --kernel "$1" --carry "$KMEND:/bin/kmend" --carry "$work/$1/core:/built/core" --carry "$2:/modules" \
		--carry "$work/$1/kmend_refuse_userns.ko:/built/kmend_refuse_userns.ko" --carry "$here/lib.sh:/kmend/script/lib.sh" \
		--carry "$work/$1/root/lib/modules/$1:/built/installed" --timeout 400 "$here/core-cli-guest.sh"
	while read -r line; do
		case $line in
		'ok '*) tests=$((tests + 1)) && echo "ok $tests - $1: ${line#* - }" ;;
		'not ok '*) tests=$((tests + 1)) failed=$((failed + 1)) && echo "not ok $tests - $1: ${line#* - }" ;;
		'#'*) echo "$line" ;;
		esac
	done <"$work/out"
	expect 0 "$1: it ends well" out '1..'
}

core_of "$release" || { tail -n 20 "$work/make.log" | sed 's/^/# /'; echo 'Bail out! the core does not build'; exit 99; }
both "$release" "$m"
run "$KMEND" verify --kernel "$release" --core "$work/$release/core/kmend.ko" "$work/$release/core/kmend_refuse_userns.ko"
expect 0 'verify carries kmend.ko' out 'insert kmend.ko' out 'functions in effect' out 'pass: '

newer=$("$KMEND" kernels | awk '$1 ~ /^6\.12\..*cloud/ && $3 == "cached" { print $1 }' | tail -n 1)
if [ -n "$newer" ] && [ "$newer" != "$release" ]; then
	rm -rf "$m.newer" && cp -r "$here/modules" "$m.newer" && core_of "$newer" && make -C "$tree/tree" M="$m.newer" \
		CC="$(sed -n 's/.*"compiler": "\([^"]*\)".*/\1/p' "$tree/kernel.json")" modules >"$work/make.log" 2>&1 ||
		{ tail -n 20 "$work/make.log" | sed 's/^/# /'; echo "Bail out! nothing builds for $newer"; exit 99; }
	both "$newer" "$m.newer"
else
	tests=$((tests + 1))
	echo "ok $tests - a 6.12 kernel # SKIP none is prepared"
fi
finish
