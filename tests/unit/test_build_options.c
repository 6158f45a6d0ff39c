/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of `kmend build`: what each word sets, and each way to get it wrong. */
#include <unistd.h>

#include "check.h"

#include "build.h"

static char *dir, *one, *two;

/* "PATCH" and "SECOND" stand for two files that exist; a NULL ends the words. */
static km_error *read_words(const char *const *words, struct build_job *job, bool *done)
{
	char *argv[32] = {(char *)"build"};
	int n = 1;

	for (; words[n - 1]; n++)
		argv[n] = !strcmp(words[n - 1], "PATCH") ? one : !strcmp(words[n - 1], "SECOND") ? two : (char *)words[n - 1];
	return build_job_read(job, n, argv, done);
}

static void defaults_are_those_of_the_manual(void **state)
{
	struct build_job job;
	bool done;

	(void)state;
	check_ok(read_words((const char *const[]){"PATCH", NULL}, &job, &done));
	assert_false(done);
	assert_string_equal(job.out_dir, ".");
	assert_null(job.json_path);
	assert_null(job.kernel.release);
	assert_int_equal(job.jobs, km_cpus());
	assert_string_equal(job.spec.version, "1");
	assert_string_equal(job.spec.name, "kmend_fix_2026_1");
	assert_false(job.spec.replace || job.spec.allow_mismatch || job.allow_data || job.allow_layout);
	assert_false(job.quiet || job.verbose);
	assert_int_equal(job.spec.flags.n, 0);
	assert_int_equal(job.patches.n, 1);
	assert_string_equal(job.patches.at[0], one);
	build_job_free(&job);
}

static void every_option_lands(void **state)
{
	static const char *const words[] = {"--kernel", "6.1.0-50", "--debs", "d", "--name", "n1", "--name", "n2",
					    "--patch-version", "7", "--cve", "CVE-2026-1234", "--cve", "CVE-2026-12345",
					    "--severity", "high", "--description", "text", "-o", "out", "--json", "-",
					    "-j3", "-qv", "PATCH", NULL};
	struct build_job job;
	bool done;

	(void)state;
	check_ok(read_words(words, &job, &done));
	assert_string_equal(job.kernel.release, "6.1.0-50");
	assert_string_equal(job.kernel.debs, "d");
	assert_string_equal(job.spec.name, "n2");
	assert_string_equal(job.spec.version, "7");
	assert_int_equal(job.spec.cves.n, 2);
	assert_string_equal(job.spec.cves.at[1], "CVE-2026-12345");
	assert_string_equal(job.spec.severity, "high");
	assert_string_equal(job.spec.description, "text");
	assert_string_equal(job.out_dir, "out");
	assert_string_equal(job.json_path, "-");
	assert_int_equal(job.jobs, 3);
	assert_true(job.quiet && job.verbose);
	build_job_free(&job);
}

static void an_own_kernel_is_four_files(void **state)
{
	struct build_job job;
	bool done;

	(void)state;
	check_ok(read_words((const char *const[]){"--source", "s", "--config", "c", "--vmlinux", "v", "--symvers", "y",
						  "--modules", "m", "PATCH", NULL},
			    &job, &done));
	assert_string_equal(job.kernel.source, "s");
	assert_string_equal(job.kernel.config, "c");
	assert_string_equal(job.kernel.vmlinux, "v");
	assert_string_equal(job.kernel.symvers, "y");
	assert_string_equal(job.kernel.modules, "m");
	build_job_free(&job);
}

static void overrides_are_recorded(void **state)
{
	struct build_job job;
	bool done;

	(void)state;
	check_ok(read_words((const char *const[]){"--allow-mismatch", "--allow-layout", "--allow-data", "PATCH", NULL}, &job,
			    &done));
	assert_true(job.spec.allow_mismatch && job.allow_data && job.allow_layout);
	assert_int_equal(job.spec.flags.n, 3);
	assert_string_equal(job.spec.flags.at[0], "allow-data");
	assert_string_equal(job.spec.flags.at[1], "allow-layout");
	assert_string_equal(job.spec.flags.at[2], "allow-mismatch");
	build_job_free(&job);
}

