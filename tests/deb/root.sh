#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: the packages of build.sh in a clean Debian: installed, upgraded, used, removed and purged.
# usage: root.sh [--short] DIRECTORY
#
# The root is unpacked from a tarball in the cache, into a directory that only this process and its children see mounts in: they end with
# it, however it ends. Nothing is started in it, and no module is loaded. --short leaves out a second kernel and a patch that is built.
here=$(cd "$(dirname "$0")" && pwd)
short=
[ "$1" != --short ] || { short=1; shift; }
debs=$(cd "$1" && pwd) && ls "$debs"/*.deb "$debs"/old/*.deb >/dev/null || { echo "not ok 1 - there are packages of build.sh"; exit 1; }

cache=${KMEND_CACHE:-${XDG_CACHE_HOME:+$XDG_CACHE_HOME/kmend}}
if [ -z "$cache" ]; then
	[ "$(id -u)" = 0 ] && cache=/var/cache/kmend || cache=$HOME/.cache/kmend
fi
base=$cache/test-root

# As apt of this machine has it: Debian's archive, or a mirror.
sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' 'Origin: Debian'
}

# Made anew after a week, when it can be.
make_base() {
	mkdir -p "$base/archives/partial" "$base/lists/partial"
	[ -z "$(find "$base/root.tar" -mtime -7 2>/dev/null)" ] || return 0
	sources | mmdebstrap --quiet --format=tar --variant=minbase bookworm "$base/root.tar.new" - >&2 && mv "$base/root.tar.new" "$base/root.tar"
	[ -e "$base/root.tar" ]
}

if [ -z "${KMEND_TEST_NAMESPACE:-}" ]; then
	make_base || { echo 'not ok 1 - a clean Debian can be made'; exit 1; }
	[ "$(id -u)" = 0 ] || map='--map-root-user --map-auto'
	if ! unshare ${map:-} --mount --pid --fork true; then
		echo 'ok 1 - the packages in a clean Debian # SKIP no right to a namespace for mounts: run it as root'
		exit 0
	fi
	export KMEND_TEST_NAMESPACE=1
	exec unshare ${map:-} --mount --pid --fork --kill-child "$0" ${short:+--short} "$debs"
fi

. "$here/../cli/lib.sh"
root=$work/root
trap 'umount -R -l "$root"; rm -rf --one-file-system "$work"' EXIT

# ---- the root ---------------------------------------------------------------------------------------------------------
enter() { # COMMAND...: in the root, with nothing of this environment but the way to the archive
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} chroot "$root" "$@"
}
apt() { # the last lines are enough
	enter apt-get -y -q --no-install-recommends "$@" >"$work/out" 2>"$work/err" </dev/null
	status=$?
	echo "$status" >"$work/status"
	tail -n 30 "$work/out" >"$work/tail"
	mv "$work/tail" "$work/out"
}
in_root() { run enter "$@"; }
absent() { # DESCRIPTION COMMAND...: no such command
	what=$1 found=0
	shift
	for command; do ! enter sh -c "command -v $command" >"$work/out" || found=1; done
	ok $found "$what"
}

set -e
mkdir "$root"
mount -t tmpfs -o size=6g tmpfs "$root"
tar -C "$root" -xf "$base/root.tar"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mkdir -p "$root/debs" "$root/var/cache/apt/archives" "$root/var/lib/apt/lists"
mount --bind "$debs" "$root/debs"
mount --bind "$base/archives" "$root/var/cache/apt/archives"
mount --bind "$base/lists" "$root/var/lib/apt/lists"
cp /etc/resolv.conf /etc/hosts "$root/etc/"
apt-config dump | grep '^Acquire::http' >"$root/etc/apt/apt.conf.d/90machine" || true
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/fast"
set +e
apt update || echo '# the archive cannot be asked; going on with what is in the cache'

version=$(dpkg-deb -f "$debs"/kmend_*.deb Version)
old=$(dpkg-deb -f "$debs"/old/kmend_*.deb Version)
packages=$(cd "$debs" && for deb in *.deb; do echo "${deb%%_*}"; done)

# What there is of ours. A system user stays, as Debian has it: its id may still own files.
remains() {
	enter find / -xdev \( -path /debs -o -path /proc -o -path /sys -o -path /dev -o -path /tmp \) -prune -o -path '*kmend*' -print
	enter grep -rl kmend /etc | grep -vxE '/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?'
}
nothing_remains() {
	remains >"$work/out" 2>"$work/err"
	[ ! -s "$work/out" ]
	ok $? "$1"
}
installed() { # VERSION DESCRIPTION: every package is there, in that version
	enter dpkg-query -W -f '${Package} ${Version} ${Status}\n' $packages >"$work/out" 2>"$work/err"
	[ "$(grep -c " $1 install ok installed$" "$work/out")" = "$(echo "$packages" | wc -l)" ]
	ok $? "$2"
}

# ---- a host: few dependencies, no compiler ------------------------------------------------------------------------------
nothing_remains 'the root is clean'
apt install "/debs/kmend_${version}_amd64.deb"
expect 0 'kmend alone can be installed'
absent 'it brings no compiler, no make, no qemu' gcc cc make qemu-system-x86_64 dkms
in_root kmend --version
expect 0 'kmend --version' out "kmend $version"
in_root kmend help
expect 0 'kmend help' out 'load'
in_root kmend status
expect 0 'kmend status' out 'kernel'
in_root kmend build x.patch
expect 1 'what is missing for kmend build is named' err kmend-build
in_root bash -c '. /usr/share/bash-completion/completions/kmend* && COMP_WORDS=(kmend lo) COMP_CWORD=1 && _kmend && echo "${COMPREPLY[@]}"'
expect 0 'the completion completes' out load
# What a host that was attached has; only a purge may take it.
enter sh -c 'mkdir -p /var/lib/kmend/agent /var/lib/kmend/spool /etc/kmend && echo x >/var/lib/kmend/agent/identity && echo x >/etc/kmend/agent.conf'
apt remove kmend
[ "$status" = 0 ] && [ -s "$root/var/lib/kmend/agent/identity" ] && [ -s "$root/etc/kmend/agent.conf" ]
ok $? 'removed, kmend leaves identity and configuration'
in_root dpkg --purge kmend
expect 0 'kmend can be purged'
nothing_remains 'nothing of it remains'

# ---- a builder: all the programs that a build runs come from Depends --------------------------------------------------------
if [ -z "$short" ]; then
	apt install "/debs/kmend_${version}_amd64.deb" "/debs/kmend-build_${version}_amd64.deb" "/debs/kmend-lab_${version}_amd64.deb"
	expect 0 'kmend-build and kmend-lab can be installed'
	# Packages of the kernel may come from the cache.
	mkdir -p "$cache/debs" "$root/var/cache/kmend/debs"
	mount --bind "$cache/debs" "$root/var/cache/kmend/debs"
	release=$(enter apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: linux-image-\(6.*-cloud-amd64\)$/\1/p' | head -1)
	in_root kmend build --kernel "$release" --flavour both -o /tmp/patch /usr/share/doc/kmend-build/examples/refuse-userns.patch
	expect 0 'a patch can be built'
	in_root kmend info /tmp/patch/kmend_refuse_userns.ko
	expect 0 'it is for that kernel' out "$release"
	in_root kmend verify /tmp/patch/kmend_refuse_userns.ko
	expect 0 'it can be tried in a virtual machine'
	umount "$root/var/cache/kmend/debs"
	in_root dpkg --purge kmend-build kmend-lab kmend
	expect 0 'kmend-build and kmend-lab can be purged'
	nothing_remains 'nothing of them remains, nor of what they prepared'
fi

# ---- everything, from an older version to this one -----------------------------------------------------------------------
apt install linux-headers-cloud-amd64
expect 0 'headers of a kernel'
release=$(ls "$root/lib/modules" | grep cloud)
apt install $(cd "$debs" && for deb in old/*.deb; do echo "/debs/$deb"; done)
expect 0 'the older version can be installed'
installed "$old" 'all of it is installed'
in_root dkms status kmend
expect 0 'dkms has built the module' out "kmend/$old, $release, x86_64: installed"
echo '# a person was here' >>"$root/etc/kmend/server.conf"
apt install $(cd "$debs" && for deb in *.deb; do echo "/debs/$deb"; done)
expect 0 'it can be upgraded'
installed "$version" 'all of it is upgraded'

tail -n 1 "$root/etc/kmend/server.conf" | grep -q 'a person was here'
ok $? 'a changed server.conf is left alone'
in_root dkms status kmend
expect 0 'dkms has built the module anew' out "kmend/$version, $release, x86_64: installed"
! grep -q "kmend/$old" "$work/out"
ok $? 'and forgotten the old one'
in_root modinfo -k "$release" -F vermagic kmend
expect 0 'it is for that kernel' out "$release SMP"

# ---- use ---------------------------------------------------------------------------------------------------------------
in_root kmend help --json
for verb in $(python3 -c 'import json, sys; print(*(v["name"] for v in json.load(open(sys.argv[1]))["verbs"] if v["name"] != "agent"))' "$work/out"); do
	in_root kmend $verb --help
	expect 0 "kmend $verb --help" out "usage: kmend"
done
in_root getent passwd kmend
expect 0 'the user that talks to the network' out '/nologin'
for unit in $(cd "$root/lib/systemd/system" && ls kmend-*.service); do
	in_root systemd-analyze verify --man=no --recursive-errors=no "$unit"
	[ "$status" = 0 ] && ! grep kmend "$work/err"
	ok $? "$unit is one to systemd"
done
in_root systemctl is-enabled kmend-agent kmend-boot
expect 0 'the agent is enabled'
in_root systemctl is-enabled kmend-server
expect 1 'the server is not before a person has set it up' out disabled
in_root kmend-server --help
expect 0 'kmend-server --help' out 'usage: kmend-server'
in_root kmend-lab --help
expect 0 'kmend-lab --help' out 'usage: kmend-lab'
for page in $(cd "$here/../../man" && ls ./*.[1-9]); do
	[ -s "$root/usr/share/man/man${page##*.}/${page#./}.gz" ]
	ok $? "the page ${page#./}"
done

if [ -z "$short" ]; then
	apt install linux-headers-6.12-cloud-amd64
	expect 0 'headers of another kernel, after it'
	newer=$(ls "$root/lib/modules" | grep '^6\.12.*cloud')
	in_root modinfo -k "$newer" -F vermagic kmend
	expect 0 'dkms has built the module for that one as well' out "$newer SMP"
fi

# ---- away with it --------------------------------------------------------------------------------------------------------
apt remove $packages
expect 0 'all can be removed'
[ ! -e "$root/lib/modules/$release/updates/dkms/kmend.ko" ]
ok $? 'the module is gone, too'
in_root dpkg --purge $packages
expect 0 'all can be purged'
nothing_remains 'nothing remains'
enter apt-get -q autoclean >/dev/null 2>&1
finish
