/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

enum { MANY = 5000 };

static void test_map_order_and_replace(void **state)
{
	km_map *map = km_map_create();
	int values[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++) {
		char key[32];

		snprintf(key, sizeof(key), "key%d", i * 7919 % MANY);
		km_map_put(map, key, &values[i]);
	}
	assert_int_equal(km_map_count(map), MANY);
	for (int i = 0; i < MANY; i++) {
		char key[32];
		void *value;

		snprintf(key, sizeof(key), "key%d", i * 7919 % MANY);
		assert_string_equal(km_map_at(map, (size_t)i, &value), key);
		assert_ptr_equal(value, &values[i]);
		assert_ptr_equal(km_map_get(map, key), &values[i]);
	}
	km_map_put(map, "key0", map);
	assert_int_equal(km_map_count(map), MANY);
	assert_ptr_equal(km_map_get(map, "key0"), map);
	km_map_destroy(map);
}

static void test_map_absent_and_null(void **state)
{
	km_map *map = km_map_create();

	(void)state;
	assert_false(km_map_has(map, ""));
	assert_null(km_map_get(map, "a"));
	km_map_put(map, "a", NULL);
	assert_true(km_map_has(map, "a"));
	assert_null(km_map_get(map, "a"));
	km_map_destroy(map);
	km_map_destroy(NULL);
}

static void test_arena(void **state)
{
	km_arena *arena = km_arena_create();
	char *strings[MANY];
	uint8_t *large = NULL;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		strings[i] = km_arena_printf(arena, "%d", i);
		uint64_t *n = km_arena_new(arena, uint64_t);

		assert_int_equal((uintptr_t)n % _Alignof(max_align_t), 0);
		assert_int_equal(*n, 0);
		*n = UINT64_MAX;
		if (i == 100)
			large = km_arena_alloc(arena, 1 << 20);
	}
	for (int i = 0; i < 1 << 20; i++)
		assert_int_equal(large[i], 0);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(atoi(strings[i]), i);
	assert_string_equal(km_arena_strndup(arena, "abcdef", 3), "abc");
	assert_string_equal(km_arena_strndup(arena, "ab", 3), "ab");
	assert_memory_equal(km_arena_copy(arena, "xyz", 3), "xyz", 3);
	km_arena_destroy(arena);
	km_arena_destroy(NULL);
}

static void test_strv(void **state)
{
	km_strv v = {0};

	(void)state;
	for (int i = 9; i >= 0; i--)
		km_strv_printf(&v, "%d", i);
	km_strv_push(&v, "10");
	assert_null(km_strv_argv(&v)[11]);
	assert_int_equal(v.n, 11);
	km_strv_sort(&v);
	assert_string_equal(v.at[2], "10");
	assert_true(km_strv_has(&v, "7"));
	assert_false(km_strv_has(&v, "77"));
	km_strv_free(&v);
	assert_int_equal(v.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map_order_and_replace),
		cmocka_unit_test(test_map_absent_and_null),
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_strv),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
