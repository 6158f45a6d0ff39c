/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the unit tests share: cmocka with the headers it wants, and checks on errors. */
#ifndef KMEND_TESTS_CHECK_H
#define KMEND_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <kmend/base.h>

/* Fails with the error's own message when there is one. */
static inline void check_ok(km_error *err)
{
	if (err)
		fail_msg("unexpected error: %s", err->message);
}

/* Fails unless err has this code and its message contains fragment; frees it. */
static inline void check_error(km_error *err, enum km_code code, const char *fragment)
{
	if (!err)
		fail_msg("no error; expected: %s", fragment);
	if (err->code != code || !strstr(err->message, fragment))
		fail_msg("expected code %d and \"%s\", got code %d and \"%s\"", code, fragment, err->code, err->message);
	km_error_free(err);
}

/* A fresh directory; the caller frees the path and removes the tree. */
static inline char *check_dir(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = km_path(base ? base : "/tmp", "kmend-test-XXXXXX");

	assert_non_null(mkdtemp(dir));
	return dir;
}

static inline void check_dir_end(char *dir)
{
	check_ok(km_remove_tree(dir));
	free(dir);
}

#endif
