/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout at a glance: the server's answer as lines. */
#include <unistd.h>

#include "check.h"
#include "rollout.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define HEX64 HEX32 HEX32

enum { NOW = 1800000000 };

static const char plan_text[] =
	"{\"format\":1,\"release\":\"" HEX64 "\",\"channel\":\"edge\",\"not_before\":%d,\"waves\":["
	"{\"tags\":[\"canary\"],\"permyriad\":10000},{\"tags\":[],\"permyriad\":500},"
	"{\"tags\":[],\"permyriad\":10000}],\"gates\":{\"crashed\":2,\"failed\":1000}}";

static void bars(void **state)
{
	static const struct {
		int64_t part, whole;
		size_t full;
	} rows[] = {
		{0, 0, 0},	     {5, 0, 0},
		{0, 10, 0},	     {-1, 10, 0},
		{1, 1, BAR_WIDTH},   {10, 10, BAR_WIDTH},
		{11, 10, BAR_WIDTH}, {5, 10, BAR_WIDTH / 2},
		{1, 1000, 0},	     {999, 1000, BAR_WIDTH - 1},
	};
	char bar[BAR_WIDTH + 3];

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		assert_ptr_equal(rollout_bar(rows[i].part, rows[i].whole, bar), bar);
		assert_int_equal(strlen(bar), BAR_WIDTH + 2);
		assert_int_equal(strspn(bar + 1, "#"), rows[i].full);
		assert_int_equal(strspn(bar + 1 + rows[i].full, "."), BAR_WIDTH - rows[i].full);
	}
}

/* A rollout as GET rollouts/ID gives it. */
static json_t *rollout(const char *state, int wave, const char *reason, int not_before)
{
	KM_AUTOFREE char *text = km_printf(plan_text, not_before);
	json_t *counts = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "members", 40,
				   "online", 30, "reached", 40, "tried", 20, "loaded", 18, "settled", 9, "failed", 3,
				   "stalled", 0, "crashed", 3, "silent", 0, "wave_online", 8, "wave_settled", 4);
	json_t *r = json_pack("{s:i, s:s, s:s, s:s, s:i, s:i, s:s?, s:i, s:s, s:o, s:{s:i, s:i, s:i, s:i}}", "id", 7,
			      "channel", "edge", "release", HEX64, "state", state, "wave", wave, "wave_since", NOW - 60,
			      "reason", reason, "created", NOW - 600, "by", "admin:ann", "counts", counts, "forgiven",
			      "failed", 0, "stalled", 0, "crashed", 2, "silent", 0);

	assert_int_equal(json_object_set_new(r, "plan", json_loads(text, 0, NULL)), 0);
	return r;
}

/* What is printed; for free(). */
static char *printed(const json_t *r, const json_t *releases, km_error **err)
{
	FILE *file = tmpfile();
	int out;
	char *text;
	long n;

	assert_non_null(file);
	fflush(stdout);
	out = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	*err = rollout_view(r, releases, NOW);
	fflush(stdout);
	assert_true(dup2(out, STDOUT_FILENO) >= 0);
	close(out);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	n = ftell(file);
	rewind(file);
	text = km_calloc((size_t)n + 1, 1);
	assert_int_equal(fread(text, 1, (size_t)n, file), (size_t)n);
	fclose(file);
	return text;
}

static void views(void **state)
{
	static const struct {
		const char *state, *reason;
		int wave, not_before;
		const char *has[4], *lacks;
	} rows[] = {
		{"running",
		 NULL,
		 0,
		 0,
		 {"kmend_fix 1 (0123456789ab) in edge, running\n",
		  "[############............] 4 of 8 online hosts settled",
		  "wave 3      100 %          [........................] waits"},
		 "reason"},
		{"running",
		 NULL,
		 1,
		 0,
		 {"wave 1      canary         [########################] complete",
		  "wave 2      5 %            [############",
		  "wave 3      100 %          [........................] waits"},
		 "begins"},
		{"running", NULL, 0, NOW + 60, {"[........................] begins 2027-01-15"}, "4 of 8"},
		{"halted", "a gate: crashed", 0, 0, {"in edge, halted\n", "reason      a gate: crashed\n"}, "complete"},
		{"done", NULL, 2, 0, {"wave 3      100 %          [########################] complete"}, "waits"},
		{"taken-back", "slow", 2, 0, {"taken-back", "reason      slow"}, "waits"},
		{"running",
		 NULL,
		 0,
		 0,
		 {"hosts       40 let in, 30 online, 20 tried, 18 loaded, 9 settled\n",
		  "crashed  1, 2 allowed, 2 more forgiven\n", "failed   3 of 20, 10 % allowed\n",
		  "silent   0 of 18, 2 % allowed\n"},
		 "\033"},
	};
	json_t *releases = json_pack("[{s:s, s:s, s:s}]", "id", HEX64, "name", "kmend_fix", "version", "1");

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		json_t *r = rollout(rows[i].state, rows[i].wave, rows[i].reason, rows[i].not_before);
		km_error *err;
		KM_AUTOFREE char *text = printed(r, releases, &err);

		check_ok(err);
		for (size_t j = 0; j < KM_COUNT(rows[i].has) && rows[i].has[j]; j++)
			if (!strstr(text, rows[i].has[j]))
				fail_msg("row %zu lacks \"%s\":\n%s", i, rows[i].has[j], text);
		if (strstr(text, rows[i].lacks))
			fail_msg("row %zu has \"%s\":\n%s", i, rows[i].lacks, text);
		json_decref(r);
	}
	json_decref(releases);
}

/* What a server may send instead. */
static void strange(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"plan\":null}", "{\"plan\":{}}", "{\"plan\":[1]}",
		"{\"plan\":{\"format\":1,\"release\":\"x\",\"channel\":\"edge\",\"waves\":[]}}"};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(texts); i++) {
		json_t *r = json_loads(texts[i], 0, NULL);
		km_error *err;
		KM_AUTOFREE char *text = printed(r, NULL, &err);

		assert_non_null(err);
		assert_string_equal(text, "");
		km_error_free(err);
		json_decref(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bars),
		cmocka_unit_test(views),
		cmocka_unit_test(strange),
	};

	km_colour_setup("never");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
