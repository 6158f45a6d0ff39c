/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the words of kmend-admin's options mean. */
#include "admin.h"
#include "check.h"

enum { NOW = 1800000000 };

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: none */
	} rows[] = {
		{"0", 0},
		{"90", 90},
		{"90s", 90},
		{"15m", 900},
		{"2h", 7200},
		{"30d", 30 * 86400},
		{"", -1},
		{"m", -1},
		{"-1", -1},
		{"1.5h", -1},
		{"1w", -1},
		{"1h30m", -1},
		{" 1", -1},
		{"1 ", -1},
		{"1H", -1},
		{"36600d", 36600LL * 86400},
		{"36601d", -1},
		{"999999999", -1},
		{"99999999", 99999999},
		{"99999999999999999999", -1},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		int64_t got = -7;

		if (rows[i].seconds < 0) {
			check_error(words_duration("--settle", rows[i].text, &got), KM_USAGE, "--settle: ");
			assert_int_equal(got, -7);
			continue;
		}
		check_ok(words_duration("--settle", rows[i].text, &got));
		assert_int_equal(got, rows[i].seconds);
	}
}

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t at; /* -1: none */
	} rows[] = {
		{"+0", NOW},
		{"+2h", NOW + 7200},
		{"+30d", NOW + 30 * 86400},
		{"2026-03-01", 1772323200},
		{"1800000001", 1800000001},
		{"+", -1},
		{"+-1", -1},
		{"soon", -1},
		{"2026-13-01", -1},
		{"-1", -1},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		int64_t got = -7;
		km_error *err = words_time("--expires", rows[i].text, NOW, &got);

		if (rows[i].at < 0) {
			check_error(err, KM_USAGE, "--expires");
			continue;
		}
		check_ok(err);
		assert_int_equal(got, rows[i].at);
	}
}

static void shares(void **state)
{
	static const struct {
		const char *text;
		int permyriad; /* -1: none */
	} rows[] = {
		{"0%", 0},	  {"5%", 500},	      {"100%", 10000}, {"0.25%", 25}, {"0.5%", 50},   {"0.05%", 5},
		{"99.99%", 9999}, {"100.00%", 10000}, {"100.01%", -1}, {"101%", -1},  {"1000%", -1},  {"5", -1},
		{"", -1},	  {"%", -1},	      {".5%", -1},     {"5.%", -1},   {"0.125%", -1}, {"5%%", -1},
		{"-5%", -1},	  {"5 %", -1},	      {"5.5.5%", -1},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		unsigned got = 7;

		if (rows[i].permyriad < 0) {
			check_error(words_share("--complete", rows[i].text, &got), KM_USAGE, "is no share");
			assert_int_equal(got, 7);
			continue;
		}
		check_ok(words_share("--complete", rows[i].text, &got));
		assert_int_equal(got, rows[i].permyriad);
	}
}

static void numbers(void **state)
{
	static const struct {
		const char *text;
		int64_t max, got; /* -1: none */
	} rows[] = {
		{"0", 0, 0},
		{"7", 7, 7},
		{"8", 7, -1},
		{"", 7, -1},
		{"x", 7, -1},
		{"-1", 7, -1},
		{"+1", 7, -1},
		{"1x", 7, -1},
		{"007", 7, 7},
		{"999999999999999", INT64_MAX / 2, 999999999999999},
		{"1000000000000000", INT64_MAX / 2, -1},
		{"99999999999999999999", INT64_MAX / 2, -1},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(rows); i++) {
		int64_t got = -7;

		if (rows[i].got < 0) {
			check_error(words_number("--limit", rows[i].text, rows[i].max, &got), KM_USAGE, "--limit: ");
			continue;
		}
		check_ok(words_number("--limit", rows[i].text, rows[i].max, &got));
		assert_int_equal(got, rows[i].got);
	}
}

static void reasons(void **state)
{
	char longest[KM_TRUST_REASON_MAX + 2];
	const char *got = NULL;

	(void)state;
	memset(longest, 'x', sizeof(longest));
	longest[KM_TRUST_REASON_MAX + 1] = '\0';
	check_error(words_reason(NULL, &got), KM_USAGE, "there is no reason");
	check_error(words_reason("", &got), KM_USAGE, "there is no reason");
	check_error(words_reason("a\nb", &got), KM_USAGE, "one line");
	check_error(words_reason("\033[2J", &got), KM_USAGE, "one line");
	check_error(words_reason(longest, &got), KM_USAGE, "at most");
	assert_null(got);
	longest[KM_TRUST_REASON_MAX] = '\0';
	check_ok(words_reason(longest, &got));
	assert_ptr_equal(got, longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations), cmocka_unit_test(times),	cmocka_unit_test(shares),
		cmocka_unit_test(numbers),   cmocka_unit_test(reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
