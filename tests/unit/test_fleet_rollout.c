/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a rollout goes on, rule by rule: what counts, what trips, what completes. A whole fleet is in test_fleet_sim.c.
 */
#include <kmend/fleet.h>

#include "check.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32

enum { NOW = 1800000000, SETTLE = 900, SILENT = 240 };

static struct km_plan three_waves(void)
{
	struct km_plan plan = {
		.release = HEX64, .settle = SETTLE, .complete = KM_COMPLETE_DEFAULT, .gates = km_gates_default};

	check_ok(km_plan_waves("1%,10%,100%", &plan));
	return plan;
}

/* ---- what a host counts for ---- */

static void what_a_host_counts_for(void **state)
{
	/* The first wave was let in an hour ago, the second 1000 s ago, the third is not. */
	static const struct {
		const char *name;
		size_t wave;
		int64_t ago; /* seconds since it was heard of */
		bool said;
		struct km_report_patch patch;
		const char *counts; /* a letter for each counter that it adds to, in the order below */
	} cases[] = {
		{"has said nothing yet", 0, 10, false, {{0}}, "mor"},
		{"of a wave that is not in", 2, 10, true, {.state = KM_PATCH_LOADED}, ""},
		{"of the last wave", 1, 10, false, {{0}}, "morW"},
		{"gone before its wave came", 1, 1001, false, {{0}}, "m"},
		{"gone as its wave came", 1, 1000, false, {{0}}, "mrS"},
		{"gone after its wave came", 0, 3000, false, {{0}}, "mrS"},
		{"just still online", 0, SILENT, false, {{0}}, "mor"},
		{"just not any more", 0, SILENT + 1, false, {{0}}, "mrS"},
		{"loading", 1, 10, true, {.state = KM_PATCH_LOADING}, "morW"},
		{"gone while loading", 1, 300, true, {.state = KM_PATCH_LOADING}, "mrS"},
		{"loaded", 1, 10, true, {.state = KM_PATCH_LOADED}, "mortlW"},
		{"good, and young",
		 1,
		 10,
		 true,
		 {.state = KM_PATCH_LOADED, .health = KM_HEALTH_GOOD, .age = 300},
		 "mortlW"},
		{"settled", 1, 10, true, {.state = KM_PATCH_LOADED, .health = KM_HEALTH_GOOD, .age = 900}, "mortlsWX"},
		{"settled, of an earlier wave",
		 0,
		 10,
		 true,
		 {.state = KM_PATCH_LOADED, .health = KM_HEALTH_GOOD, .age = 900},
		 "mortls"},
		{"settled and then gone",
		 1,
		 300,
		 true,
		 {.state = KM_PATCH_LOADED, .health = KM_HEALTH_GOOD, .age = 900},
		 "mrtl"},
		{"gone before it settled",
		 1,
		 300,
		 true,
		 {.state = KM_PATCH_LOADED, .health = KM_HEALTH_GOOD, .age = 300},
		 "mrtlS"},
		{"warned", 1, 10, true, {.state = KM_PATCH_LOADED, .health = KM_HEALTH_WARNED, .age = 900}, "mortlW"},
		{"oopsed", 1, 10, true, {.state = KM_PATCH_LOADED, .health = KM_HEALTH_OOPSED, .age = 60}, "mortlWC"},
		{"crashed", 1, 10, true, {.state = KM_PATCH_HELD, .health = KM_HEALTH_CRASHED}, "mortWC"},
		{"crashed and gone", 1, 300, true, {.state = KM_PATCH_HELD, .health = KM_HEALTH_CRASHED}, "mrtC"},
		{"failed", 1, 10, true, {.state = KM_PATCH_FAILED}, "mortWF"},
		{"failed and gone", 1, 300, true, {.state = KM_PATCH_FAILED}, "mrtF"},
		{"stalled", 1, 10, true, {.state = KM_PATCH_STALLED}, "mortWT"},
		{"taken back", 1, 10, true, {.state = KM_PATCH_REMOVED}, "mortW"},
		{"spoke before its wave came", 1, 2000, true, {.state = KM_PATCH_LOADED}, "mrtlS"},
	};
	struct km_plan plan = three_waves();
	struct km_progress_of at = {.wave = 1, .wave_since = NOW - 1000, .let_in = {NOW - 3600, NOW - 1000}};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_counts c = {0};
		struct km_member host = {cases[i].wave, NOW - cases[i].ago, SILENT,
					 cases[i].said ? &cases[i].patch : NULL};
		char letters[16], *end = letters;

		km_counts_add(&c, &plan, &at, &host, NOW);
		const uint64_t values[] = {c.members,	  c.online,	  c.reached, c.tried,	c.loaded,  c.settled,
					   c.wave_online, c.wave_settled, c.failed,  c.stalled, c.crashed, c.silent};

		for (size_t j = 0; j < KM_COUNT(values); j++) {
			assert_in_range(values[j], 0, 1);
			if (values[j])
				*end++ = "mortlsWXFTCS"[j];
		}
		*end = '\0';
		if (strcmp(letters, cases[i].counts))
			fail_msg("%s: expected %s, got %s", cases[i].name, cases[i].counts, letters);
	}
	km_plan_free(&plan);
}

