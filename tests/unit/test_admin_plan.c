/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout's plan from the words of a command line. */
#include "check.h"
#include "plan.h"

enum { NOW = 1800000000 };

/* "canary|1 %|100 %"; for free(). */
static char *waves_of(const struct km_plan *plan)
{
	km_str text = {0};
	char wave[80];

	for (size_t i = 0; i < plan->n_waves; i++)
		km_str_printf(&text, "%s%s", i ? "|" : "", plan_wave(&plan->waves[i], wave));
	return text.at;
}

static void good(void **state)
{
	static const struct {
		struct plan_words words;
		const char *waves;
	} rows[] = {
		{{0}, "canary|1 %|10 %|50 %|100 %"},
		{{.policy = "careful"}, "canary|1 %|10 %|50 %|100 %"},
		{{.policy = "edge-first"}, "edge|25 %|100 %"},
		{{.policy = "all-at-once"}, "100 %"},
		{{.waves = "a,0.25%,b,100%"}, "a|0.25 %|b|100 %"},
		{{.waves = "100%"}, "100 %"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		struct km_plan plan;

		check_ok(plan_make(&rows[i].words, &plan));
		KM_AUTOFREE char *waves = waves_of(&plan);
		assert_string_equal(waves, rows[i].waves);
		assert_int_equal(plan.settle, KM_SETTLE_DEFAULT);
		assert_int_equal(plan.complete, KM_COMPLETE_DEFAULT);
		assert_memory_equal(&plan.gates, &km_gates_default, sizeof(plan.gates));
		assert_int_equal(plan.silent_after, 0);
		assert_int_equal(plan.not_before, 0);
		km_plan_free(&plan);
	}
}

static void all_words(void **state)
{
	struct plan_words words = {.waves = "100%",
				   .settle = "1h",
				   .silent_after = "90",
				   .complete = "99.5%",
				   .gates = "crashed=3,silent=0.5%",
				   .not_before = "+2h",
				   .now = NOW};
	struct km_plan plan;

	(void)state;
	check_ok(plan_make(&words, &plan));
	assert_int_equal(plan.settle, 3600);
	assert_int_equal(plan.silent_after, 90);
	assert_int_equal(plan.complete, 9950);
	assert_int_equal(plan.not_before, NOW + 7200);
	assert_int_equal(plan.gates.crashed, 3);
	assert_int_equal(plan.gates.silent, 50);
	assert_int_equal(plan.gates.failed, km_gates_default.failed);
	assert_int_equal(plan.gates.stalled, km_gates_default.stalled);
	km_plan_free(&plan);
}

static void bad(void **state)
{
	static const struct {
		struct plan_words words;
		const char *error;
	} rows[] = {
		{{.policy = "careful", .waves = "100%"}, "exclude each other"},
		{{.policy = "fast"}, "there is no policy 'fast'"},
		{{.policy = ""}, "there is no policy"},
		{{.waves = ""}, "--waves"},
		{{.waves = "canary"}, "--waves"},
		{{.waves = "50%"}, "--waves"},
		{{.waves = "50%,5%,100%"}, "--waves"},
		{{.waves = "5%,5%,100%"}, "--waves"},
		{{.waves = "101%"}, "--waves"},
		{{.waves = "Canary,100%"}, "--waves"},
		{{.waves = "100%,100%"}, "--waves"},
		{{.complete = "0%"}, "--complete is more than 0%"},
		{{.complete = "90"}, "--complete: '90' is no share"},
		{{.settle = "0"}, "--settle lasts from a second"},
		{{.settle = "31d"}, "--settle lasts from a second"},
		{{.settle = "soon"}, "--settle: 'soon'"},
		{{.silent_after = "31d"}, "--silent-after up to 30 days"},
		{{.not_before = "soon"}, "--not-before"},
		{{.gates = "crashed"}, "'crashed' is no gate"},
		{{.gates = "crashed=1%"}, "--gate crashed: '1%'"},
		{{.gates = "failed=1"}, "--gate: '1' is no share"},
		{{.gates = "fail=1%"}, "'fail=1%' is no gate"},
		{{.gates = "failed=1%,lost=2%"}, "'lost=2%' is no gate"},
		{{.gates = "=1%"}, "is no gate"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		struct km_plan plan;

		check_error(plan_make(&rows[i].words, &plan), KM_USAGE, rows[i].error);
	}
}

static void shown(void **state)
{
	static const char *const tags[] = {"canary", "edge"};
	const struct {
		struct km_wave wave;
		const char *text;
	} rows[] = {
		{{.permyriad = 10000}, "100 %"},
		{{.permyriad = 25}, "0.25 %"},
		{{.permyriad = 1005}, "10.05 %"},
		{{.tags = (const char **)tags, .n_tags = 1, .permyriad = 10000}, "canary"},
		{{.tags = (const char **)tags, .n_tags = 2, .permyriad = 10000}, "canary, …"},
		{{.tags = (const char **)tags, .n_tags = 1, .permyriad = 500}, "5 % of canary"},
	};
	char text[80];

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++)
		assert_string_equal(plan_wave(&rows[i].wave, text), rows[i].text);
}

/* Each policy in the table can be asked for, and says what it is. */
static void policies_are_plans(void **state)
{
	(void)state;
	for (const struct policy *p = policies; p->name; p++) {
		struct plan_words words = {.policy = p->name};
		struct km_plan plan;

		check_ok(plan_make(&words, &plan));
		assert_int_equal(plan.waves[plan.n_waves - 1].permyriad, KM_PERMYRIAD);
		assert_true(*p->help);
		km_plan_free(&plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),	 cmocka_unit_test(all_words),	       cmocka_unit_test(bad),
		cmocka_unit_test(shown), cmocka_unit_test(policies_are_plans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