static void several_patches_replace_unless_told(void **state)
{
	static const struct {
		const char *words[4];
		bool replace;
	} cases[] = {
		{{"PATCH"}, false},
		{{"PATCH", "SECOND"}, true},
		{{"--replace", "PATCH"}, true},
		{{"--no-replace", "PATCH", "SECOND"}, false},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct build_job job;
		bool done;

		check_ok(read_words(cases[i].words, &job, &done));
		assert_int_equal(job.spec.replace, cases[i].replace);
		build_job_free(&job);
	}
}

/* What every one of several builds is told: all but what differs, whatever way it was written. */
static void words_of_each_build(void **state)
{
	char *argv[] = {(char *)"build", (char *)"--kernel", (char *)"a", (char *)"--kern=b", one, (char *)"-oout", (char *)"-qj4",
			(char *)"--json", (char *)"-", (char *)"--cve", (char *)"CVE-2026-1234", (char *)"--desc=it's", two, NULL};
	const char *const want[] = {"--quiet", "--cve=CVE-2026-1234", "--description=it's", "--", one, two};
	km_strv words = {0};
	struct build_job job;
	bool done;

	(void)state;
	check_ok(build_job_read(&job, KM_COUNT(argv) - 1, argv, &done));
	assert_true(build_is_many(&job));
	assert_int_equal(job.kernels.n, 2);
	assert_string_equal(job.kernels.at[1], "b");
	build_job_words(KM_COUNT(argv) - 1, argv, &words);
	assert_int_equal(words.n, KM_COUNT(want));
	for (size_t i = 0; i < words.n; i++)
		assert_string_equal(words.at[i], want[i]);
	km_strv_free(&words);
	build_job_free(&job);
}

static void flavours_are_bits(void **state)
{
	static const struct {
		const char *words[4];
		unsigned flavours;
	} cases[] = {
		{{"PATCH"}, 0},
		{{"--flavour", "klp", "PATCH"}, 1 << KM_FLAVOUR_KLP},
		{{"--flavor", "core", "PATCH"}, 1 << KM_FLAVOUR_CORE},
		{{"--flavour=both", "PATCH"}, 1 << KM_FLAVOUR_KLP | 1 << KM_FLAVOUR_CORE},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct build_job job;
		bool done;

		check_ok(read_words(cases[i].words, &job, &done));
		assert_int_equal(job.spec.flavours, cases[i].flavours);
		build_job_free(&job);
	}
}