/* A host looks at a patch for the last time at 15 minutes; a longer settling goes by dates. */
static void settling_for_longer(void **state)
{
	struct km_plan plan = three_waves();
	struct km_progress_of at = km_rollout_start(NOW - 9000);
	struct km_report_patch patch = {.state = KM_PATCH_LOADED, .health = KM_HEALTH_GOOD, .age = 900};
	struct km_member host = {0, NOW - 10, SILENT, &patch};

	(void)state;
	plan.settle = 3600;
	for (int64_t since = NOW - 3620; since <= NOW - 3600; since++) {
		struct km_counts c = {0};

		patch.since = since;
		km_counts_add(&c, &plan, &at, &host, NOW);
		assert_int_equal(c.settled, since <= NOW - 3610);
	}
	km_plan_free(&plan);
}

/* ---- gates ---- */

static void gates(void **state)
{
	static const struct {
		struct km_counts counts;
		uint64_t failed, stalled, crashed, silent; /* forgiven */
		const char *reason;			   /* NULL: none trips */
	} cases[] = {
		{{0}, 0, 0, 0, 0, NULL},
		{{.reached = 1000, .tried = 1000, .crashed = 1}, 0, 0, 0, 0, "crashed: 1 host, and 0 are allowed"},
		{{.reached = 1000, .tried = 1000, .crashed = 3}, 0, 0, 0, 0, "crashed: 3 hosts, and 0 are allowed"},
		{{.reached = 1000, .tried = 1000, .crashed = 3}, 0, 0, 3, 0, NULL},
		{{.reached = 1000, .tried = 1000, .crashed = 4}, 0, 0, 3, 0, "crashed: 1 host, and 0 are allowed"},
		{{.reached = 1000, .tried = 1000, .crashed = 2}, 0, 0, 3, 0, NULL},
		{{.reached = 1000, .tried = 1000, .failed = 10}, 0, 0, 0, 0, NULL},
		{{.reached = 1000, .tried = 1000, .failed = 11},
		 0,
		 0,
		 0,
		 0,
		 "failed: 11 hosts of 1000 that tried, and 1.00 % are allowed"},
		{{.reached = 1, .tried = 1, .failed = 1},
		 0,
		 0,
		 0,
		 0,
		 "failed: 1 host of 1 that tried, and 1.00 % are allowed"},
		{{.reached = 1000, .tried = 1000, .failed = 21}, 11, 0, 0, 0, NULL},
		{{.reached = 1000, .tried = 1000, .failed = 22},
		 11,
		 0,
		 0,
		 0,
		 "failed: 11 hosts of 1000 that tried, and 1.00 % are allowed"},
		{{.reached = 1000, .tried = 100, .stalled = 5}, 0, 0, 0, 0, NULL},
		{{.reached = 1000, .tried = 100, .stalled = 6},
		 0,
		 0,
		 0,
		 0,
		 "stalled: 6 hosts of 100 that tried, and 5.00 % are allowed"},
		{{.reached = 1000, .tried = 100, .stalled = 6}, 0, 1, 0, 0, NULL},
		{{.reached = 100, .silent = 2}, 0, 0, 0, 0, NULL},
		{{.reached = 100, .silent = 3},
		 0,
		 0,
		 0,
		 0,
		 "silent: 3 hosts of 100 that were reached, and 2.00 % are allowed"},
		{{.reached = 100, .silent = 100}, 0, 0, 0, 98, NULL},
		/* The first one is named. */
		{{.reached = 9, .tried = 9, .silent = 3, .stalled = 3, .failed = 3},
		 0,
		 0,
		 0,
		 0,
		 "failed: 3 hosts of 9 that tried, and 1.00 % are allowed"},
		{{.reached = UINT64_MAX, .tried = UINT64_MAX, .failed = UINT64_MAX / 100}, 0, 0, 0, 0, NULL},
	};
	struct km_plan plan = three_waves();

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_progress_of at = km_rollout_start(NOW);
		char reason[KM_TRUST_REASON_MAX + 1] = "left over";
		enum km_step step;

		at.forgiven.failed = cases[i].failed;
		at.forgiven.stalled = cases[i].stalled;
		at.forgiven.crashed = cases[i].crashed;
		at.forgiven.silent = cases[i].silent;
		step = km_rollout_step(&plan, &at, &cases[i].counts, NOW, reason);
		if (step != (cases[i].reason ? KM_STEP_HALT : KM_STEP_STAY) ||
		    strcmp(reason, cases[i].reason ? cases[i].reason : ""))
			fail_msg("case %zu: step %d, %s", i, step, reason);
	}
	km_plan_free(&plan);
}

