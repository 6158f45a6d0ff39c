/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A lab's run against an emulator that is a shell script: what the host makes of a guest that ends, dies, hangs, lies or
 * floods.
 */
#include "toy_guest.h"

#include <kmend/lab.h>

static bool stop_after_first(void *ctx, size_t step, const struct km_lab_result *sofar)
{
	(void)ctx;
	(void)sofar;
	return step != 0;
}

/* Two steps of a lab, run in that guest. */
static km_error *run_guest(const char *script, const struct km_lab_options *o, struct km_lab_result *r)
{
	struct km_lab_kernel k = {.release = (char *)"6.1.0-toy", .vmlinuz = (char *)"/k"};
	const struct km_lab_step one = {.name = "one"}, two = {.name = "two"};
	const char *const args[] = {"true", NULL};
	km_error *err;
	km_lab *lab;

	toy_guest(script);
	check_ok(km_lab_create(&k, &lab));
	km_lab_step(lab, &one, args);
	km_lab_step(lab, &two, args);
	err = km_lab_run(lab, o, r);
	if (!err)
		check_error(km_lab_run(lab, o, &(struct km_lab_result){0}), KM_BUG, "a lab runs once");
	km_lab_destroy(lab);
	return err;
}

#define HELLO "rec hello $none 0.5\n"
#define ONE "rec begin 0 ''\nrec out 0 text\nrec end 0 'status=0 ms=250'\n"
#define TWO "rec begin 1 ''\nrec end 1 'status=3 ms=10 transition_ms=1500'\n"
#define BYE "rec bye $none ''\n"

static void guests_end_in_all_ways(void **state)
{
	static const struct {
		const char *script;
		enum km_lab_end end;
		size_t last, findings;
		const char *qemu;
	} cases[] = {
		{HELLO ONE TWO BYE, KM_LAB_CLEAN, 1, 0, ""},
		{HELLO ONE "say 'Kernel panic - not syncing: toy'\n", KM_LAB_PANIC, 0, 1, ""},
		{HELLO "rec begin 0 ''\n", KM_LAB_PANIC, 0, 0, ""},
		{"echo 'qemu: no such kernel' >&2\nexit 1\n", KM_LAB_NO_BOOT, KM_LAB_BOOT, 0, "qemu: no such kernel\n"},
		{"say booting\n", KM_LAB_NO_BOOT, KM_LAB_BOOT, 0, ""},
		{HELLO "rec begin 0 ''\nsleep 60\n", KM_LAB_HUNG, 0, 0, ""},
		{HELLO "while :; do rec beat $none ''; sleep 0.1; done\n", KM_LAB_TIMEOUT, KM_LAB_BOOT, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_lab_options o = {.silence = 1.5, .timeout = 5};
		struct km_lab_result r;

		check_ok(run_guest(cases[i].script, &o, &r));
		if (r.end != cases[i].end || r.last != cases[i].last || r.findings.n != cases[i].findings)
			fail_msg("case %zu: \"%s\", last step %zd, %zu findings", i, km_lab_end_text(r.end), (ssize_t)r.last,
				 r.findings.n);
		if (strcmp(r.qemu, cases[i].qemu))
			fail_msg("case %zu: the emulator said \"%s\"", i, r.qemu);
		km_lab_result_free(&r);
	}
}

static void steps_bring_status_output_and_times(void **state)
{
	struct km_lab_options o = {.timeout = 20};
	struct km_lab_result r;

	(void)state;
	check_ok(run_guest("say first\n" HELLO ONE TWO BYE, &o, &r));
	assert_true(r.steps.at[0].begun && r.steps.at[0].ended);
	assert_int_equal(r.steps.at[0].status, 0);
	assert_string_equal(r.steps.at[0].output.at, "text");
	assert_true(r.steps.at[0].seconds == 0.25 && r.steps.at[0].transition == -1);
	assert_int_equal(r.steps.at[1].status, 3);
	assert_true(r.steps.at[1].transition == 1.5);
	assert_string_equal(r.log.at, "first\n");
	assert_true(r.boot >= 0 && r.boot <= r.wall);
	km_lab_result_free(&r);
}

static void a_run_is_stopped_between_steps(void **state)
{
	struct km_lab_options o = {.timeout = 20, .after = stop_after_first};
	struct km_lab_result r;

	(void)state;
	check_ok(run_guest(HELLO ONE "sleep 60\n", &o, &r));
	assert_int_equal(r.end, KM_LAB_STOPPED);
	assert_true(r.steps.at[0].ended);
	assert_false(r.steps.at[1].begun);
	km_lab_result_free(&r);
}

/* Ends of steps that never began, twice, without numbers, of steps that nobody ordered; statuses past 255; noise. */
static void lies_change_nothing(void **state)
{
	static const char script[] = HELLO "rec end 0 'status=0 ms=1'\n"
					   "rec begin 0 ''\nrec end 0 'nothing'\nrec end 0 'status=7 ms=1'\nrec end 0 'status=0 ms=1'\n"
					   "rec begin 7 ''\nrec end 7 'status=0 ms=1'\nrec out 99 x\nprintf 'noise' >&5\n"
					   "rec begin 1 ''\nrec end 1 'status=4294967295 ms=1'\n" BYE;
	struct km_lab_options o = {.timeout = 20};
	struct km_lab_result r;

	(void)state;
	check_ok(run_guest(script, &o, &r));
	assert_int_equal(r.end, KM_LAB_CLEAN);
	assert_int_equal(r.steps.n, 2);
	assert_int_equal(r.steps.at[0].status, 7);
	assert_int_equal(r.steps.at[1].status, 255);
	assert_int_equal(r.last, 1);
	assert_true(r.garbage > 0);
	km_lab_result_free(&r);
}

static void floods_are_cut(void **state)
{
	static const char script[] = HELLO "rec begin 0 ''\n"
					   "i=0\nwhile [ $i -lt 700 ]; do printf '\\n@km out 0 4096\\n%04096d\\n' $i; i=$((i+1)); done >&5\n"
					   "rec end 0 'status=0 ms=1'\n" BYE;
	struct km_lab_options o = {.timeout = 60};
	struct km_lab_result r;

	(void)state;
	check_ok(run_guest(script, &o, &r));
	assert_true(r.steps.at[0].cut);
	assert_true(r.steps.at[0].output.n <= 2 * (size_t)KM_LAB_OUTPUT_MAX);
	assert_true(km_ends(r.steps.at[0].output.at, "0699")); /* what is kept is the end */
	km_lab_result_free(&r);
}

static void what_a_lab_lacks_is_named(void **state)
{
	struct km_lab_options o = {.timeout = 5};
	struct km_lab_result r;
	km_error *err;

	(void)state;
	setenv("KMEND_LIBEXECDIR", "/nonexistent", 1);
	check_error(run_guest(HELLO, &o, &r), KM_ENV, "the lab needs its program kmend-lab-init");
	setenv("KMEND_LIBEXECDIR", toy_dir, 1);
	setenv("PATH", "/nonexistent:", 1);
	err = run_guest(HELLO, &o, &r);
	assert_non_null(err);
	assert_string_equal(err->hint, "apt install qemu-system-x86");
	check_error(err, KM_ENV, "the lab needs qemu-system-x86_64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(guests_end_in_all_ways, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(steps_bring_status_output_and_times, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(a_run_is_stopped_between_steps, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(lies_change_nothing, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(floods_are_cut, toy_begin, toy_end),
		cmocka_unit_test_setup_teardown(what_a_lab_lacks_is_named, toy_begin, toy_end),
	};

	if (!toy_has_busybox())
		return 77; /* a lab cannot be made here */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
