/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The words of kmend-lab's verbs, and what its reports make of a result. */
#include "check.h"

#include "lab.h"

static km_error *parse(const char *const *line, struct lab_options *o, km_strv *words)
{
	char *argv[32];
	int n = 0;

	for (; line[n]; n++)
		argv[n] = (char *)line[n];
	*o = (struct lab_options){0};
	*words = (km_strv){0};
	return lab_options_parse(n, argv, argv[0], o, words);
}

static void end(struct lab_options *o, km_strv *words)
{
	lab_options_free(o);
	km_strv_free(words);
}

static void every_option_lands(void **state)
{
	struct lab_options o;
	km_strv words;

	(void)state;
	check_ok(parse((const char *const[]){"verify", "--vmlinuz", "k", "--modules=m", "--carry", "x:y", "--carry=z", "--timeout",
					     "1.5", "--smp", "1", "--append", "quiet", "--icount", "--one-thread", "--panic-on-warn", "--after=", "--allow-log", "text", "p.ko", NULL},
		       &o, &words));
	assert_string_equal(o.vmlinuz, "k");
	assert_string_equal(o.modules, "m");
	assert_string_equal(o.after, "");
	assert_int_equal(o.carry.n, 2);
	assert_string_equal(o.carry.at[1], "z");
	assert_true(o.lab.timeout == 1.5);
	assert_int_equal(o.lab.smp, 1);
	assert_true(o.lab.icount);
	assert_true(o.lab.one_thread);
	assert_string_equal(o.lab.append, "quiet");
	assert_true(o.lab.panic_on_warn);
	assert_false(o.lab.boot_log);
	assert_string_equal(o.lab.allow->at[0], "text");
	assert_int_equal(words.n, 1);
	assert_string_equal(words.at[0], "p.ko");
	end(&o, &words);
}

static void the_guest_s_surroundings_land(void **state)
{
	struct lab_options o;
	km_strv words;

	(void)state;
	check_ok(parse((const char *const[]){"run", "--disk", "a:/v", "--disk=b:/w:16M", "--net", "80,81", "--date", "2027-11-28T12:00:01", "s",
					     NULL},
		       &o, &words));
	assert_int_equal(o.disk.n, 2);
	assert_string_equal(o.disk.at[1], "b:/w:16M");
	assert_string_equal(o.net, "80,81");
	assert_int_equal(o.lab.date, 1827403201);
	end(&o, &words);
	check_ok(parse((const char *const[]){"run", "--date=2027-11-28", "s", NULL}, &o, &words));
	assert_int_equal(o.lab.date, 1827360000);
	end(&o, &words);
}

/* What follows the script is the script's own, options or not. */
static void the_rest_is_the_script_s(void **state)
{
	static const struct {
		const char *line[8], *words;
	} cases[] = {
		{{"run", "--smp", "1", "s.sh", "--smp", "x"}, "s.sh --smp x "},
		{{"run", "--smp", "1", "--icount", "s.sh", "--icount"}, "s.sh --icount "},
		{{"run", "--", "--odd-name", "-v"}, "--odd-name -v "},
		{{"batch", "a.ko", "--smp", "1", "b.ko"}, "a.ko b.ko "},
		{{"batch", "--", "--smp"}, "--smp "},
		{{"batch", "-"}, "- "},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct lab_options o;
		km_strv words;
		km_str all = {0};

		check_ok(parse(cases[i].line, &o, &words));
		for (size_t w = 0; w < words.n; w++)
			km_str_printf(&all, "%s ", words.at[w]);
		assert_string_equal(all.at, cases[i].words);
		km_str_free(&all);
		end(&o, &words);
	}
}

