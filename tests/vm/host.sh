#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The host command in real guests: each host-*.sh with a patch that kmend build made, or with one written by hand. TAP; runs on the host.
. "$(dirname "$0")/prepared.sh"

host() { # SCRIPT WORDS...: the script's own results, one line each
	script=$1
	shift
	run "$KMEND_LAB" run --kernel "$release" --carry "$KMEND:/bin/kmend" --carry "$m:/modules" --carry "$here/lib.sh:/kmend/script/lib.sh" \
		--carry "$work/built:/built" --timeout 400 "$here/$script" "$@"
	while read -r line; do
		case $line in
		'ok '*) tests=$((tests + 1)) && echo "ok $tests - $script: ${line#* - }" ;;
		'not ok '*) tests=$((tests + 1)) failed=$((failed + 1)) && echo "not ok $tests - $script: ${line#* - }" ;;
		'#'*) echo "$line" ;;
		esac
	done <"$work/out"
	expect 0 "$script: it ends well" out '1..'
}

run "$KMEND" build --kernel "$release" -o "$work/built" "$here/../../examples/refuse-userns.patch"
expect 0 'a patch is built' out 'built '
built=/built/kmend_refuse_userns.ko

host host-change.sh $built /modules/nap_patch.ko
host host-replace.sh /modules
host host-blocked.sh /modules
host host-kill.sh $built
finish