/* ---- steps ---- */

static void steps(void **state)
{
	static const struct {
		const char *name;
		struct km_progress_of at;
		int64_t not_before, later; /* seconds after NOW */
		struct km_counts counts;
		enum km_step step;
	} cases[] = {
		{"too early", {.wave_since = NOW}, 0, 899, {.wave_online = 9, .wave_settled = 9}, KM_STEP_STAY},
		{"all of them", {.wave_since = NOW}, 0, 900, {.wave_online = 9, .wave_settled = 9}, KM_STEP_NEXT_WAVE},
		{"just enough", {.wave_since = NOW}, 0, 900, {.wave_online = 10, .wave_settled = 9}, KM_STEP_NEXT_WAVE},
		{"just too few", {.wave_since = NOW}, 0, 900, {.wave_online = 11, .wave_settled = 9}, KM_STEP_STAY},
		{"none of one", {.wave_since = NOW}, 0, 9000, {.wave_online = 1}, KM_STEP_STAY},
		{"nobody, early", {.wave_since = NOW}, 0, 899, {0}, KM_STEP_STAY},
		{"nobody", {.wave_since = NOW}, 0, 900, {0}, KM_STEP_NEXT_WAVE},
		{"others do not help",
		 {.wave_since = NOW},
		 0,
		 900,
		 {.online = 999, .settled = 998, .wave_online = 1},
		 KM_STEP_STAY},
		{"others do not hinder",
		 {.wave_since = NOW},
		 0,
		 900,
		 {.online = 999, .settled = 1, .wave_online = 1, .wave_settled = 1},
		 KM_STEP_NEXT_WAVE},
		{"the last but one", {.wave = 1, .wave_since = NOW}, 0, 900, {0}, KM_STEP_NEXT_WAVE},
		{"the last", {.wave = 2, .wave_since = NOW}, 0, 900, {0}, KM_STEP_DONE},
		{"the last, not complete", {.wave = 2, .wave_since = NOW}, 0, 900, {.wave_online = 1}, KM_STEP_STAY},
		{"a gate goes first", {.wave_since = NOW}, 0, 900, {.crashed = 1}, KM_STEP_HALT},
		{"a gate does not wait", {.wave_since = NOW}, 0, 0, {.crashed = 1}, KM_STEP_HALT},
		{"halted", {.state = KM_ROLLOUT_HALTED, .wave_since = NOW}, 0, 9000, {.crashed = 1}, KM_STEP_STAY},
		{"taken back", {.state = KM_ROLLOUT_TAKEN_BACK, .wave_since = NOW}, 0, 9000, {0}, KM_STEP_STAY},
		{"done", {.state = KM_ROLLOUT_DONE, .wave_since = NOW}, 0, 9000, {.crashed = 1}, KM_STEP_STAY},
		{"its time has not come", {.wave_since = NOW}, NOW + 5000, 4999, {.crashed = 1}, KM_STEP_STAY},
		{"its time came a moment ago", {.wave_since = NOW}, NOW + 5000, 5000, {0}, KM_STEP_STAY},
		{"its time came", {.wave_since = NOW}, NOW + 5000, 5900, {0}, KM_STEP_NEXT_WAVE},
		{"the clock was set back", {.wave_since = NOW}, 0, -86400, {0}, KM_STEP_STAY},
	};
	struct km_plan plan = three_waves();

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char reason[KM_TRUST_REASON_MAX + 1];
		enum km_step step;

		plan.not_before = cases[i].not_before;
		step = km_rollout_step(&plan, &cases[i].at, &cases[i].counts, NOW + cases[i].later, reason);
		if (step != cases[i].step)
			fail_msg("%s: expected %d, got %d", cases[i].name, cases[i].step, step);
	}
	km_plan_free(&plan);
}

