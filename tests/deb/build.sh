#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: the Debian packages can be built, by anyone and anywhere with equal bytes, and are as Debian wants them.
# usage: build.sh DIRECTORY: they stay there, and in its directory old those of a lower version, for root.sh.
. "$(dirname "$0")/../cli/lib.sh"
cd "$(dirname "$0")/../.." || exit 99
debs=$1

# What root.sh upgrades from.
run env VERSION=0.0.9 scripts/deb.sh "$debs/old"
expect 0 'packages of a lower version' out "$debs/old/kmend_0.0.9_amd64.deb"

git ls-files --others --exclude-standard >"$work/before" 2>/dev/null
run scripts/deb.sh "$debs"
expect 0 'the packages'
[ "$status" = 0 ] || finish
for package in $(sed -n 's/^Package: //p' debian/control); do
	[ "$(ls "$debs/$package"_*.deb | wc -l)" = 1 ]
	ok $? "$package is one of them"
done
git ls-files --others --exclude-standard | cmp "$work/before" - >/dev/null 2>&1
ok $? 'nothing is written into the tree'

run lintian --allow-root --pedantic --fail-on error,warning,pedantic "$debs"/*.changes
expect 0 'lintian finds nothing'

# The same tree at another place, without its history, built by another user with other habits.
epoch=$(dpkg-parsechangelog -l /dev/stdin -S Timestamp <"$debs/changelog")
mkdir "$work/tree" "$work/again"
tar --exclude-vcs --exclude='./build*' -cf - . | tar -C "$work/tree" -xf -
[ "$(id -u)" != 0 ] || as_user='setpriv --reuid 65534 --regid 65534 --clear-groups'
chmod 755 "$work"
chmod 777 "$work/again"
run ${as_user:-} env -u DEB_BUILD_OPTIONS SOURCE_DATE_EPOCH="$epoch" HOME=/nonexistent TZ=Asia/Kathmandu LC_ALL=C.UTF-8 \
	sh -c "umask 077; '$work/tree/scripts/deb.sh' '$work/again'"
expect 0 'built again elsewhere, not as root'
for deb in "$debs"/*.deb; do
	cmp "$deb" "$work/again/${deb##*/}" >"$work/out" 2>&1
	ok $? "${deb##*/} has the same bytes"
done
finish
