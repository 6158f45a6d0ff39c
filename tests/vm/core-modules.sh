#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# In a guest: functions of modules that are there, come later, fail, leave and come back.
. "$(dirname "$0")/core-lib.sh"
old='one=1 twins=21,22 hidden=5'
new='one=101 twins=21,201 hidden=1005'

# ---- it is there ----
insert kmt_target
mark
enable kmt_a what=oth quiet=0
is 'functions of a module are replaced: by name, by position, with a late relocation' value '"$new"'
is 'the module counts as patched' says $K/kmt_a/kmt_target/patched 1
is 'its calls go straight' says $K/kmt_a/kmt_target/kmt_twin,2/redirect direct
log_is 'callbacks of both objects, in order' <<'L'
kmend: enabling patch 'kmt_a'
kmend: 'kmt_a': initializing patching transition
kmt: kmt_a pre_patch vmlinux before 0
kmt: kmt_a pre_patch kmt_target before 0
kmend: 'kmt_a': starting patching transition
kmend: 'kmt_a': completing patching transition
kmt: kmt_a post_patch vmlinux before 0
kmt: kmt_a post_patch kmt_target before 0
kmend: 'kmt_a': patching complete
L

# ---- it goes and comes ----
mark
run rmmod kmt_target
expect 0 'a patched module can be removed'
log_is 'the patch is taken off it' <<'L'
kmt: kmt_a pre_unpatch kmt_target
kmend: reverting patch 'kmt_a' on unloading module 'kmt_target'
kmt: kmt_a post_unpatch kmt_target
L
is 'the patch stays' in_force kmt_a
is 'it counts as not patched' says $K/kmt_a/kmt_target/patched 0
is 'nothing redirects there' says $K/kmt_a/kmt_target/kmt_one,1/redirect none
mark
run insert kmt_target
expect 0 'it comes back'
is 'and is patched at once' value '"$new"'
log_is 'before its init' <<'L'
kmend: applying patch 'kmt_a' to loading module 'kmt_target'
kmt: kmt_a pre_patch kmt_target before 0
kmt: kmt_a post_patch kmt_target before 0
L
is 'its calls go straight' says $K/kmt_a/kmt_target/kmt_one,1/redirect direct
n=0
while [ $n -lt 20 ]; do
	n=$((n + 1))
	rmmod kmt_target && insert kmt_target && value "$new" || break
done
is 'twenty times over' '[ $n = 20 ]'

# ---- its init fails ----
rmmod kmt_target
mark
run insert kmt_target init_ret=-19
expect 19 'a module whose init fails does not get in' 'No such device'
log_is 'the patch is taken off again' <<'L'
kmend: applying patch 'kmt_a' to loading module 'kmt_target'
kmt: kmt_a pre_patch kmt_target before 0
kmt: kmt_a post_patch kmt_target before 0
kmt: kmt_a pre_unpatch kmt_target
kmend: reverting patch 'kmt_a' on unloading module 'kmt_target'
kmt: kmt_a post_unpatch kmt_target
L
run insert kmt_target
expect 0 'the next time it gets in'
is 'patched' value '"$new"'

# ---- two patches on it ----
enable kmt_b what=o
is 'the newer patch is on top' value "'one=102 twins=21,201 hidden=1005'"
rmmod kmt_target
insert kmt_target
is 'also when the module comes again' value "'one=102 twins=21,201 hidden=1005'"
take_out kmt_b
is 'without it the older one is back' value '"$new"'
rmmod kmt_target

# ---- a patch says no ----
enable kmt_b what=t
echo -19 >/sys/module/kmt_b/parameters/late_pre_patch_ret
mark
run insert kmt_target
expect 19 'an error of pre_patch keeps the module out' 'No such device'
log_is 'all patches that were on it are taken off' <<'L'
kmend: applying patch 'kmt_a' to loading module 'kmt_target'
kmt: kmt_a pre_patch kmt_target before 0
kmt: kmt_a post_patch kmt_target before 0
kmend: applying patch 'kmt_b' to loading module 'kmt_target'
kmend: pre-patch callback failed for object 'kmt_target'
kmend: patch 'kmt_b' failed for module 'kmt_target', refusing to load module 'kmt_target'
kmt: kmt_a pre_unpatch kmt_target
kmend: reverting patch 'kmt_a' on unloading module 'kmt_target'
kmt: kmt_a post_unpatch kmt_target
L
is 'the patches stay' 'in_force kmt_a && in_force kmt_b'
echo 0 >/sys/module/kmt_b/parameters/late_pre_patch_ret
run insert kmt_target
expect 0 'when it says yes the module gets in'
is 'with both patches' value "'one=101 twins=21,202 hidden=1005'"
take_out kmt_b kmt_a
is 'the originals are back' value '"$old"'
rmmod kmt_target

# ---- replaced while the module is away ----
enable kmt_a what=ot
enable kmt_b what=t replace=1
is 'a patch is replaced' gone kmt_a
insert kmt_target
is 'only the new one comes to the module' value "'one=1 twins=21,202 hidden=5'"
remove kmt_a
enable kmt_a what=o replace=1
is 'with the module there' value "'one=101 twins=21,22 hidden=5'"
remove kmt_b
take_out kmt_a

# ---- a module goes before the patch that leaves has settled ----
enable kmt_b what=vl
for n in 1 2 3; do
	enable kmt_a what=o replace=1 && remove kmt_b && insert kmt_b what=vl replace=1 && rmmod kmt_target && insert kmt_target && remove kmt_a
done
is 'a module goes with the leaving patch' value "'one=1 twins=21,22 hidden=5'"
take_out kmt_b

# ---- the example: a driver, a counter for each device ----
mark
enable kmend_dummy_frames
insert dummy numdummies=1
ip addr add 10.9.9.1/24 dev dummy0
ip link set dummy0 up
ping -c 3 -W 1 -i 0.2 10.9.9.2 >/dev/null 2>&1
is 'the first frame is told' 'dmesg | grep -q "dummy0: the first frame is dropped"'
take_out kmend_dummy_frames
is 'and all when the patch goes' 'dmesg | grep -q "dummy0: [1-9][0-9]* frames were dropped"'
enable kmend_dummy_frames
ping -c 1 -W 1 10.9.9.2 >/dev/null 2>&1
rmmod dummy
is 'or when the device goes' '[ $(dmesg | grep -c "frames were dropped") = 2 ]'
take_out kmend_dummy_frames
rmmod kmt_target
run rmmod kmend
expect 0 'kmend goes'
finish
