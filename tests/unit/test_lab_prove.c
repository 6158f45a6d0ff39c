/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts on patches, of guests that are shell scripts: what verify and batch say about each way to fail. */
#include "toy_guest.h"

#include <kmend/elf.h>
#include <kmend/lab.h>

static const struct km_lab_kernel kernel = {.release = (char *)"6.1.0-toy", .vmlinuz = (char *)"/k"};

/* A live patch that names no function, as far as the host looks at it. The path is the caller's. */
static char *make_patch(const char *name)
{
	km_elf *ko = km_elf_create(EM_X86_64);
	static const uint8_t zero[64];
	char *path = km_printf("%s/%s.ko", toy_dir, name), *info = km_printf("name=%s", name);

	km_sec_append(ko, km_elf_add_sec(ko, ".modinfo", SHT_PROGBITS, SHF_ALLOC, 1), "livepatch=Y\0vermagic=6.1.0-toy SMP", 35);
	km_sec_append(ko, km_elf_sec(ko, ".modinfo"), info, strlen(info) + 1);
	km_sec_append(ko, km_elf_add_sec(ko, ".gnu.linkonce.this_module", SHT_PROGBITS, SHF_ALLOC | SHF_WRITE, 64), zero,
		      sizeof(zero));
	check_ok(km_elf_write_file(ko, path));
	km_elf_destroy(ko);
	free(info);
	return path;
}

#define HELLO "rec hello $none 0.5\n"
#define BYE "rec bye $none ''\n"

static void a_patch_is_proved_or_says_why_not(void **state)
{
	static const struct {
		const char *script, *reason; /* NULL: it passes */
		size_t step;
	} cases[] = {
		{HELLO "for i in 0 1 2 3 4 5 6 7 8; do ok $i; done\n" BYE, NULL, KM_LAB_BOOT},
		{HELLO "ok 0\nok 1 3 'two are not redirected'\nok 2\n" BYE,
		 "the step 'functions in effect' gave exit status 3: two are not redirected", 1},
		{HELLO "ok 0 1\n" BYE, "the step 'load' gave exit status 1", 0},
		{HELLO "rec begin 0 ''\nsay 'Kernel panic - not syncing: toy'\n", "the kernel panicked in the step 'load'", 0},
		{HELLO "ok 0\nok 1\nrec begin 2 ''\nsleep 60\n", "the guest hung: no sign of life in the step 'unload'", 2},
		{"echo no such kernel >&2\n", "the kernel did not boot: no such kernel\n", KM_LAB_BOOT},
		{HELLO "say 'kmend-lab: step 1'\nsay 'WARNING: CPU: 0 PID: 1 at toy'\nfor i in 0 1 2 3 4 5 6 7 8; do ok $i; done\n" BYE,
		 "the kernel's log has a warning: WARNING: CPU: 0 PID: 1 at toy", 1},
	};
	char *file = make_patch("fix");

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_verify v = {.file = file, .kernel = &kernel, .options = {.timeout = 20, .silence = 1.5}};
		struct km_verdict d;

		toy_guest(cases[i].script);
		check_ok(km_verify(&v, &d));
		if (!d.reason != !cases[i].reason || (d.reason && strcmp(d.reason, cases[i].reason)))
			fail_msg("case %zu: %s", i, d.reason ? d.reason : "passed");
		assert_int_equal(d.pass, !cases[i].reason);
		assert_int_equal(d.step, cases[i].step);
		assert_string_equal(d.name, "fix");
		assert_string_equal(d.release, "6.1.0-toy");
		assert_int_equal(d.step_names.n, 9); /* three times load, look, unload */
		km_verdict_free(&d);
	}
	free(file);
}

/* With something to try, once is enough: before, load, look, after, unload, before; the workload around it all. */
static void what_the_author_names_is_run(void **state)
{
	static const char *const names[] = {"start the workload", "before: the patch is not applied", "load",
					    "functions in effect", "after: the patch is applied", "unload",
					    "before, again: the patch was taken back", "end the workload"};
	char *file = make_patch("fix");
	struct km_verify v = {.file = file,
			      .kernel = &kernel,
			      .before = "b",
			      .after = "a",
			      .workload = "w",
			      .options = {.timeout = 20}};
	struct km_verdict d;

	(void)state;
	toy_guest(HELLO "ok 0\nok 1\nok 2\nok 3\nok 4 1 'the hole is open'\nok 7\n" BYE);
	check_ok(km_verify(&v, &d));
	assert_int_equal(d.step_names.n, KM_COUNT(names));
	for (size_t i = 0; i < KM_COUNT(names); i++)
		assert_string_equal(d.step_names.at[i], names[i]);
	assert_string_equal(d.reason, "the step 'after: the patch is applied' gave exit status 1: the hole is open");
	km_verdict_free(&d);
	km_strv_push(&v.carry, "/nonexistent/x");
	check_error(km_verify(&v, &d), KM_USAGE, "cannot carry /nonexistent/x");
	km_strv_free(&v.carry);
	km_strv_push(&v.modules, "ext4");
	check_error(km_verify(&v, &d), KM_USAGE, "the kernel was given without modules");
	km_strv_free(&v.modules);
	free(file);
}

