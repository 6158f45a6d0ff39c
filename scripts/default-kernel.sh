#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints the release that demo and tests use: $KERNEL, else the cloud kernel that Debian offers now, else the newest one in the cache.
# usage: default-kernel.sh PATH-OF-KMEND [SERIES]; with a series, as 6.12, the cloud kernel of that one, and KERNEL says nothing.
set -eu
series=${2:-}
if [ -z "$series" ] && [ -n "${KERNEL:-}" ]; then
	echo "$KERNEL"
	exit 0
fi
offered() {
	apt-cache depends "linux-image-${series:+$series-}cloud-amd64" 2>/dev/null |
		sed -n 's/^ *Depends: linux-image-\(6.*-cloud-amd64\)$/\1/p' | head -1
}
release=$(offered)
if [ -z "$release" ]; then
	as_root=
	[ "$(id -u)" = 0 ] || as_root=sudo
	$as_root apt-get update >/dev/null 2>&1 || true
	release=$(offered)
fi
if [ -z "$release" ]; then
	release=$("$1" kernels --json | python3 -c '
import json, sys
cached = [k["release"] for k in json.load(sys.stdin) if k["cached"] and k["release"].endswith("-cloud-amd64")]
cached = [release for release in cached if release.startswith(sys.argv[1])]
print(cached[-1] if cached else "")' "${series:+$series.}")
fi
if [ -z "$release" ]; then
	echo "default-kernel: apt offers no cloud kernel${series:+ $series}, and none is in the cache; name one with KERNEL=RELEASE" >&2
	exit 1
fi
echo "$release"
