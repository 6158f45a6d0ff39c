/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 'h', 'i', 0, 'x'};

static void test_integers(void **state)
{
	km_cursor c = km_cursor_of(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(km_get8(&c), 1);
	assert_int_equal(km_get16(&c), 0x0302);
	assert_int_equal(km_get32(&c), 0x07060504);
	km_seek(&c, 0);
	assert_true(km_get64(&c) == 0x0807060504030201);
	assert_int_equal(km_left(&c), 5);
	assert_false(c.failed);
}

static void test_strings(void **state)
{
	km_cursor c = km_cursor_of(bytes, sizeof(bytes));

	(void)state;
	km_seek(&c, 9);
	assert_string_equal(km_getstr(&c), "hi");
	assert_int_equal(c.pos, 12);
	assert_null(km_getstr(&c)); /* no NUL inside the bounds */
	assert_true(c.failed);
}

static void test_failure_stays(void **state)
{
	km_cursor c = km_cursor_of(bytes, 3);

	(void)state;
	assert_int_equal(km_get32(&c), 0);
	assert_true(c.failed);
	assert_int_equal(km_get8(&c), 0);
	assert_int_equal(km_left(&c), 0);
	km_seek(&c, 0);
	assert_true(c.failed);
	assert_null(km_getstr(&c));
}

static void test_extremes(void **state)
{
	km_cursor c = km_cursor_of(bytes, sizeof(bytes)), empty = km_cursor_of(NULL, 0);

	(void)state;
	km_seek(&c, sizeof(bytes));
	assert_false(c.failed);
	km_seek(&c, sizeof(bytes) + 1);
	assert_true(c.failed);
	c = km_cursor_of(bytes, sizeof(bytes));
	km_get8(&c);
	assert_null(km_get(&c, SIZE_MAX));
	assert_true(c.failed);
	assert_null(km_getstr(&empty));
	assert_true(empty.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_failure_stays),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
