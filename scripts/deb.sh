#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds the Debian packages: deb.sh [DIRECTORY], build-deb by default. All that is written, with the copy of the tree that is built, is
# below it. Works offline, as root or not. Equal trees give equal bytes, wherever they are: the time in all of them is SOURCE_DATE_EPOCH,
# else that of the last commit, else that of CHANGELOG.md. VERSION=V builds them as that version.
set -eu
umask 022
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-$root/build-deb}"
out=$(cd "${1:-$root/build-deb}" && pwd)
copy=$out/kmend
version=${VERSION:-$(sed -n "s/^  version: '\(.*\)',$/\1/p" "$root/meson.build")}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || stat -c %Y "$root/CHANGELOG.md")}
DEB_BUILD_OPTIONS=${DEB_BUILD_OPTIONS:-noautodbgsym parallel=$(nproc)}
export SOURCE_DATE_EPOCH DEB_BUILD_OPTIONS

rm -rf "$copy" "$out"/*.deb "$out"/*.changes "$out"/*.buildinfo
mkdir "$copy"
tar -C "$root" --exclude-vcs --exclude='./build*' --exclude='*.o' --exclude='*.ko' --exclude=node_modules -cf - . | tar -C "$copy" -xf -
sed -i "s/^  version: '.*',$/  version: '$version',/" "$copy/meson.build"
awk -f "$root/scripts/changelog.awk" -v version="$version" -v now="$(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")" \
	-v who="$(sed -n 's/^Maintainer: //p' "$root/debian/control")" "$root/CHANGELOG.md" >"$copy/debian/changelog"

cd "$copy"
if ! dpkg-buildpackage --build=binary --no-sign >"$out/build.log" 2>&1; then
	tail -n 30 "$out/build.log" >&2
	echo "deb: the packages cannot be built; all of it is in $out/build.log" >&2
	exit 1
fi
mv debian/changelog "$out/"
cd "$out"
rm -rf "$copy"
ls "$out"/*.deb
