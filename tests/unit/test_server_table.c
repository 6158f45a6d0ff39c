/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hosts in memory. */
#include "check.h"
#include "table.h"

enum { NOW = 1800000000 };

/* The n-th of a kind of sums: all different, and many with the same begin, which is where they stand in the index. */
static const char *sum(char kind, unsigned n)
{
	static char text[16][KM_SHA256_HEX];
	static unsigned next;
	char *at = text[next++ % 16];

	snprintf(at, KM_SHA256_HEX, "%016x%c%047x", n % 7, kind, n);
	return at;
}

static struct table *with_token(void)
{
	struct table *t = table_create();

	table_token_put(t, &(struct km_store_token){.id = "0123456789abcdef",
						    .channel = "stable",
						    .secret = sum('a', 0),
						    .min_severity = KM_SEVERITY_HIGH});
	return t;
}

static struct km_store_host host(unsigned n)
{
	return (struct km_store_host){.n = n,
				      .id = sum('b', n),
				      .token = "0123456789abcdef",
				      .secret = sum('c', n),
				      .channel = "stable",
				      .tags = n % 2 ? "canary web" : "",
				      .arch = "x86_64",
				      .kernel = n % 3 ? "6.1.0" : "6.12.0",
				      .build_id = "abcd",
				      .seen = NOW,
				      .digest = n + 1};
}

static void put(struct table *t, unsigned n)
{
	struct km_store_host h = host(n);

	assert_true(table_put(t, &h));
}

static void test_find(void **state)
{
	struct table *t = with_token();
	struct table_host h, other;

	(void)state;
	for (unsigned n = 1; n <= 5000; n++)
		put(t, n);
	assert_int_equal(table_count(t), 5000);
	for (unsigned n = 1; n <= 5000; n++) {
		assert_true(table_find(t, sum('c', n), &h));
		assert_int_equal(h.n, n);
		assert_string_equal(h.id, sum('b', n));
		assert_string_equal(h.tags, n % 2 ? "canary web" : "");
	}
	assert_false(table_find(t, sum('c', 5001), &h));
	assert_false(table_find(t, "short", &h));
	assert_string_equal(h.token.channel, "stable");
	assert_int_equal(h.token.min_severity, KM_SEVERITY_HIGH);
	assert_true(table_find_id(t, sum('b', 4), &h) && table_find_id(t, sum('b', 7), &other));
	assert_ptr_equal(h.kernel, other.kernel);
	assert_true(table_find_id(t, sum('b', 6), &other));
	assert_ptr_not_equal(h.kernel, other.kernel);
	table_destroy(t);
}

/* Hosts that go leave no hole in which others are not found any more. */
static void test_remove(void **state)
{
	struct table *t = with_token();
	struct table_host h;

	(void)state;
	for (unsigned n = 1; n <= 2000; n++)
		put(t, n);
	for (unsigned n = 1; n <= 2000; n += 3)
		table_remove(t, sum('b', n));
	table_remove(t, sum('b', 9999));
	for (unsigned n = 1; n <= 2000; n++) {
		assert_int_equal(table_find(t, sum('c', n), &h), n % 3 != 1);
		assert_int_equal(table_find_id(t, sum('b', n), &h), n % 3 != 1);
	}
	put(t, 4);
	assert_true(table_find(t, sum('c', 4), &h));
	assert_int_equal(table_count(t), 2000 - 667 + 1);
	table_destroy(t);
}

/* A load of all hosts forgets those that another server has let go. */
static void test_load(void **state)
{
	struct table *t = with_token();
	struct table_host h;

	(void)state;
	for (unsigned n = 1; n <= 10; n++)
		put(t, n);
	table_load_begin(t); /* it fails: nobody is forgotten */
	put(t, 1);
	assert_int_equal(table_count(t), 10);
	table_load_begin(t);
	for (unsigned n = 1; n <= 10; n += 2)
		put(t, n);
	put(t, 11); /* comes meanwhile */
	table_load_end(t);
	assert_int_equal(table_count(t), 6);
	for (unsigned n = 1; n <= 11; n++)
		assert_int_equal(table_find(t, sum('c', n), &h), n % 2);
	table_destroy(t);
}

