/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * toy_guest.h - an emulator that is a shell script, for the tests of a lab's run. Descriptor 4 is the guest's log, 5 its
 * results, as lab_qemu_start() arranges them. A script has rec() for a record, say() for a line of the log, ok() for a step
 * that ends (with the status in $2, after printing $3) and $none, the number of no step.
 */
#ifndef KMEND_TESTS_TOY_GUEST_H
#define KMEND_TESTS_TOY_GUEST_H

#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static char *toy_dir, *toy_old_path;

static inline void toy_program(const char *name, const char *text)
{
	char *path = km_path(toy_dir, name);

	check_ok(km_file_write(path, text, strlen(text)));
	assert_int_equal(chmod(path, 0755), 0);
	free(path);
}

static const char toy_prelude[] = "#!/bin/sh\n"
			      "[ \"$1\" != --version ] || { echo toy emulator version 9.0; exit; }\n"
			      "rec() { printf '\\n@km %s %s %d\\n%s\\n' \"$1\" \"$2\" ${#3} \"$3\" >&5; }\n"
			      "say() { printf '%s\\n' \"$1\" >&4; }\n"
			      "ok() { rec begin $1 ''; [ -z \"$3\" ] || rec out $1 \"$3\"; rec end $1 \"status=${2:-0} ms=10\"; }\n"
			      "none=999999999\n";

static inline void toy_guest(const char *script)
{
	char *text = km_printf("%s%s", toy_prelude, script);

	toy_program("qemu-system-x86_64", text);
	free(text);
}

/* For cmocka: a directory, first in PATH, with the programs that a lab wants to carry. */
static inline int toy_begin(void **state)
{
	char *path;

	(void)state;
	toy_dir = check_dir();
	toy_old_path = km_strdup(getenv("PATH"));
	path = km_printf("%s:%s", toy_dir, toy_old_path);
	setenv("PATH", path, 1);
	setenv("KMEND_LIBEXECDIR", toy_dir, 1);
	toy_program("kmend-lab-init", "#!/bin/sh\n");
	toy_program("kmend-workload", "#!/bin/sh\n");
	free(path);
	return 0;
}

static inline int toy_end(void **state)
{
	(void)state;
	setenv("PATH", toy_old_path, 1);
	unsetenv("KMEND_LIBEXECDIR");
	free(toy_old_path);
	check_dir_end(toy_dir);
	return 0;
}

static inline bool toy_has_busybox(void)
{
	return !access("/bin/busybox", X_OK) || !access("/usr/bin/busybox", X_OK);
}

#endif
