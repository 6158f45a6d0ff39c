#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# kmend.ko in real guests that panic on a warning: each core-*.sh with a kmend.ko that can fail on demand, the modules of core-modules and
# the examples. TAP; runs on the host. Words: only those scripts, of: stack modules bad blocked fail tracers.
. "$(dirname "$0")/prepared.sh"
root=$here/../..
g=$work/guest

quietly() {
	"$@" >"$work/make.log" 2>&1 || { tail -n 20 "$work/make.log" | sed 's/^/# /'; echo "Bail out! $*"; exit 99; }
}

build() { # DIRECTORY [VARIABLE=VALUE]
	quietly make -C "$dir/tree" M="$1" CC="$compiler" ${2:+"$2"} modules
	cp "$1"/*.ko "$g/"
}

# The sources as they are, without what was built among them.
mkdir -p "$g" "$work/examples"
for d in kmod include; do
	cp -r "$root/$d" "$work/$d"
done
cp -r "$root/examples/core" "$work/examples/core"
cp -r "$here/core-modules" "$work/core-modules"
find "$work" \( -name '*.o' -o -name '*.ko' -o -name '.*.cmd' \) -delete

build "$work/kmod" KMEND_TEST=1
build "$work/core-modules" KMOD="$work/kmod"
for example in version dummy-frames panic-timeout; do
	build "$work/examples/core/$example"
done
# The next version of the last one, under another name.
next=$work/examples/core/panic-timeout2
mkdir "$next"
cp "$root/examples/core/panic-timeout/kmend_panic_timeout.c" "$next/kmend_panic_timeout2.c"
sed 's/kmend_panic_timeout/&2/' "$root/examples/core/panic-timeout/Kbuild" >"$next/Kbuild"
build "$next" STATE_VERSION=2
for program in insert nobody events fentry; do
	quietly cc -O2 -static -o "$g/$program" "$here/core-modules/$program.c"
done
dummy=$(find "$dir/image" -name 'dummy.ko*' | head -n 1)
case $dummy in
*.xz) xz -dc "$dummy" >"$g/dummy.ko" ;;
*) cp "$dummy" "$g/dummy.ko" ;;
esac

in_guest() { # SCRIPT: its own results, one line each
	run "$KMEND_LAB" run --kernel "$release" --one-thread --panic-on-warn --allow-log 'livepatch: failed' \
		--carry "$g:/modules" --carry "$here/lib.sh:/kmend/script/lib.sh" \
		--carry "$here/core-lib.sh:/kmend/script/core-lib.sh" --timeout 600 "$here/$1"
	while read -r line; do
		case $line in
		'ok '*) tests=$((tests + 1)) && echo "ok $tests - $1: ${line#* - }" ;;
		'not ok '*) tests=$((tests + 1)) failed=$((failed + 1)) && echo "not ok $tests - $1: ${line#* - }" ;;
		'#'*) echo "$line" ;;
		esac
	done <"$work/out"
	expect 0 "$1: it ends well" out '1..'
}

for script in ${*:-stack modules bad blocked fail tracers}; do
	in_guest "core-$script.sh"
done
finish