/* Whoever attaches hosts chooses their ids: many with one begin make nobody wait. */
static void test_chosen_ids(void **state)
{
	struct table *t = with_token();
	double begin = km_now();

	(void)state;
	for (unsigned n = 1; n <= 30000; n++)
		put(t, 7 * n);
	assert_int_equal(table_count(t), 30000);
	assert_true(km_now() - begin < 3); /* one chain of all took 450 million steps */
	table_destroy(t);
}

static void test_new_secret(void **state)
{
	struct table *t = with_token();
	struct km_store_host again = host(1);
	struct table_host h;

	(void)state;
	put(t, 1);
	again.secret = sum('d', 1);
	again.seen = NOW - 10;
	assert_true(table_put(t, &again));
	assert_false(table_find(t, sum('c', 1), &h));
	assert_true(table_find(t, sum('d', 1), &h));
	assert_int_equal(h.seen, NOW);
	assert_int_equal(table_count(t), 1);
	again.token = "fedcba9876543210";
	assert_false(table_put(t, &again));
	table_destroy(t);
}

static void test_tokens(void **state)
{
	struct table *t = with_token();
	struct table_token token;
	struct table_host h;

	(void)state;
	put(t, 1);
	assert_true(table_token_find(t, sum('a', 0), &token));
	assert_false(table_token_find(t, sum('a', 1), &token));
	table_token_put(t,
			&(struct km_store_token){
				.id = "0123456789abcdef", .channel = "stable", .secret = sum('a', 0), .revoked = NOW});
	assert_true(table_token_find(t, sum('a', 0), &token) && token.revoked == NOW);
	assert_true(table_find(t, sum('c', 1), &h) && h.token.revoked == NOW);
	table_destroy(t);
}

static void test_seen(void **state)
{
	struct table *t = with_token();
	struct km_store_seen rows[4];
	size_t slots[4];
	struct table_host h;

	(void)state;
	for (unsigned n = 1; n <= 6; n++)
		put(t, n);
	assert_int_equal(table_take_seen(t, rows, slots, 4), 0);
	for (unsigned n = 1; n <= 6; n++) {
		assert_true(table_find(t, sum('c', n), &h));
		table_contact(t, h.slot, NOW + n);
		table_contact(t, h.slot, NOW - 5);
	}
	assert_int_equal(table_take_seen(t, rows, slots, 4), 4);
	assert_int_equal(rows[0].host, 1);
	assert_int_equal(rows[0].at, NOW + 1);
	table_seen_failed(t, rows, slots, 4);
	assert_int_equal(table_take_seen(t, rows, slots, 4), 4);
	assert_int_equal(rows[0].host, 5); /* it goes on where it was, so that nobody waits for ever */
	rows[0].gone = rows[1].other = true;
	table_seen_done(t, rows, slots, 4);
	assert_false(table_find(t, sum('c', 5), &h));
	assert_true(table_find(t, sum('c', 6), &h));
	assert_int_equal(h.digest, 0);
	assert_int_equal(table_take_seen(t, rows, slots, 4), 2);
	assert_int_equal(table_take_seen(t, rows, slots, 4), 0);
	table_destroy(t);
}

static void count(void *ctx, const struct table_host *h)
{
	*(int64_t *)ctx += h->n;
}

static void test_each(void **state)
{
	struct table *t = with_token();
	struct km_fleet_kernel kernel = {"aarch64", "6.12.1", "ef", ""};
	struct table_host h;
	int64_t sums = 0;

	(void)state;
	table_each(t, count, &sums);
	assert_int_equal(sums, 0);
	for (unsigned n = 1; n <= 1000; n++)
		put(t, n);
	table_remove(t, sum('b', 1000));
	table_each(t, count, &sums);
	assert_int_equal(sums, 999 * 1000 / 2);
	table_said(t, sum('b', 7), &kernel, 77, NOW + 7);
	table_tag(t, sum('b', 7), "db");
	assert_true(table_find_id(t, sum('b', 7), &h));
	assert_int_equal(h.digest, 77);
	assert_string_equal(h.kernel->arch, "aarch64");
	assert_string_equal(h.tags, "db");
	table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),   cmocka_unit_test(test_remove), cmocka_unit_test(test_new_secret),
		cmocka_unit_test(test_tokens), cmocka_unit_test(test_seen),   cmocka_unit_test(test_each),
		cmocka_unit_test(test_load),   cmocka_unit_test(test_chosen_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
