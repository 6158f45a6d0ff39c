#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP: manual pages, shell scripts and headers are well-formed.
cd "$(dirname "$0")/.." || exit 1
n=0

result() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

for page in man/*.[1-9]; do
	mandoc -Tlint -Wwarning "$page" >&2
	result $? "$page"
	grep -q "^  '${page#man/}',$" man/meson.build
	result $? "$page is in man/meson.build"
	[ "$(cat debian/*.install | grep -c "/${page#man/}$")" = 1 ]
	result $? "$page is in one Debian package: a line of debian/*.install"
done
for script in $(git ls-files '*.sh') .ci/run; do
	head -1 "$script" | grep -q bash && shell="bash" || shell="sh"
	$shell -n "$script"
	result $? "$script"
done
for script in $(git ls-files '*.py'); do
	python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$script"
	result $? "$script"
done
for header in include/kmend/*.h include/uapi/*.h; do
	[ -e "$header" ] || continue
	gcc -std=gnu17 -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c "$header"
	result $? "$header stands alone"
done
for package in $(sed -n '/^# -- to build it/,/^# -- to build patches/p' scripts/packages.txt | grep -e '-dev$' | grep -v '^libc6-dev$'); do
	sed -n '/^Build-Depends:/,/^Standards/p' debian/control | grep -q "^ $package,*$"
	result $? "$package is in Build-Depends of debian/control"
done
version=$(sed -n "s/^  version: '\(.*\)',$/\1/p" meson.build)
grep -q "^MODULE_VERSION(\"$version\");$" kmod/main.c && grep -q "^## $version" CHANGELOG.md
result $? "kmend.ko and CHANGELOG.md have the version of the project"
echo "1..$n"
