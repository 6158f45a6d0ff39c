/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The journal of the crash guard: its file, what a boot makes of it, and health. */
#include <kmend/agent.h>

#include "check.h"

#define R1 "1111111111111111111111111111111111111111111111111111111111111111"
#define R2 "2222222222222222222222222222222222222222222222222222222222222222"
#define BOOT_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BOOT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define BOOT_C "cccccccccccccccccccccccccccccccc"

static struct km_journal_entry *add(struct km_journal *j, const char *release, const char *name, enum km_journal_step step,
				    const char *boot)
{
	struct km_journal_entry *e = km_journal_make(j, release);

	strcpy(e->name, name);
	strcpy(e->version, "1");
	strcpy(e->payload, R2);
	strcpy(e->boot, boot);
	e->step = step;
	return e;
}

static void test_there_and_back(void **state)
{
	struct km_journal out = {.boot = BOOT_A, .goodbye = true}, in;
	KM_AUTOFREE char *text = NULL, *again = NULL;
	struct km_journal_entry *e = add(&out, R1, "fix", KM_AT_HELD, BOOT_A);

	(void)state;
	e->why = KM_HELD_CRASHED;
	e->health = KM_HEALTH_CRASHED;
	e->ran = true;
	e->since = 1800000000;
	e->before = (struct km_trouble){1 << 9, 3, -1};
	strcpy(e->detail, "Überlauf \"x\"");
	add(&out, R2, "other", KM_AT_SETTLED, BOOT_B);
	text = km_journal_text(&out);
	check_ok(km_journal_parse(text, strlen(text), &in));
	again = km_journal_text(&in);
	assert_string_equal(text, again);
	assert_true(in.goodbye);
	assert_int_equal(in.entries.n, 2);
	assert_int_equal(km_journal_find(&in, R1)->before.warns, 3);
	assert_string_equal(km_journal_find(&in, R1)->detail, e->detail);
	km_journal_free(&in);
	km_journal_free(&out);
}

/* Whatever byte is another one, or lacking: it is damaged, and never a different journal. */
static void test_damage(void **state)
{
	struct km_journal out = {.boot = BOOT_A}, in;
	KM_AUTOFREE char *text = NULL;
	size_t n;

	(void)state;
	add(&out, R1, "fix", KM_AT_LOADED, BOOT_A);
	text = km_journal_text(&out);
	n = strlen(text);
	for (size_t i = 0; i < n; i++) {
		km_error *err;

		text[i] ^= 1;
		err = km_journal_parse(text, n, &in);
		assert_non_null(err);
		assert_int_equal(err->code, KM_INPUT);
		km_error_free(err);
		text[i] ^= 1;
		err = km_journal_parse(text, i, &in);
		assert_non_null(err);
		km_error_free(err);
	}
	km_journal_free(&out);
}

static void test_boot(void **state)
{
	static const struct {
		enum km_journal_step step, want;
		const char *boot; /* of the step */
		bool goodbye, ran;
	} cases[] = {
		{KM_AT_LOADING, KM_AT_HELD, BOOT_A, false},
		{KM_AT_LOADED, KM_AT_HELD, BOOT_A, false},
		{KM_AT_UNLOADING, KM_AT_HELD, BOOT_A, false},
		{KM_AT_SETTLED, KM_AT_SETTLED, BOOT_A, false},
		{KM_AT_FAILED, KM_AT_FAILED, BOOT_A, false},
		{KM_AT_STALLED, KM_AT_STALLED, BOOT_A, false},
		{KM_AT_STALLED, KM_AT_HELD, BOOT_A, false, true}, /* it could not be taken back */
		{KM_AT_STALLED, KM_AT_STALLED, BOOT_A, true, true},
		{KM_AT_HELD, KM_AT_HELD, BOOT_A, false},
		{KM_AT_REMOVED, KM_AT_REMOVED, BOOT_A, false},
		{KM_AT_LOADED, KM_AT_LOADED, BOOT_A, true},
		{KM_AT_LOADING, KM_AT_REMOVED, BOOT_A, true},
		{KM_AT_LOADED, KM_AT_LOADED, BOOT_C, false}, /* that boot is long over */
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_journal j = {.boot = BOOT_A, .goodbye = cases[i].goodbye};
		struct km_journal_entry *e = add(&j, R1, "fix", cases[i].step, cases[i].boot);
		bool new = cases[i].want == KM_AT_HELD && cases[i].step != KM_AT_HELD;
		size_t held;

		e->ran = cases[i].ran;
		held = km_journal_boot(&j, BOOT_B, 1000);
		if (e->step != cases[i].want || held != new)
			fail_msg("case %zu: %s became %s", i, km_journal_step_name(cases[i].step),
				 km_journal_step_name(e->step));
		assert_int_equal(e->health, new ? KM_HEALTH_CRASHED : KM_HEALTH_NONE);
		assert_int_equal(e->why, new ? KM_HELD_CRASHED : KM_HELD_NOT);
		assert_string_equal(j.boot, BOOT_B);
		assert_false(j.goodbye);
		km_journal_free(&j);
	}
}

