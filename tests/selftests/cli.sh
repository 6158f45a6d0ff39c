# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Appended to the kernel's functions.sh: live patches go in and out by kmend, all other modules and all that is looked at stay as they were.
# The lines that the scripts log for themselves stay too, so that what is expected of the kernel's log need not change.

# kmend_load EINVAL FILE [NAME=VALUE]...: prints nothing, or what modprobe and insmod print for the errno; for EINVAL they differ.
kmend_load() {
	local out number einval=$1
	shift
	# shellcheck disable=SC2086
	out=$(kmend load --json $lp_wait "$@" 2>/dev/null) && return
	number=$(sed -n 's/.*"errno": \([0-9]*\).*/\1/p' <<<"$out")
	case $number in
	16) echo "Device or resource busy" ;;
	19) echo "No such device" ;;
	22) echo "$einval" ;;
	*) echo "$out" ;;
	esac
	return 1
}

lp_wait=--no-wait

modprobe() { # as 6.1 uses it: [--dry-run] NAME [NAME=VALUE]...
	if [[ $1 == --* ]] || ! is_livepatch_mod "$1"; then
		command modprobe "$@"
		return
	fi
	local name=$1 why
	shift
	why=$(kmend_load "Invalid argument" "$(modinfo -n "$name")" "$@") || { echo "modprobe: ERROR: could not insert '$name': $why"; return 1; }
}

insmod() { # as 6.12 uses it: test_modules/NAME.ko [NAME=VALUE]...
	if ! is_livepatch_mod "$(basename "$1" .ko)"; then
		command insmod "$@"
		return
	fi
	local why
	why=$(kmend_load "Invalid parameters" "$@") || { echo "insmod: ERROR: could not insert module $1: $why"; return 1; }
}

eval "kernels_$(declare -f load_lp)"
load_lp() { # waits in kmend, then looks as before
	local lp_wait=
	kernels_load_lp "$@"
}

disable_lp() { # off and out of memory: one verb
	local mod="$1"

	log "% echo 0 > $KLP_SYSFS_DIR/$mod/enabled"
	kmend unload "$mod" >/dev/null || die "kmend unload $mod failed"
	[[ ! -e "$KLP_SYSFS_DIR/$mod" ]] || die "failed to disable livepatch $mod"
}

unload_lp() { # gone already, or left by a patch that replaced it
	local mod="$1"

	log "% rmmod $mod"
	[[ ! -e "/sys/module/$mod" ]] || kmend unload "$mod" >/dev/null || die "kmend unload $mod failed"
	[[ ! -e "/sys/module/$mod" ]] || die "failed to unload module $mod (/sys/module)"
}
