# SPDX-License-Identifier: GPL-2.0-or-later
# In front of every script that a host of the end-to-end tests runs: what a distribution's init would have set up, and
# words for the tests. Plain sh; busybox is enough.
set -u
export KMEND_LIBEXECDIR=/usr/libexec/kmend

# The disk is /var; /etc/kmend lives on it, too.
mkdir -p /var/lib /var/etc/kmend /etc/kmend /run/lock
mount -o bind /var/etc/kmend /etc/kmend

show() { # LABEL COMMAND...: its output and status go to the tests by that label
	label=$1
	shift
	echo "@begin $label"
	"$@" 2>&1 </dev/null
	printf '\n@end %s %s\n' "$label" $? # on a line of its own, whatever came before
}

mark() { # NAME: the tests do something now
	echo "@mark $1"
}

await() { # SECONDS COMMAND...: until it succeeds; its status at the end
	seconds=$1
	shift
	end=$(($(cut -d. -f1 </proc/uptime) + seconds))
	while ! "$@" >/dev/null 2>&1 </dev/null; do
		[ "$(cut -d. -f1 </proc/uptime)" -lt "$end" ] || return 1
		sleep 0.3
	done
}
