/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loading and unloading on a simulated kernel. What a person sees of it is tested in tests/cli/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those before it */
#include <cmocka.h>
#include <errno.h>

#include "sim.h"

struct fixture {
	struct sim sim;
	struct km_door door;
	km_host *host;
	char *file;
};

static void good(km_error *err)
{
	if (err)
		fail_msg("unexpected: %s", err->message);
}

static void refused(km_error *err, enum km_code code, const char *text)
{
	assert_non_null(err);
	if (err->code != code || !strstr(err->message, text))
		fail_msg("got code %d: %s", err->code, err->message);
	km_error_free(err);
}

static int setup(void **state)
{
	struct fixture *f = km_calloc(1, sizeof(*f));
	char dir[] = "/tmp/kmend-test.XXXXXX";

	if (!mkdtemp(dir))
		return -1;
	sim_open(&f->sim, dir);
	f->door = sim_door(&f->sim);
	good(km_host_open(dir, &f->door, &f->host));
	f->file = km_path(dir, "p.ko");
	sim_write_patch(f->file, &(struct sim_patch){.name = "p"});
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	km_host_close(f->host);
	good(km_remove_tree(f->sim.root));
	sim_close(&f->sim);
	free(f->file);
	free(f);
	return 0;
}

static enum km_host_outcome load(struct fixture *f, const struct km_host_spec *spec)
{
	struct km_host_change change = {0};
	enum km_host_outcome outcome;

	good(km_host_load(f->host, f->file, spec, &change));
	assert_string_equal(change.name, "p");
	outcome = change.outcome;
	km_host_change_free(&change);
	return outcome;
}

static enum km_host_outcome unload(struct fixture *f, const struct km_host_spec *spec)
{
	struct km_host_change change = {0};
	enum km_host_outcome outcome;

	good(km_host_unload(f->host, "p", spec, &change));
	outcome = change.outcome;
	km_host_change_free(&change);
	return outcome;
}

static const struct km_host_spec plain = {0};

static void test_there_and_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(load(f, &plain), KM_HOST_DONE);
	assert_int_equal(load(f, &plain), KM_HOST_ALREADY);
	assert_int_equal(unload(f, &plain), KM_HOST_DONE);
	assert_int_equal(unload(f, &plain), KM_HOST_ALREADY);
	assert_false(sim_has(&f->sim, "sys/module/p"));
	assert_false(sim_has(&f->sim, "run/kmend/patches/p.json"));
}

/* The measured time is within a twentieth of the real one, for fast and for slow transitions. */
static void test_measure(void **state)
{
	static const double cases[] = {0.005, 0.04, 1.2, 9, 55};
	struct fixture *f = *state;

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct km_host_change change = {0};

		sim_put(&f->sim, "sim/busy", "%g\n", cases[i]);
		good(km_host_load(f->host, f->file, &plain, &change));
		assert_int_equal(change.outcome, KM_HOST_DONE);
		if (change.transition < cases[i] - 1e-6 || change.transition > cases[i] * 1.06 + 0.002)
			fail_msg("%g measured as %g", cases[i], change.transition);
		km_host_change_free(&change);
		assert_int_equal(unload(f, &plain), KM_HOST_DONE);
	}
}

/* The default limit is the documented one, and nothing is left after it. */
static void test_limit(void **state)
{
	struct fixture *f = *state;
	double begin;

	sim_put(&f->sim, "sim/busy", "1e9\n");
	begin = f->sim.clock;
	assert_int_equal(load(f, &plain), KM_HOST_REVERTED);
	assert_true(f->sim.clock - begin >= KM_HOST_TIMEOUT && f->sim.clock - begin < KM_HOST_TIMEOUT + 2);
	assert_false(sim_has(&f->sim, "sys/module/p"));
	begin = f->sim.clock;
	assert_int_equal(load(f, &(struct km_host_spec){.timeout = 3}), KM_HOST_REVERTED);
	assert_true(f->sim.clock - begin >= 3 && f->sim.clock - begin < 4);
}

struct seen {
	unsigned calls;
	size_t left;
	bool reverting;
};

static void note_progress(void *ctx, const struct km_progress *p)
{
	struct seen *seen = ctx;

	seen->calls++;
	seen->reverting |= p->reverting;
	if (!p->reverting)
		seen->left = p->left;
	assert_string_equal(p->patch, "p");
	assert_true(p->elapsed <= p->limit);
}