/* The boots count in a file; each script is a `case` over how many there were before. */
#define BOOTS "n=$(cat $FAKE/boots 2>/dev/null || echo 0); echo $((n+1)) > $FAKE/boots\n"
#define GOOD "ok 0\nok 1\nok 2\nok 3\n"

static void a_batch_goes_on_behind_a_failure(void **state)
{
	static const struct {
		const char *script, *reasons[2];
		size_t boots;
	} cases[] = {
		{HELLO GOOD "ok 4\nok 5\nok 6\nok 7\n" BYE, {NULL, NULL}, 1},
		{BOOTS HELLO "case $n in 0) ok 0 1 'Invalid module format'; sleep 60;; 1) " GOOD ";; esac\n" BYE,
		 {"load: Invalid module format", NULL}, 2},
		{BOOTS HELLO "case $n in 0) ok 0; ok 1; rec begin 2 ''; say 'Kernel panic - not syncing: toy'; exit;; 1) " GOOD
			     ";; esac\n" BYE,
		 {"the kernel panicked in the step 'workload'", NULL}, 2},
		{BOOTS HELLO "case $n in 0) say 'kmend-lab: step 2'; say 'WARNING: CPU: 0 at toy'; " GOOD "sleep 60;; 1) " GOOD
			     ";; esac\n" BYE,
		 {"the kernel's log has a warning: WARNING: CPU: 0 at toy", NULL}, 2},
		{HELLO GOOD "ok 4\nok 5 1\n" BYE, {NULL, "functions in effect: failed"}, 1},
	};
	char *one = make_patch("one"), *two = make_patch("two");

	(void)state;
	setenv("FAKE", toy_dir, 1);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_batch b = {.kernel = &kernel, .options = {.timeout = 20}};
		char *boots_file = km_path(toy_dir, "boots");
		km_batch_result r;
		size_t boots;

		unlink(boots_file);
		km_strv_push(&b.files, one);
		km_strv_push(&b.files, two);
		toy_guest(cases[i].script);
		check_ok(km_batch(&b, &boots, &r));
		assert_int_equal(boots, cases[i].boots);
		assert_int_equal(r.n, 2);
		for (size_t j = 0; j < 2; j++) {
			if (!r.at[j].reason != !cases[i].reasons[j] || (r.at[j].reason && strcmp(r.at[j].reason, cases[i].reasons[j])))
				fail_msg("case %zu, patch %zu: %s", i, j, r.at[j].reason ? r.at[j].reason : "passed");
			assert_int_equal(r.at[j].pass, !cases[i].reasons[j]);
		}
		km_batch_result_free(&r);
		km_strv_free(&b.files);
		free(boots_file);
	}
	free(one);
	free(two);
}

static void files_that_are_no_patches_fail_alone(void **state)
{
	struct km_batch b = {.kernel = &kernel, .options = {.timeout = 20}};
	char *one = make_patch("one"), *text = km_path(toy_dir, "some-text.ko");
	km_batch_result r;
	size_t boots;

	(void)state;
	check_ok(km_file_write(text, "text", 4));
	km_strv_push(&b.files, one);
	km_strv_push(&b.files, text);
	toy_guest(HELLO GOOD BYE);
	check_ok(km_batch(&b, &boots, &r));
	assert_int_equal(r.n, 2);
	assert_string_equal(r.at[0].name, "some_text");
	assert_false(r.at[0].pass);
	assert_non_null(strstr(r.at[0].reason, "some-text.ko"));
	assert_true(r.at[1].pass);
	km_batch_result_free(&r);
	toy_guest("echo no such kernel >&2\n");
	check_error(km_batch(&b, &boots, &r), KM_ENV, "the guest did not come to the first patch: the kernel did not boot\nno such");
	km_strv_free(&b.files);
	free(one);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_patch_is_proved_or_says_why_not, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(what_the_author_names_is_run, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(a_batch_goes_on_behind_a_failure, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(files_that_are_no_patches_fail_alone, toy_begin, toy_end),
	};

	if (!toy_has_busybox())
		return 77; /* a lab cannot be made here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