/* Within one boot nothing has died; a goodbye that was none is taken back. */
static void test_same_boot(void **state)
{
	struct km_journal j = {.boot = BOOT_A, .goodbye = true};
	struct km_journal_entry *e = add(&j, R1, "fix", KM_AT_LOADED, BOOT_A);

	(void)state;
	assert_int_equal(km_journal_boot(&j, BOOT_A, 1000), 0);
	assert_int_equal(e->step, KM_AT_LOADED);
	assert_false(j.goodbye);
	assert_int_equal(km_journal_boot(&j, BOOT_B, 1000), 1);
	km_journal_free(&j);
}

static void test_retry(void **state)
{
	struct km_journal j = {.boot = BOOT_A};
	struct km_journal_entry *e;

	(void)state;
	add(&j, R1, "fix", KM_AT_HELD, BOOT_A)->why = KM_HELD_CRASHED;
	add(&j, R2, "other", KM_AT_FAILED, BOOT_A);
	assert_int_equal(km_journal_retry(&j, "nothing", 5), 0);
	assert_int_equal(km_journal_retry(&j, "fix", 5), 1);
	e = km_journal_find(&j, R1);
	assert_int_equal(e->step, KM_AT_REMOVED);
	assert_int_equal(e->why, KM_HELD_NOT);
	assert_int_equal(km_journal_find(&j, R2)->step, KM_AT_FAILED);
	assert_int_equal(km_journal_retry(&j, "", 5), 1);
	assert_int_equal(km_journal_retry(&j, "", 5), 0);
	km_journal_free(&j);
}

/* ---- health ----------------------------------------------------------------------------------------------------------- */

static void test_trouble(void **state)
{
	enum { D = 1 << 7, W = 1 << 9 };
	static const struct {
		struct km_trouble before, now;
		enum km_health want;
	} cases[] = {
		{{0, -1, -1}, {0, -1, -1}, KM_HEALTH_GOOD},
		{{1 << 15, 0, 0}, {1 << 15 | 1 << 13, 0, 0}, KM_HEALTH_GOOD},
		{{0, -1, -1}, {W, -1, -1}, KM_HEALTH_WARNED},
		{{W, -1, -1}, {W, -1, -1}, KM_HEALTH_GOOD}, /* cannot be seen */
		{{W, 1, 0}, {W, 2, 0}, KM_HEALTH_WARNED},   /* can be counted */
		{{0, -1, -1}, {D | W, -1, -1}, KM_HEALTH_OOPSED},
		{{D | W, 4, 1}, {D | W, 4, 2}, KM_HEALTH_OOPSED},
		{{D | W, 4, 1}, {D | W, 4, 1}, KM_HEALTH_GOOD},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		if (km_trouble_since(&cases[i].before, &cases[i].now) != cases[i].want)
			fail_msg("case %zu", i);
}

static void test_ages(void **state)
{
	static const struct {
		int64_t up;
		bool changed;
		int64_t next;
		enum km_journal_step step;
		int32_t age;
	} steps[] = {
		{100, true, 160, KM_AT_LOADED, 0},     {159, false, 160, KM_AT_LOADED, 0},
		{161, true, 400, KM_AT_LOADED, 61},    {399, false, 400, KM_AT_LOADED, 61},
		{400, true, 1000, KM_AT_LOADED, 300},  {999, false, 1000, KM_AT_LOADED, 300},
		{1000, true, INT64_MAX, KM_AT_SETTLED, 900}, {2000, false, INT64_MAX, KM_AT_SETTLED, 900},
	};
	struct km_trouble trouble = {0, -1, -1};
	struct km_journal j = {.boot = BOOT_A};
	struct km_journal_entry *e = add(&j, R1, "fix", KM_AT_LOADED, BOOT_A);
	int64_t next;

	(void)state;
	e->up = 100;
	e->before = trouble;
	for (size_t i = 0; i < KM_COUNT(steps); i++) {
		assert_int_equal(km_journal_health(&j, &trouble, steps[i].up, 50, &next), steps[i].changed);
		assert_int_equal(next, steps[i].next);
		assert_int_equal(e->step, steps[i].step);
		assert_int_equal(e->age, steps[i].age);
		assert_int_equal(e->health, KM_HEALTH_GOOD);
	}
	km_journal_free(&j);
}

/* An oops is told at once, stays told, and never settles: the next crash then counts. */
static void test_oops_never_settles(void **state)
{
	struct km_trouble good = {0, 0, 0}, bad = {1 << 7, 0, 1};
	struct km_journal j = {.boot = BOOT_A};
	struct km_journal_entry *e = add(&j, R1, "fix", KM_AT_LOADED, BOOT_A);
	int64_t next;

	(void)state;
	e->before = good;
	assert_true(km_journal_health(&j, &good, 0, 50, &next));
	assert_true(km_journal_health(&j, &bad, 70, 50, &next));
	assert_int_equal(e->health, KM_HEALTH_OOPSED);
	assert_true(km_journal_health(&j, &good, 400, 50, &next));
	assert_int_equal(e->health, KM_HEALTH_OOPSED);
	km_journal_health(&j, &good, 4000, 50, &next);
	assert_int_equal(e->step, KM_AT_LOADED);
	assert_int_equal(km_journal_boot(&j, BOOT_B, 60), 1);
	km_journal_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_damage),  cmocka_unit_test(test_boot),
		cmocka_unit_test(test_same_boot),      cmocka_unit_test(test_retry),   cmocka_unit_test(test_trouble),
		cmocka_unit_test(test_ages),	       cmocka_unit_test(test_oops_never_settles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
