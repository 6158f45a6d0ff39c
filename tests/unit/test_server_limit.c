/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sodium.h>

#include "check.h"
#include "limit.h"

static void test_bucket(void **state)
{
	struct limit *l = limit_create(2, 4);

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(limit_take(l, "a", 100), 0);
	assert_int_equal(limit_take(l, "a", 100), 1);
	assert_false(limit_has(l, "a", 100.4));
	assert_int_equal(limit_take(l, "b", 100), 0);
	assert_true(limit_has(l, "a", 100.5));
	assert_int_equal(limit_take(l, "a", 100.5), 0);
	assert_int_equal(limit_take(l, "a", 100.5), 1);
	for (int i = 0; i < 4; i++)
		assert_int_equal(limit_take(l, "a", 1000), 0); /* no more than the burst has gathered */
	assert_int_equal(limit_take(l, "a", 1000), 1);
	assert_int_equal(limit_take(l, "a", 999), 1); /* a clock that goes back fills nothing */
	limit_destroy(l);
}

static void test_none(void **state)
{
	struct limit *l = limit_create(0, 0);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_int_equal(limit_take(l, "a", 1), 0);
	assert_true(limit_has(l, "a", 1));
	limit_destroy(l);
}

static void test_slow(void **state)
{
	struct limit *l = limit_create(1.0 / 60, 1);

	(void)state;
	assert_int_equal(limit_take(l, "a", 5), 0);
	assert_int_equal(limit_take(l, "a", 5), 61);
	assert_in_range(limit_take(l, "a", 35), 30, 31);
	assert_int_equal(limit_take(l, "a", 66), 0);
	limit_destroy(l);
}

/* A flood of keys does not let the busy one go free. */
static void test_flood(void **state)
{
	struct limit *l = limit_create(0.001, 3);
	unsigned free_rides = 0;
	double now = 1;

	(void)state;
	for (int i = 0; i < 3; i++)
		limit_take(l, "busy", now);
	for (unsigned i = 0; i < 200000; i++) {
		char key[32];

		now += 0.0001;
		snprintf(key, sizeof(key), "key %u", i);
		limit_take(l, key, now);
		if (i % 100 == 0)
			free_rides += !limit_take(l, "busy", now);
	}
	assert_int_equal(free_rides, 0);
	limit_destroy(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_flood),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
