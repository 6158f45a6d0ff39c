# SPDX-License-Identifier: GPL-2.0-or-later
# What the core-*.sh share, inside a guest: /modules has kmend.ko, all modules of core-modules and of the examples, and the program insert.
# Sources lib.sh.
. "$(dirname "$0")/lib.sh"
K=/sys/kernel/kmend

wait_for() { # COMMAND...: for ten seconds
	i=0
	until eval "$@"; do
		i=$((i + 1))
		[ $i -gt 200 ] && return 1
		sleep 0.05
	done
}

is() { # DESCRIPTION COMMAND...: the command says true within a while
	what=$1
	shift
	wait_for "$@" >/dev/null 2>&1
	status=$?
	[ $status = 0 ] || { echo "$*"; eval "$@"; dmesg | grep kmend: | tail -n 12; } >$out 2>&1
	check $status "$what"
}

says() { # FILE TEXT
	[ "$(cat "$1" 2>&1)" = "$2" ]
}

gone() { # PATCH: from the stack, and its module can be removed
	[ ! -e $K/$1 ] && says /sys/module/$1/refcnt 0
}

in_force() { # PATCH
	says $K/$1/state enabled && says $K/$1/transition 0
}

mark() {
	echo "mark $((marks = ${marks:-0} + 1))" >/dev/kmsg
}

since_mark() { # what kmend and the test modules have said since, without time stamps
	dmesg | sed -n "/mark $marks\$/,\$p" | sed -n 's/^\[[^]]*\] *//; /^kmend:\|kmt:/p'
}

log_is() { # DESCRIPTION: since the mark, exactly standard input
	cat >/tmp/wanted
	since_mark >/tmp/said
	diff -u /tmp/wanted /tmp/said >$out 2>&1
	status=$?
	check $status "$1"
}

insert() { # MODULE [PARAMETER]...: the status is the errno
	m=$1
	shift
	/modules/insert /modules/$m.ko "$@"
}

remove() { # PATCH...: that are leaving
	for p; do
		wait_for gone $p && rmmod $p
	done
}

enable() { # PATCH [PARAMETER]...
	p=$1
	shift
	insert $p "$@" && wait_for in_force $p
}

disable() { # PATCH
	echo 0 >$K/$1/enabled && wait_for gone $1
}

take_out() { # PATCH...
	for p; do
		echo 0 >$K/$p/enabled && remove $p
	done
}

value() { # TEXT: what the functions of kmt_target return
	[ "$(cat /proc/kmt_value)" = "$1" ]
}

# Everything that a refused patch could have left behind.
snapshot() {
	find $K | sort
	awk '/^[^ \t]/ { print $1 }' /sys/kernel/debug/tracing/enabled_functions
	lsmod | awk '{ print $1, $3 }' | sort
	cat /proc/version /proc/kmt_value 2>&1
}

insert kmend || { echo 'Bail out! kmend.ko cannot be loaded'; exit 99; }
echo 'module kmend +p' >/sys/kernel/debug/dynamic_debug/control
