/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>

#include "check.h"

static void test_context(void **state)
{
	km_error *err = km_error_new(KM_INPUT, "truncated at byte %d", 12);

	(void)state;
	err = km_error_add(err, "cannot read %s", "vmlinuz");
	assert_string_equal(err->message, "cannot read vmlinuz: truncated at byte 12");
	assert_int_equal(err->code, KM_INPUT);
	assert_null(err->hint);
	km_error_free(err);
}

static void test_deepest_hint_wins(void **state)
{
	km_error *err = km_error_hint(km_error_new(KM_ENV, "x"), "install %s", "gcc");

	(void)state;
	err = km_error_hint(err, "give up");
	assert_string_equal(err->hint, "install gcc");
	km_error_free(err);
}

static void test_sys(void **state)
{
	km_error *err = km_error_sys(ENOENT, "cannot open %s", "a%sb");

	(void)state;
	assert_string_equal(err->message, "cannot open a%sb: No such file or directory");
	assert_int_equal(err->sys, ENOENT);
	assert_int_equal(err->code, KM_ENV);
	km_error_free(err);
}

static void test_exit_status(void **state)
{
	static const struct {
		enum km_code code;
		int status;
	} cases[] = {{KM_USAGE, 1}, {KM_ENV, 1}, {KM_INPUT, 1}, {KM_REFUSED, 2}, {KM_NOTHING, 3}, {KM_BUG, 1}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_error *err = km_error_new(cases[i].code, "x");

		assert_int_equal(km_error_exit(err), cases[i].status);
		km_error_free(err);
	}
	assert_int_equal(km_error_exit(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_context),
		cmocka_unit_test(test_deepest_hint_wins),
		cmocka_unit_test(test_sys),
		cmocka_unit_test(test_exit_status),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