static void test_progress(void **state)
{
	struct fixture *f = *state;
	struct seen seen = {0};

	sim_task(&f->sim, 5, 5, "t", NULL);
	sim_task(&f->sim, 5, 6, "t", NULL);
	sim_put(&f->sim, "sim/busy", "1e9\n");
	sim_put(&f->sim, "sim/back", "4\n");
	assert_int_equal(load(f, &(struct km_host_spec){.timeout = 10, .progress = note_progress, .ctx = &seen}),
			 KM_HOST_REVERTED);
	assert_int_equal(seen.left, 2);
	assert_true(seen.reverting);
	assert_in_range(seen.calls, 8, 14);
}

/* The kernel held the patch before us: whose it is decides what load does. */
static void test_same_name(void **state)
{
	struct fixture *f = *state;
	struct km_host_change change = {0};

	sim_foreign(&f->sim, "p", true);
	refused(km_host_load(f->host, f->file, &plain, &change), KM_REFUSED, "nothing tells whether");
	sim_put(&f->sim, "sys/module/p/srcversion", "ABC\n");
	refused(km_host_load(f->host, f->file, &plain, &change), KM_REFUSED, "nothing tells whether");
	assert_int_equal(unload(f, &plain), KM_HOST_DONE);
	assert_int_equal(load(f, &plain), KM_HOST_DONE);
	sim_write_patch(f->file, &(struct sim_patch){.name = "p", .id = "cccccccccccccccccccccccccccccccccccccccc"});
	refused(km_host_load(f->host, f->file, &plain, &change), KM_REFUSED, "another build of p");
	sim_put(&f->sim, "sys/module/q/initstate", "live\n");
	sim_write_patch(f->file, &(struct sim_patch){.name = "q"});
	refused(km_host_load(f->host, f->file, &plain, &change), KM_REFUSED, "no live patch");
	assert_null(change.name);
}

static void test_one_transition(void **state)
{
	struct fixture *f = *state;
	struct km_host_change change = {0};

	assert_int_equal(load(f, &plain), KM_HOST_DONE);
	sim_foreign(&f->sim, "other", true);
	sim_put(&f->sim, "sys/kernel/livepatch/other/transition", "1\n");
	refused(km_host_unload(f->host, "p", &plain, &change), KM_REFUSED, "other is being applied");
	sim_put(&f->sim, "sys/kernel/livepatch/other/enabled", "0\n");
	refused(km_host_load(f->host, f->file, &plain, &change), KM_REFUSED, "other is being taken back");
}

static void test_resume(void **state)
{
	static const struct km_host_spec no_wait = {.no_wait = true};
	struct fixture *f = *state;
	struct km_host_change change = {0};

	sim_put(&f->sim, "sim/busy", "2\n");
	assert_int_equal(load(f, &no_wait), KM_HOST_STARTED);
	good(km_host_load(f->host, f->file, &plain, &change));
	assert_true(change.resumed);
	assert_int_equal(change.outcome, KM_HOST_DONE);
	km_host_change_free(&change);
	assert_int_equal(unload(f, &no_wait), KM_HOST_STARTED);
	assert_true(sim_has(&f->sim, "sys/module/p"));
	good(km_host_load(f->host, f->file, &plain, &change)); /* turned round */
	assert_true(change.resumed);
	km_host_change_free(&change);
	assert_int_equal(unload(f, &no_wait), KM_HOST_STARTED);
	assert_int_equal(unload(f, &plain), KM_HOST_DONE);
	assert_false(sim_has(&f->sim, "sys/module/p"));
}

static void test_errnos(void **state)
{
	static const struct {
		int sys;
		enum km_code code;
		const char *text;
	} cases[] = {
		{ENOEXEC, KM_REFUSED, "vermagic"}, {EKEYREJECTED, KM_REFUSED, "signed"},
		{EPERM, KM_ENV, "not permitted"},  {EINVAL, KM_REFUSED, "does not accept"},
		{EBUSY, KM_REFUSED, "busy"},	   {ENOMEM, KM_ENV, "cannot load p"},
		{ENOENT, KM_REFUSED, "symbol"},	   {ENOSYS, KM_ENV, "KMEND_ROOT"},
	};
	struct fixture *f = *state;
	struct km_host_change change = {0};

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		sim_put(&f->sim, "sim/load_errno", "%d\n", cases[i].sys);
		refused(km_host_load(f->host, f->file, &plain, &change), cases[i].code, cases[i].text);
		assert_false(sim_has(&f->sim, "run/kmend/patches/p.json"));
	}
}

