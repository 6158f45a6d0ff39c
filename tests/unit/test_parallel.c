/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

enum { ROUNDS = 1000 };

struct counts {
	atomic_int calls[ROUNDS], running, most;
};

static km_error *count(void *ctx, size_t i)
{
	struct counts *c = ctx;

	c->calls[i]++;
	return NULL;
}

static void test_each_once(void **state)
{
	static const unsigned jobs[] = {0, 1, 2, 7};

	(void)state;
	for (size_t k = 0; k < KM_COUNT(jobs); k++) {
		struct counts c = {0};

		check_ok(km_parallel(ROUNDS, jobs[k], count, &c));
		for (size_t i = 0; i < ROUNDS; i++)
			assert_int_equal(c.calls[i], 1);
	}
	check_ok(km_parallel(0, 4, count, NULL));
}

static km_error *overlap(void *ctx, size_t i)
{
	struct counts *c = ctx;
	int now = ++c->running, most = c->most;

	(void)i;
	while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now))
		;
	usleep(20000);
	c->running--;
	return NULL;
}

static void test_at_most_jobs(void **state)
{
	struct counts c = {0};

	(void)state;
	check_ok(km_parallel(12, 3, overlap, &c));
	assert_int_equal(c.most, 3);
	assert_int_equal(c.running, 0);
}

static km_error *fail_at_odd(void *ctx, size_t i)
{
	(void)ctx;
	/* The lower one fails later. */
	if (i == 3)
		usleep(30000);
	return i % 2 && i >= 3 ? km_error_new(KM_INPUT, "unit %zu", i) : NULL;
}

static void test_lowest_error(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++)
		check_error(km_parallel(100, 4, fail_at_odd, NULL), KM_INPUT, "unit 3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
		cmocka_unit_test(test_at_most_jobs),
		cmocka_unit_test(test_lowest_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
