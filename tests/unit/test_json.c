/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects key by key: what is taken, and the words with which the rest is refused. */
#include <kmend/json.h>

#include "check.h"

static bool lower(const char *s)
{
	while (*s >= 'a' && *s <= 'z')
		s++;
	return !*s;
}

struct all {
	int64_t n, maybe;
	const char *text;
	bool flag;
	char last[4];
	size_t n_list;
};

/* {"n": 0 to 9, "text": lower case, "maybe": 1 or 2, "flag": true or false, "list": [{"x": 3 letters at most}, …]} */
static void read_all(struct km_fields *f, struct all *ret)
{
	json_t *list;

	ret->n = km_fields_int(f, "n", 0, 9);
	ret->text = km_fields_text(f, "text", lower);
	ret->maybe = km_fields_maybe_int(f, "maybe", 1, 2, 7);
	ret->flag = km_fields_bool(f, "flag");
	list = km_fields_array(f, "list", 0, 2, &ret->n_list);
	for (size_t i = 0; i < ret->n_list; i++) {
		struct km_fields in = km_fields_at(f, "list", list, i);

		km_fields_copy(&in, "x", lower, sizeof(ret->last), ret->last);
		km_fields_done(&in);
	}
	km_fields_done(f);
}

static km_error *read_text(const char *text, bool lenient, struct all *ret)
{
	km_arena *arena = km_arena_create();
	struct km_json json = {.arena = arena, .lenient = lenient};
	struct km_fields f = km_fields_begin(&json, text, strlen(text));
	km_error *err;

	read_all(&f, ret);
	assert_int_equal(km_fields_failed(&f), json.error != NULL);
	err = km_json_end(&json);
	km_arena_destroy(arena);
	return err;
}

#define ALL(n, text, rest) "{\"n\":" n ",\"text\":" text ",\"flag\":true" rest "}"

static void what_is_taken(void **state)
{
	struct all all;

	(void)state;
	check_ok(read_text(ALL("9", "\"abc\"", ",\"list\":[{\"x\":\"a\"},{\"x\":\"xyz\"}]"), false, &all));
	assert_int_equal(all.n, 9);
	assert_int_equal(all.maybe, 7);
	assert_true(all.flag);
	assert_string_equal(all.last, "xyz");
	check_ok(read_text(ALL("0", "\"\"", ",\"list\":[],\"maybe\":2"), false, &all));
	assert_int_equal(all.maybe, 2);
	/* A lenient reader looks as closely at what it knows. */
	check_ok(read_text(ALL("0", "\"\"", ",\"list\":[{\"x\":\"\",\"y\":1}],\"z\":null"), true, &all));
	check_error(read_text(ALL("10", "\"\"", ",\"list\":[],\"z\":null"), true, &all), KM_INPUT, "\"n\"");
}

static void what_is_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"", "line 1"},
		{"[]", "no JSON object"},
		{"{} {}", "line 1"},
		{"{\"n\":1,\"n\":1}", "duplicate"},
		{"{\"n\":\"\xff\"}", "line 1"},
		{"{}", "there is no \"n\""},
		{ALL("-1", "\"\"", ""), "\"n\" is no integer from 0 to 9"},
		{ALL("1.0", "\"\"", ""), "\"n\" is no integer"},
		{ALL("1e0", "\"\"", ""), "\"n\" is no integer"},
		{ALL("99999999999999999999", "\"\"", ""), "line 1"},
		{ALL("1", "\"A\"", ""), "\"text\" has no allowed value"},
		{ALL("1", "7", ""), "\"text\" has no allowed value"},
		{ALL("1", "\"a\\u0000\"", ""), "NUL"},
		{ALL("1", "\"\"", ",\"maybe\":3"), "\"maybe\""},
		{ALL("1", "\"\"", ",\"maybe\":null"), "\"maybe\""},
		{ALL("1", "\"\"", ""), "there is no \"list\""},
		{ALL("1", "\"\"", ",\"list\":{}"), "no array of 0 to 2"},
		{ALL("1", "\"\"", ",\"list\":[{},{},{}]"), "no array of 0 to 2"},
		{ALL("1", "\"\"", ",\"list\":[7]"), "list[0]: this is no object"},
		{ALL("1", "\"\"", ",\"list\":[{\"x\":\"\"},{\"x\":\"abcd\"}]"), "list[1]: \"x\" has more than 3 bytes"},
		{ALL("1", "\"\"", ",\"list\":[{\"x\":\"\",\"y\":1}]"), "list[0]: there are keys"},
		{ALL("1", "\"\"", ",\"list\":[],\"more\":1"), "there are keys"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct all all;

		check_error(read_text(cases[i].text, false, &all), KM_INPUT, cases[i].message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken),
		cmocka_unit_test(what_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