/* Someone else turns our transition round while we wait. */
static void meddle(void *ctx, const struct km_progress *p)
{
	struct fixture *f = ctx;

	(void)p;
	sim_put(&f->sim, "sys/kernel/livepatch/p/enabled", "0\n");
}

static void test_meddling(void **state)
{
	struct fixture *f = *state;
	struct km_host_change change = {0};
	const struct km_host_spec spec = {.progress = meddle, .ctx = f};

	sim_put(&f->sim, "sim/busy", "1e9\n");
	refused(km_host_load(f->host, f->file, &spec, &change), KM_REFUSED, "by someone else");
}

static void test_force(void **state)
{
	struct fixture *f = *state;
	struct km_host_change change = {0};
	const struct km_host_spec spec = {.timeout = 1, .force = true};

	sim_put(&f->sim, "sim/busy", "1e9\n");
	good(km_host_load(f->host, f->file, &spec, &change));
	assert_true(change.forced && change.outcome == KM_HOST_DONE);
	km_host_change_free(&change);
	sim_put(&f->sim, "sim/busy", "0.1\n");
	good(km_host_unload(f->host, "p", &plain, &change));
	assert_int_equal(change.outcome, KM_HOST_KEPT);
	assert_non_null(strstr(change.why, "reference"));
	km_host_change_free(&change);
}

/* ---- kmend.ko ---- */

static void use_core(struct fixture *f)
{
	sim_write_patch(f->file, &(struct sim_patch){.name = "p", .core = true});
	sim_put(&f->sim, "sim/core", "1\n");
}

static void test_core_absent(void **state)
{
	struct fixture *f = *state;
	struct km_host_change change = {0};

	sim_write_patch(f->file, &(struct sim_patch){.name = "p", .core = true});
	assert_false(km_host_core_available(f->host));
	refused(km_host_load(f->host, f->file, &plain, &change), KM_REFUSED, "neither loaded nor installed");
	assert_false(sim_has(&f->sim, "run/kmend/patches/p.json"));
}

static void test_core(void **state)
{
	struct fixture *f = *state;
	km_applied_list all = {0};

	use_core(f);
	assert_true(km_host_core_available(f->host));
	assert_int_equal(load(f, &plain), KM_HOST_DONE);
	assert_int_equal(load(f, &plain), KM_HOST_ALREADY);
	good(km_host_list(f->host, &all));
	assert_int_equal(all.n, 1);
	assert_string_equal(all.at[0].backend, "core");
	assert_true(all.at[0].registered && all.at[0].enabled && !all.at[0].transition && all.at[0].ours);
	assert_string_equal(all.at[0].objects.at[0].funcs.at[0].name, "do_thing");
	km_applied_list_free(&all);
	assert_int_equal(unload(f, &plain), KM_HOST_DONE);
	assert_false(sim_has(&f->sim, "sys/module/p"));
}

static void mode_is(struct fixture *f, const char *path, const char *expected)
{
	KM_AUTOFREE char *mode = sim_get(&f->sim, path);

	assert_string_equal(mode, expected);
}

static void test_modes(void **state)
{
	static const struct km_host_spec stop = {.mode = "stop"}, lazy = {.mode = "lazy"}, hybrid = {.mode = "hybrid"};
	struct fixture *f = *state;
	struct km_host_change change = {0};

	/* The kernel's own has one. */
	refused(km_host_load(f->host, f->file, &stop, &change), KM_REFUSED, "hybrid alone");
	assert_int_equal(load(f, &hybrid), KM_HOST_DONE);
	refused(km_host_unload(f->host, "p", &lazy, &change), KM_REFUSED, "hybrid alone");
	assert_int_equal(unload(f, &hybrid), KM_HOST_DONE);
	/* The core's is that of the patch alone. */
	use_core(f);
	assert_int_equal(load(f, &stop), KM_HOST_DONE);
	mode_is(f, "sys/kernel/kmend/p/mode", "stop");
	mode_is(f, "sys/kernel/kmend/mode", "default");
	assert_false(sim_has(&f->sim, "run/kmend/core-mode"));
	sim_put(&f->sim, "sim/busy", "1e9\n");
	assert_int_equal(unload(f, &(struct km_host_spec){.mode = "lazy", .no_wait = true}), KM_HOST_STARTED);
	mode_is(f, "sys/kernel/kmend/p/mode", "lazy");
}