static void the_name_comes_from_the_first_patch(void **state)
{
	static const struct {
		const char *file, *name;
	} cases[] = {
		{"a.patch", "kmend_a"},	       {"CVE-2026-1.diff", "kmend_cve_2026_1"}, {"no-ending", "kmend_no_ending"},
		{"x.patch.txt", "kmend_x_patch_txt"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *path = km_path(dir, cases[i].file);
		struct build_job job;
		bool done;

		check_ok(km_file_write(path, "", 0));
		check_ok(read_words((const char *const[]){path, NULL}, &job, &done));
		assert_string_equal(job.spec.name, cases[i].name);
		build_job_free(&job);
		free(path);
	}
}

static void wrong_words_are_named(void **state)
{
	static const struct {
		const char *words[8];
		const char *message, *hint;
		enum km_code code;
	} cases[] = {
		{{NULL}, "no PATCH was given", "kmend build [OPTION...] PATCH...", KM_USAGE},
		{{"/nonexistent.patch"}, "there is no file '/nonexistent.patch'", NULL, KM_ENV},
		{{"--frobnicate", "PATCH"}, "there is no option --frobnicate", "--help lists the options", KM_USAGE},
		{{"PATCH", "--name"}, "--name needs a value", NULL, KM_USAGE},
		{{"--sevrity", "high", "PATCH"}, "there is no option --sevrity", "did you mean --severity?", KM_USAGE},
		{{"--quiet=yes", "PATCH"}, "--quiet takes no value", NULL, KM_USAGE},
		{{"-z", "PATCH"}, "there is no option -z", "--help lists the options", KM_USAGE},
		{{"-j0", "PATCH"}, "-j takes a number from 1 to 1024, not '0'", NULL, KM_USAGE},
		{{"-j1025", "PATCH"}, "not '1025'", NULL, KM_USAGE},
		{{"-j4x", "PATCH"}, "not '4x'", NULL, KM_USAGE},
		{{"-j-1", "PATCH"}, "not '-1'", NULL, KM_USAGE},
		{{"-j", "", "PATCH"}, "not ''", NULL, KM_USAGE},
		{{"-j99999999999999999999", "PATCH"}, "-j takes a number", NULL, KM_USAGE},
		{{"--cve", "2026-1234", "PATCH"}, "--cve takes CVE-YYYY-NNNN, not '2026-1234'", NULL, KM_USAGE},
		{{"--cve", "CVE-26-1234", "PATCH"}, "--cve takes", NULL, KM_USAGE},
		{{"--cve", "CVE-2026-123", "PATCH"}, "--cve takes", NULL, KM_USAGE},
		{{"--cve", "CVE-2026-1234x", "PATCH"}, "--cve takes", NULL, KM_USAGE},
		{{"--severity", "High", "PATCH"}, "--severity is low, medium, high or critical, not 'High'", NULL, KM_USAGE},
		{{"--flavour", "kpatch", "PATCH"}, "--flavour is klp, core or both, not 'kpatch'", NULL, KM_USAGE},
		{{"--name", "Bad-Name", "PATCH"}, "'Bad-Name' cannot be the name of a patch", "choose one with --name", KM_USAGE},
		{{"--kernel", "6.1", "--source", "s", "PATCH"}, "--kernel names a packaged kernel, --source one of your own", NULL,
		 KM_USAGE},
		{{"--source", "s", "--config", "c", "PATCH"},
		 "needs --source, --config, --vmlinux and --symvers together", NULL, KM_USAGE},
		{{"--modules", "m", "PATCH"}, "needs --source, --config, --vmlinux and --symvers together", NULL, KM_USAGE},
	};
	int saved = dup(STDERR_FILENO);

	(void)state;
	assert_non_null(freopen("/dev/null", "w", stderr)); /* getopt(3) names the option itself */
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct build_job job;
		bool done;
		km_error *err = read_words(cases[i].words, &job, &done);

		if (err && cases[i].hint && (!err->hint || !strstr(err->hint, cases[i].hint)))
			fail_msg("case %zu: hint %s", i, err->hint ? err->hint : "none");
		check_error(err, cases[i].code, cases[i].message);
		build_job_free(&job);
	}
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

static void help_ends_the_work(void **state)
{
	struct build_job job;
	bool done = false;

	(void)state;
	check_ok(read_words((const char *const[]){"--help", NULL}, &job, &done));
	assert_true(done);
	build_job_free(&job);
}

static int make_files(void **state)
{
	(void)state;
	dir = check_dir();
	one = km_path(dir, "Fix-2026.1.patch");
	two = km_path(dir, "two.diff");
	check_ok(km_file_write(one, "", 0));
	check_ok(km_file_write(two, "", 0));
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	free(one);
	free(two);
	check_dir_end(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(every_option_lands),
		cmocka_unit_test(an_own_kernel_is_four_files),
		cmocka_unit_test(overrides_are_recorded),
		cmocka_unit_test(several_patches_replace_unless_told),
		cmocka_unit_test(words_of_each_build),
		cmocka_unit_test(flavours_are_bits),
		cmocka_unit_test(the_name_comes_from_the_first_patch),
		cmocka_unit_test(wrong_words_are_named),
		cmocka_unit_test(help_ends_the_work),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
