/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plans, waves and the place of a rollout, by tables. */
#include <kmend/fleet.h>

#include "check.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32

#define PLAN(rest)	  "{\"format\":1,\"release\":\"" HEX64 "\",\"channel\":\"stable\"," rest "}"
#define WAVES(list)	  "\"waves\":[" list "]"
#define WAVE(tags, share) "{\"tags\":[" tags "],\"permyriad\":" share "}"
#define ALL		  WAVE("", "10000")

static void plans(void **state)
{
	static const struct {
		const char *text, *message; /* NULL: good */
	} cases[] = {
		{PLAN(WAVES(ALL)), NULL},
		{PLAN(WAVES(WAVE("\"canary\"", "10000") "," WAVE("", "100") "," ALL)), NULL},
		{PLAN(WAVES(WAVE("\"a\"", "100") "," WAVE("\"a\"", "200") "," WAVE("\"b\"", "100") "," ALL)), NULL},
		{PLAN(WAVES(ALL) ",\"gates\":{\"crashed\":3}"), NULL},
		{PLAN(WAVES(ALL) ",\"settle\":1,\"silent_after\":90,\"complete\":10000,\"not_before\":1800000000"),
		 NULL},
		{PLAN(WAVES("")), "\"waves\""},
		{PLAN("\"waves\":7"), "\"waves\""},
		{PLAN(WAVES(WAVE("", "9999"))), "not every host"},
		{PLAN(WAVES(WAVE("\"canary\"", "10000"))), "not every host"},
		{PLAN(WAVES(WAVE("", "0") "," ALL)), "waves[0]: \"permyriad\""},
		{PLAN(WAVES(WAVE("", "10001") "," ALL)), "waves[0]: \"permyriad\""},
		{PLAN(WAVES(WAVE("", "500") "," WAVE("", "100") "," ALL)),
		 "wave 2 lets in nobody who is not in by wave 1"},
		{PLAN(WAVES(WAVE("", "500") "," WAVE("", "500") "," ALL)), "wave 2 lets in nobody"},
		{PLAN(WAVES(WAVE("", "500") "," WAVE("\"a\"", "400") "," ALL)), "wave 2 lets in nobody"},
		{PLAN(WAVES(WAVE("\"a\"", "500") "," WAVE("\"a\"", "500") "," ALL)), "wave 2 lets in nobody"},
		{PLAN(WAVES(ALL "," ALL)), "wave 2 lets in nobody"},
		{PLAN(WAVES(WAVE("\"A\"", "500") "," ALL)), "waves[0]: \"tags\""},
		{PLAN(WAVES(ALL) ",\"settle\":0"), "\"settle\""},
		{PLAN(WAVES(ALL) ",\"settle\":2592001"), "\"settle\""},
		{PLAN(WAVES(ALL) ",\"silent_after\":-1"), "\"silent_after\""},
		{PLAN(WAVES(ALL) ",\"complete\":0"), "\"complete\""},
		{PLAN(WAVES(ALL) ",\"complete\":10001"), "\"complete\""},
		{PLAN(WAVES(ALL) ",\"not_before\":\"now\""), "\"not_before\""},
		{PLAN(WAVES(ALL) ",\"gates\":{\"failed\":10001}"), "gates: \"failed\""},
		{PLAN(WAVES(ALL) ",\"gates\":{\"lost\":1}"), "gates: there are keys"},
		{PLAN(WAVES(ALL) ",\"gates\":null"), "gates: this is no object"},
		{PLAN(WAVES(ALL) ",\"halt\":\"x\""), "there are keys"},
		{"{\"format\":1,\"release\":\"" HEX64 "\"," WAVES(ALL) "}", "\"channel\""},
		{"{\"format\":1,\"release\":\"" HEX32 "\"}", "\"release\""},
		{"{\"format\":2}", "newer kmend"},
		{"", "line 1"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *once = NULL, *twice = NULL;
		struct km_plan plan;
		km_error *err = km_plan_parse(cases[i].text, strlen(cases[i].text), &plan);

		if (!err != !cases[i].message ||
		    (err && (err->code != KM_INPUT || !strstr(err->message, cases[i].message))))
			fail_msg("case %zu: expected %s, got %s", i, cases[i].message ? cases[i].message : "none",
				 err ? err->message : "none");
		km_error_free(err);
		if (cases[i].message)
			continue;
		once = km_plan_text(&plan);
		km_plan_free(&plan);
		check_ok(km_plan_parse(once, strlen(once), &plan));
		twice = km_plan_text(&plan);
		assert_string_equal(once, twice);
		km_plan_free(&plan);
	}
}

static void what_is_absent_has_its_default(void **state)
{
	static const char text[] = PLAN(WAVES(ALL) ",\"gates\":{\"stalled\":7}");
	struct km_plan plan;

	(void)state;
	check_ok(km_plan_parse(text, strlen(text), &plan));
	assert_int_equal(plan.settle, 900);
	assert_int_equal(plan.complete, 9000);
	assert_int_equal(plan.not_before, 0);
	assert_int_equal(plan.gates.crashed, 0);
	assert_int_equal(plan.gates.failed, 100);
	assert_int_equal(plan.gates.stalled, 7);
	assert_int_equal(plan.gates.silent, 200);
	assert_int_equal(km_plan_silent_after(&plan, 60), 240);
	plan.silent_after = 90;
	assert_int_equal(km_plan_silent_after(&plan, 60), 90);
	km_plan_free(&plan);
}

/* Waves as a person writes them. */
static void waves_in_words(void **state)
{
	static const struct {
		const char *text, *shares, *message; /* shares: "tag" or permyriad, with blanks; or the message */
	} cases[] = {
		{"100%", "10000", NULL},
		{"canary,1%,10%,50%,100%", "canary 100 1000 5000 10000", NULL},
		{"0.5%,0.51%,33.33%,100.00%", "50 51 3333 10000", NULL},
		{"10,100%", "10 10000", NULL}, /* a tag */
		{"eu-1,us.2,100%", "eu-1 us.2 10000", NULL},
		{"", NULL, "neither a tag nor a share"},
		{"1%,,100%", NULL, "neither a tag nor a share"},
		{"1%, 100%", NULL, "neither a tag nor a share"},
		{"100%,", NULL, "neither a tag nor a share"},
		{"0.555%,100%", NULL, "neither a tag nor a share"},
		{"5.%,100%", NULL, "neither a tag nor a share"},
		{".5%,100%", NULL, "neither a tag nor a share"},
		{"101%", NULL, "neither a tag nor a share"},
		{"99999999999%", NULL, "neither a tag nor a share"},
		{"100.01%", NULL, "neither a tag nor a share"},
		{"-1%,100%", NULL, "neither a tag nor a share"},
		{"Canary,100%", NULL, "neither a tag nor a share"},
		{"0%,100%", NULL, "wave 1 is nobody"},
		{"10%,5%,100%", NULL, "wave 2 lets in nobody"},
		{"a,a,100%", NULL, "wave 2 lets in nobody"},
		{"100%,a", NULL, "wave 2 lets in nobody"},
		{"1%,50%", NULL, "not every host"},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee,100%",
		 "a b c d e f g h i j k l m n o p q r s t u v w x y z aa bb cc dd ee 10000", NULL},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee,ff,100%", NULL, "1 to 32 waves"},
		{"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,aa,bb,cc,dd,ee,ff,gg,hh,100%", NULL,
		 "1 to 32 waves"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_plan plan = {0};
		km_error *err = km_plan_waves(cases[i].text, &plan);
		km_str words = {0};

		if (cases[i].message) {
			check_error(err, KM_USAGE, cases[i].message);
			assert_int_equal(plan.n_waves, 0);
		} else {
			check_ok(err);
			for (size_t j = 0; j < plan.n_waves; j++) {
				const struct km_wave *wave = &plan.waves[j];

				if (wave->n_tags)
					km_str_printf(&words, "%s%s", j ? " " : "", wave->tags[0]);
				else
					km_str_printf(&words, "%s%u", j ? " " : "", wave->permyriad);
			}
			assert_string_equal(words.at, cases[i].shares);
		}
		km_str_free(&words);
		km_plan_free(&plan);
	}
}

/* The wave of a host is the first one that the signed document would let it in by. */
static void the_wave_of_a_host(void **state)
{
	const char *canary[] = {"canary"}, *other[] = {"other"};
	struct km_plan plan = {.release = HEX64};
	size_t count[4] = {0};

	(void)state;
	check_ok(km_plan_waves("canary,1%,50%,100%", &plan));
	for (unsigned i = 0; i < 10000; i++) {
		KM_AUTOFREE char *id = km_printf("host-%u", i);
		struct km_trust_host host = {.id = id, .tags = i % 100 ? other : canary, .n_tags = 1};
		size_t wave = km_plan_wave(&plan, &host);

		count[wave]++;
		for (size_t w = 0; w < plan.n_waves; w++) {
			struct km_progress_of at = {.wave = w};
			struct km_rollout_entry entry;

			km_rollout_entry_of(&plan, &at, NULL, &entry);
			assert_int_equal(km_rollout_admits(&entry, &host, 0), w >= wave);
		}
	}
	assert_int_equal(count[0], 100);
	assert_in_range(count[1], 60, 140);
	assert_in_range(count[2], 4650, 5050);
	assert_in_range(count[3], 4750, 5150);
	km_plan_free(&plan);
}

/* ---- the place of a rollout ---- */

/* What the signed document says at each place. It must be one that can be signed. */
static void entries(void **state)
{
	static const struct {
		enum km_rollout_state state;
		size_t wave;
		bool halt, rollback, all;
		size_t n_waves;
	} cases[] = {
		{KM_ROLLOUT_RUNNING, 0, false, false, false, 1}, {KM_ROLLOUT_RUNNING, 1, false, false, false, 2},
		{KM_ROLLOUT_RUNNING, 2, false, false, true, 0},	 {KM_ROLLOUT_HALTED, 1, true, false, false, 2},
		{KM_ROLLOUT_HALTED, 2, true, false, true, 0},	 {KM_ROLLOUT_TAKEN_BACK, 0, true, true, false, 1},
		{KM_ROLLOUT_DONE, 2, false, false, true, 0},
	};
	struct km_plan plan = {.release = HEX64, .not_before = 5};

	(void)state;
	check_ok(km_plan_waves("canary,10%,100%", &plan));
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_progress_of at = {.state = cases[i].state, .wave = cases[i].wave};
		struct km_rollout_entry entry;
		struct km_rollout rollout = {
			.channel = "stable", .version = 1, .expires = 9, .releases = &entry, .n_releases = 1};
		KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

		km_rollout_entry_of(&plan, &at, "too many crashes", &entry);
		assert_string_equal(entry.id, HEX64);
		assert_int_equal(entry.halt != NULL, cases[i].halt);
		assert_int_equal(entry.rollback, cases[i].rollback);
		assert_int_equal(entry.all, cases[i].all);
		assert_int_equal(entry.n_waves, cases[i].n_waves);
		assert_int_equal(entry.not_before, 5);
		check_ok(km_rollout_make(&rollout, &envelope));
	}
	km_plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans),	  cmocka_unit_test(what_is_absent_has_its_default),
		cmocka_unit_test(waves_in_words), cmocka_unit_test(the_wave_of_a_host),
		cmocka_unit_test(entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