/* A load that was killed after it chose a mode. */
static void test_mode_of_the_dead(void **state)
{
	struct fixture *f = *state;

	use_core(f);
	assert_int_equal(load(f, &plain), KM_HOST_DONE);
	sim_put(&f->sim, "sys/kernel/kmend/mode", "stop\n");
	sim_put(&f->sim, "sys/kernel/kmend/deadline_ms", "7\n");
	sim_put(&f->sim, "run/kmend/core-mode", "hybrid\n30\n");
	assert_int_equal(unload(f, &plain), KM_HOST_DONE);
	mode_is(f, "sys/kernel/kmend/mode", "hybrid");
	mode_is(f, "sys/kernel/kmend/deadline_ms", "30");
	assert_false(sim_has(&f->sim, "run/kmend/core-mode"));
}

/* The core turns round by itself: that is no meddling, and who was in the way is known. */
static void test_deadline(void **state)
{
	static const struct km_host_spec spec = {.mode = "deadline", .deadline = 4};
	struct fixture *f = *state;
	struct km_host_change change = {0};

	use_core(f);
	sim_task(&f->sim, 7, 7, "c mm", NULL);
	sim_put(&f->sim, "sim/busy", "1e9\n");
	good(km_host_load(f->host, f->file, &spec, &change));
	assert_int_equal(change.outcome, KM_HOST_REVERTED);
	assert_true(change.limit == 4 && change.transition < 4);
	assert_int_equal(change.blockers.n, 1);
	assert_int_equal(change.blockers.at[0].pid, 7);
	assert_string_equal(change.blockers.at[0].comm, "c mm"); /* of /proc */
	assert_int_equal(change.blockers.at[0].stack.n, 1); /* what the core alone could tell */
	assert_string_equal(change.blockers.at[0].stack.at[0].name, "do_thing");
	assert_true(change.blockers.at[0].stack.at[0].patched);
	km_host_change_free(&change);
	assert_false(sim_has(&f->sim, "sys/module/p"));
	sim_put(&f->sim, "sim/busy", "0\n");
	assert_int_equal(load(f, &spec), KM_HOST_DONE);
	sim_put(&f->sim, "sim/busy", "1e9\n");
	assert_int_equal(unload(f, &spec), KM_HOST_REVERTED);
	assert_true(sim_has(&f->sim, "sys/module/p"));
	mode_is(f, "sys/kernel/kmend/p/mode", "default");
}

static void test_core_errnos(void **state)
{
	static const struct {
		int sys;
		const char *text;
	} cases[] = {{EILSEQ, "not the one that the patch was made for"},
		     {ENOEXEC, "another version of kmend.ko"},
		     {EBUSY, "a tracer owns a function"},
		     {EINVAL, "does not accept"}};
	struct fixture *f = *state;
	struct km_host_change change = {0};

	use_core(f);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		sim_put(&f->sim, "sim/load_errno", "%d\n", cases[i].sys);
		refused(km_host_load(f->host, f->file, &(struct km_host_spec){.mode = "stop"}, &change), KM_REFUSED, cases[i].text);
		mode_is(f, "sys/kernel/kmend/mode", "default");
	}
}

/* Of both flavours in the store the core's is taken where there is a core. */
static void test_store(void **state)
{
	struct fixture *f = *state;
	KM_AUTOFREE char *plain_path = NULL, *core_path = NULL;

	sim_put(&f->sim, "var/lib/kmend/patches/fix.ko", "x");
	sim_put(&f->sim, "var/lib/kmend/patches/core/fix.ko", "x");
	good(km_host_find_file(f->host, "fix", &plain_path));
	assert_non_null(strstr(plain_path, "patches/fix.ko"));
	sim_put(&f->sim, "sim/core", "1\n");
	good(km_host_find_file(f->host, "fix", &core_path));
	assert_non_null(strstr(core_path, "patches/core/fix.ko"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_measure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_progress, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_name, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_transition, setup, teardown),
		cmocka_unit_test_setup_teardown(test_resume, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errnos, setup, teardown),
		cmocka_unit_test_setup_teardown(test_meddling, setup, teardown),
		cmocka_unit_test_setup_teardown(test_force, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core, setup, teardown),
		cmocka_unit_test_setup_teardown(test_modes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mode_of_the_dead, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_core_errnos, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
