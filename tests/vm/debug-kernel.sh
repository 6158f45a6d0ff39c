#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Builds, once, a small kernel that checks itself, from Debian's source package, and prints the directory where it lies:
#   vmlinuz   what the lab boots            modules/  what --modules of the lab takes (it has none of its own)
#   tree/     what modules are built in     vmlinux   symbols for a stack trace
# usage: debug-kernel.sh SOURCE KIND [--cached]     SOURCE: 6.1 (linux-source-6.1); KIND: lockdep or kcsan, see debug-kernel/*.config
# --cached: exit status 3 instead of a build. The cache is the one of kmend (KMEND_CACHE), the directory's name holds the package's
# version and a hash of the configuration; it appears by one rename, when it is whole. JOBS: 2.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
source=${1:?usage: debug-kernel.sh SOURCE KIND [--cached]}
kind=${2:?usage: debug-kernel.sh SOURCE KIND [--cached]}
[ -f "$here/debug-kernel/$kind.config" ] || { echo "debug-kernel: there is no kind '$kind'" >&2; exit 1; }
package=linux-source-$source
cc=gcc-12
jobs=${JOBS:-2}
cache=${KMEND_CACHE:-}
if [ -z "$cache" ]; then
	cache=${XDG_CACHE_HOME:+$XDG_CACHE_HOME/kmend}
	[ -n "$cache" ] || if [ "$(id -u)" = 0 ]; then cache=/var/cache/kmend; else cache=$HOME/.cache/kmend; fi
fi

say() { echo "debug-kernel: $*" >&2; }

# The archive's version, or without an archive the newest one that is here.
offered_version() { apt-cache policy "$package" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9].*\)$/\1/p'; }
cached_version() {
	for deb in "$cache/debs/${package}"_*_all.deb; do
		[ -e "$deb" ] && echo "$deb"
	done | sed 's/.*_\(.*\)_all\.deb$/\1/' | sort -V | tail -1
}
version=$(offered_version)
[ -n "$version" ] || version=$(cached_version)
[ -n "$version" ] || { say "apt offers no $package, and none is in $cache/debs"; exit 1; }

layout=1 # of the directory below; counts up when what is kept changes
hash=$({ echo "$layout $cc"; grep -h CONFIG_ "$here/debug-kernel/base.config" "$here/debug-kernel/$kind.config"; } | sha256sum | cut -c 1-12)
name=$source-$kind-$version-$hash
dir=$cache/debug/$name

whole() { # the image is what was built
	[ -f "$dir/sum" ] && (cd "$dir" && sha256sum --status -c sum)
}
if whole; then
	echo "$dir"
	exit 0
fi
[ "${3:-}" != --cached ] || exit 3

mkdir -p "$cache/debug" "$cache/debs"
exec 9>"$cache/debug/.lock-$name"
flock 9
if whole; then # somebody else built it meanwhile
	echo "$dir"
	exit 0
fi
work=$(mktemp -d "$cache/debug/.work-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

sum_is_right() { # DEB: as the archive's signed lists have it; without lists there is nothing to compare with
	want=$(apt-cache show "$package=$version" 2>/dev/null | sed -n 's/^SHA256: //p' | head -1)
	[ -z "$want" ] || echo "$want  $1" | sha256sum --status -c -
}

deb=$cache/debs/${package}_${version}_all.deb
if ! { [ -f "$deb" ] && sum_is_right "$deb"; }; then
	say "fetching $package $version"
	(cd "$work" && apt-get download -q "$package=$version" >&2)
	sum_is_right "$work/${package}"_*.deb || { say "$package: SHA-256 is not the archive's"; exit 1; }
	mv "$work/${package}"_*.deb "$deb"
fi

say "unpacking $package $version"
tree=$work/tree
mkdir "$tree"
dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$package.tar.xz" | tar -xJ -C "$tree" --strip-components=1

build() { make -s -C "$tree" CC=$cc HOSTCC=$cc LOCALVERSION= KBUILD_BUILD_USER=kmend KBUILD_BUILD_HOST=debug "$@"; }

build tinyconfig >/dev/null
cat "$here/debug-kernel/base.config" "$here/debug-kernel/$kind.config" >>"$tree/.config"
build olddefconfig >/dev/null 2>&1 # it warns about each line that comes twice: the last one counts
grep -h '^CONFIG_' "$here/debug-kernel/base.config" "$here/debug-kernel/$kind.config" | while read -r line; do
	grep -qxF "$line" "$tree/.config" || { say "$source does not take $line"; exit 1; }
done

log=$cache/debug/$name.log
say "compiling with -j$jobs, some minutes; $log"
begin=$(date +%s)
if ! build "-j$jobs" bzImage modules >"$log" 2>&1 9>&-; then
	tail -n 30 "$log" >&2
	exit 1
fi
say "compiled in $(($(date +%s) - begin)) s"

# What modules need to be built: headers, scripts, objtool. The rest is a gigabyte.
mkdir -p "$work/modules/kernel"
cp "$tree/arch/x86/boot/bzImage" "$work/vmlinuz"
cp "$tree/vmlinux" "$work/vmlinux"
cp "$tree/modules.builtin" "$tree/modules.order" "$work/modules/"
(
	cd "$tree"
	mkdir -p ../kept/arch ../kept/tools/objtool
	mv Makefile Kbuild Kconfig .config Module.symvers System.map include scripts ../kept/
	mv arch/x86 ../kept/arch/
	mv tools/objtool/objtool ../kept/tools/objtool/
	find ../kept/arch -type f \( -name '*.o' -o -name '*.a' -o -name '*.c' -o -name '*.cmd' -o -name 'vmlinux*' -o -name bzImage \) -delete
)
rm -rf "$tree"
mv "$work/kept" "$tree"
(cd "$work" && sha256sum vmlinuz vmlinux tree/.config tree/Module.symvers >sum)
rm -rf "$dir"
chmod 755 "$work"
mv "$work" "$dir"
echo "$dir"
