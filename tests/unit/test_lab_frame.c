/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "../../lib/lab/frame.h"

/* What came out, as "kind step payload;" one after the other. */
static void note(void *ctx, const struct lab_record *r)
{
	assert_true(r->n <= LAB_FRAME_MAX);
	km_str_printf(ctx, "%s %u ", r->kind, r->step);
	km_str_addn(ctx, r->payload, r->n);
	km_str_add(ctx, ";");
}

/* Feeds in pieces of `piece` bytes. */
static char *records(const char *bytes, size_t n, size_t piece, size_t *garbage)
{
	struct lab_framer *f = km_calloc(1, sizeof(*f));
	km_str out = {0};

	km_str_add(&out, "");
	f->record = note;
	f->ctx = &out;
	for (size_t i = 0; i < n; i += piece)
		lab_framer_feed(f, bytes + i, n - i < piece ? n - i : piece);
	*garbage = f->garbage;
	free(f);
	return out.at;
}

static const struct {
	const char *in, *out;
	size_t garbage;
} cases[] = {
	{"", "", 0},
	{"\n@km begin 3 0\n\n", "begin 3 ;", 0},
	{"\n@km out 3 5\nhello\n\n@km end 3 8\nstatus=0\n", "out 3 hello;end 3 status=0;", 0},
	{"\n@km out 1 1\n\n\n", "out 1 \n;", 0},
	{"noise\n@km beat 999999999 0\n\n", "beat 999999999 ;", 5},
	/* A payload that looks like a record is a payload. */
	{"\n@km out 1 16\n\n@km bye 9 0\n\nab\n", "out 1 \n@km bye 9 0\n\nab;", 0},
	/* Not closed by a newline: no record, and the one inside what was read as its payload is found. */
	{"\n@km out 1 18\n1234\n@km bye 1 0\n\nx", "bye 1 ;", 19},
	/* Broken headers. */
	{"\n@km OUT 1 0\n\n\n@km a 1 0\n\n", "a 1 ;", 14},
	{"\n@km out -1 0\n\n\n@km a 1 0\n\n", "a 1 ;", 15},
	{"\n@km out 1 99999\n\n\n@km a 1 0\n\n", "a 1 ;", 18},
	{"\n@km out 1 9999999999999\n\n\n@km a 1 0\n\n", "a 1 ;", 26},
	{"\n@km out 1 \n\n\n@km a 1 0\n\n", "a 1 ;", 13},
	{"\n@km averylongkindofrecord 1 0\n\n\n@km a 1 0\n\n", "a 1 ;", 32},
	{"\n@km out 1 0 and more of the line than a header has, far more\n\n@km a 1 0\n\n", "a 1 ;", 62},
	{"\n\n\n\n@km a 1 0\n\n", "a 1 ;", 3},
};

static void test_table(void **state)
{
	static const size_t pieces[] = {1, 2, 3, 7, 1000};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		for (size_t j = 0; j < KM_COUNT(pieces); j++) {
			size_t garbage;
			KM_AUTOFREE char *out = records(cases[i].in, strlen(cases[i].in), pieces[j], &garbage);

			if (strcmp(out, cases[i].out))
				fail_msg("case %zu in pieces of %zu: '%s'", i, pieces[j], out);
			if (garbage != cases[i].garbage)
				fail_msg("case %zu in pieces of %zu: %zu bytes of garbage", i, pieces[j], garbage);
		}
	}
}

/* Any bytes at all: nothing is read or held beyond the bounds (the sanitizers watch), and what comes after is
 * understood. */
static void test_hostile(void **state)
{
	static const char alphabet[] = "\n@km out0123456789 \n\n\xff";
	static const char sane[] = "\n@km bye 1 0\n\n";
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 200; round++) {
		km_str in = {0};
		size_t garbage;
		char *out;

		for (int i = 0; i < 3000; i++) {
			seed = seed * 1664525 + 1013904223;
			km_str_addn(&in, alphabet + (seed >> 16) % (sizeof(alphabet) - 1), 1);
		}
		/* More than a record can swallow, then a record. */
		for (int i = 0; i < LAB_FRAME_MAX + LAB_HEADER_MAX; i++)
			km_str_add(&in, "x");
		km_str_addn(&in, sane, sizeof(sane) - 1);
		out = records(in.at, in.n, 1 + round, &garbage);
		assert_true(km_ends(out, "bye 1 ;"));
		free(out);
		km_str_free(&in);
	}
}

static void test_full_payload(void **state)
{
	km_str in = {0};
	size_t garbage;
	char *out;

	(void)state;
	km_str_printf(&in, "\n@km out 5 %d\n", LAB_FRAME_MAX);
	for (int i = 0; i < LAB_FRAME_MAX; i++)
		km_str_addn(&in, i % 2 ? "\0" : "\n", 1);
	km_str_add(&in, "\n");
	out = records(in.at, in.n, 11, &garbage);
	assert_true(km_starts(out, "out 5 \n"));
	assert_int_equal(garbage, 0);
	free(out);
	km_str_free(&in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_full_payload),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