static void waves_come_and_rollouts_resume(void **state)
{
	struct km_progress_of at = km_rollout_start(NOW);
	struct km_counts counts = {.failed = 1, .stalled = 2, .crashed = 3, .silent = 4};

	(void)state;
	assert_int_equal(at.state, KM_ROLLOUT_RUNNING);
	assert_int_equal(at.let_in[0], NOW);
	km_rollout_next_wave(&at, NOW + 5);
	assert_int_equal(at.wave, 1);
	assert_int_equal(at.wave_since, NOW + 5);
	assert_int_equal(at.let_in[0], NOW);
	assert_int_equal(at.let_in[1], NOW + 5);
	at.state = KM_ROLLOUT_HALTED;
	km_rollout_resume(&at, &counts, NOW + 9);
	assert_int_equal(at.state, KM_ROLLOUT_RUNNING);
	assert_int_equal(at.wave, 1);
	assert_int_equal(at.wave_since, NOW + 9);
	assert_int_equal(at.let_in[1], NOW + 5);
	assert_int_equal(at.forgiven.failed, 1);
	assert_int_equal(at.forgiven.stalled, 2);
	assert_int_equal(at.forgiven.crashed, 3);
	assert_int_equal(at.forgiven.silent, 4);
	/* No step beyond the last wave that there can be. */
	for (int i = 0; i < 2 * KM_FLEET_WAVES; i++)
		km_rollout_next_wave(&at, NOW + 10);
	assert_int_equal(at.wave, KM_FLEET_WAVES - 1);
}

/* Two silent hosts are forgiven and come back; the next two are not theirs. */
static void forgiveness_is_used_up(void **state)
{
	struct km_plan plan = three_waves();
	struct km_progress_of at = km_rollout_start(NOW);
	struct km_counts counts = {.reached = 50, .silent = 2, .crashed = 1};
	char reason[KM_TRUST_REASON_MAX + 1];

	(void)state;
	km_rollout_resume(&at, &counts, NOW);
	assert_false(km_rollout_remember(&at, &counts));
	counts.silent = 0;
	assert_true(km_rollout_remember(&at, &counts));
	assert_int_equal(at.forgiven.silent, 0);
	assert_int_equal(at.forgiven.crashed, 1);
	assert_false(km_rollout_remember(&at, &counts));
	counts.silent = 2;
	assert_false(km_rollout_remember(&at, &counts));
	assert_int_equal(km_rollout_step(&plan, &at, &counts, NOW, reason), KM_STEP_HALT);
	km_plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_host_counts_for),
		cmocka_unit_test(settling_for_longer),
		cmocka_unit_test(gates),
		cmocka_unit_test(steps),
		cmocka_unit_test(waves_come_and_rollouts_resume),
		cmocka_unit_test(forgiveness_is_used_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