static void wrong_words_are_named(void **state)
{
	static const struct {
		const char *line[6], *message, *hint;
	} cases[] = {
		{{"run", "--mmory", "1", "s"}, "run` has no option --mmory", "did you mean --memory?"},
		{{"run", "--before", "x", "s"}, "run` has no option --before", NULL}, /* verify's */
		{{"batch", "--carry", "x", "p"}, "batch` has no option --carry", NULL},
		{{"verify", "-q", "p"}, "verify` has no option -q", NULL},
		{{"run", "-q", "s"}, "run` has no option -q", NULL}, /* not the script's: it comes before it */
		{{"run", "--smp"}, "--smp needs N", NULL},
		{{"run", "--boot-log=yes", "s"}, "--boot-log takes no value", NULL},
		{{"run", "--smp", "0", "s"}, "--smp takes a number above 0, not '0'", NULL},
		{{"run", "--smp", "1.5", "s"}, "--smp takes a number above 0, not '1.5'", NULL},
		{{"run", "--memory", "-1", "s"}, "--memory takes a number above 0, not '-1'", NULL},
		{{"run", "--timeout", "5s", "s"}, "--timeout takes a number above 0, not '5s'", NULL},
		{{"run", "--timeout", "nan", "s"}, "not 'nan'", NULL},
		{{"run", "--timeout", "inf", "s"}, "not 'inf'", NULL},
		{{"run", "--timeout=", "s"}, "not ''", NULL},
		{{"run", "--icount", "--smp", "2", "s"}, "--icount counts for one CPU, not for 2", NULL},
		{{"run", "--date", "tomorrow", "s"}, "--date takes a date as 2027-11-28", NULL},
		{{"run", "--date", "2027-11-28T12", "s"}, "not '2027-11-28T12'", NULL},
		{{"run", "--date", "2027-11-28,clock=vm", "s"}, "not '2027-11-28,clock=vm'", NULL},
		{{"run", "--date", "1969-11-28", "s"}, "not '1969-11-28'", NULL},
		{{"verify", "--net", "80", "p"}, "verify` has no option --net", NULL},
		{{"run", "--modules", "m", "s"}, "--modules goes with --vmlinuz", NULL},
		{{"run", "--kernel", "k", "--vmlinuz=v", "s"}, "--kernel and --vmlinuz exclude each other", NULL},
		{{"verify"}, "nothing to verify was named", "verify --help`"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct lab_options o;
		km_strv words;
		km_error *err = parse(cases[i].line, &o, &words);

		if (err && cases[i].hint && (!err->hint || !strstr(err->hint, cases[i].hint)))
			fail_msg("case %zu: hint %s", i, err->hint ? err->hint : "none");
		check_error(err, KM_USAGE, cases[i].message);
		end(&o, &words);
	}
}

static void help_needs_no_words(void **state)
{
	struct lab_options o;
	km_strv words;

	(void)state;
	check_ok(parse((const char *const[]){"run", "--help", NULL}, &o, &words));
	assert_true(o.help);
	end(&o, &words);
}

/* ---- reports --------------------------------------------------------------------------------------------- */

static void tails_are_cut_and_safe(void **state)
{
	static const struct {
		const char *bytes, *text;
		unsigned lines;
	} cases[] = {
		{"one\ntwo\nthree\n", "two\n", 2},
		{"one\n", "one\n", 5},
		{"red \033[31m\n", "?[31m", 5},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		report_tail(f, cases[i].bytes, strlen(cases[i].bytes), cases[i].lines);
		fclose(f);
		assert_non_null(strstr(text, cases[i].text));
		assert_null(strchr(text, '\033'));
		assert_int_equal(!strstr(text, "one"), i != 1);
		free(text);
	}
}

static void findings_are_listed_with_their_step(void **state)
{
	struct km_lab_result r = {.end = KM_LAB_PANIC};
	json_t *j;

	(void)state;
	km_vec_push(&r.findings, (struct km_lab_finding){(char *)"WARNING: x", "a warning", 3});
	km_vec_push(&r.findings, (struct km_lab_finding){(char *)"BUG: y", "a bug", KM_LAB_BOOT});
	j = report_findings(&r);
	assert_int_equal(json_array_size(j), 2);
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "line")), "WARNING: x");
	assert_string_equal(json_string_value(json_object_get(json_array_get(j, 0), "reason")), "a warning");
	json_decref(j);
	km_vec_free(&r.findings);
	check_error(report_write("/nonexistent/report.json", json_object()), KM_ENV, "/nonexistent/report.json");
	check_error(report_log("/nonexistent/log", &r), KM_ENV, "/nonexistent/log");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_lands),
		cmocka_unit_test(the_guest_s_surroundings_land),
		cmocka_unit_test(the_rest_is_the_script_s),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(help_needs_no_words),
		cmocka_unit_test(tails_are_cut_and_safe),
		cmocka_unit_test(findings_are_listed_with_their_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
