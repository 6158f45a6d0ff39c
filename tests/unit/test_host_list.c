/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host library reads: the kernel's identity, patches, records, and the tasks in the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs those before it */
#include <cmocka.h>
#include <unistd.h>

#include "sim.h"

struct fixture {
	struct sim sim;
	struct km_door door;
	km_host *host;
};

static void good(km_error *err)
{
	if (err)
		fail_msg("unexpected: %s", err->message);
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
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	km_host_close(f->host);
	good(km_remove_tree(f->sim.root));
	sim_close(&f->sim);
	free(f);
	return 0;
}

static void test_kernel(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(km_host_release(f->host), SIM_RELEASE);
	assert_string_equal(km_host_build_id(f->host), SIM_BUILD_ID);
	assert_int_equal(km_host_taint(f->host), 32768);
	assert_true(km_host_supported(f->host));
}

/* Notes that are cut, oversized or another's must give no build-id, and nothing worse. */
static void test_hostile_notes(void **state)
{
	static const struct {
		const char *what, *bytes;
		size_t n;
	} cases[] = {
		{"empty", "", 0},
		{"half a header", "\4\0\0\0\24\0", 6},
		{"cut in the name", "\4\0\0\0\24\0\0\0\3\0\0\0GN", 14},
		{"cut in the description", "\4\0\0\0\24\0\0\0\3\0\0\0GNU\0abc", 19},
		{"sizes near 2^32", "\xff\xff\xff\xff\xff\xff\xff\xff\3\0\0\0GNU\0", 16},
		{"another owner", "\4\0\0\0\4\0\0\0\3\0\0\0XEN\0abcd", 20},
		{"another type", "\4\0\0\0\4\0\0\0\1\0\0\0GNU\0abcd", 20},
		{"no description", "\4\0\0\0\0\0\0\0\3\0\0\0GNU\0", 16},
	};
	struct fixture *f = *state;
	KM_AUTOFREE char *path = km_path(f->sim.root, "sys/kernel/notes");

	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOHOST km_host *host = NULL;

		good(km_file_write(path, cases[i].bytes, cases[i].n));
		good(km_host_open(f->sim.root, &f->door, &host));
		if (*km_host_build_id(host))
			fail_msg("%s: gave %s", cases[i].what, km_host_build_id(host));
	}
}

static void test_second_note(void **state)
{
	static const char notes[] = "\4\0\0\0\3\0\0\0\1\0\0\0XEN\0abc\0\4\0\0\0\2\0\0\0\3\0\0\0GNU\0\xab\xcd";
	struct fixture *f = *state;
	KM_AUTOFREE char *path = km_path(f->sim.root, "sys/kernel/notes");
	KM_AUTOHOST km_host *host = NULL;

	good(km_file_write(path, notes, sizeof(notes) - 1));
	good(km_host_open(f->sim.root, &f->door, &host));
	assert_string_equal(km_host_build_id(host), "abcd");
}

static void test_no_proc(void **state)
{
	struct fixture *f = *state;
	KM_AUTOFREE char *path = km_path(f->sim.root, "proc/sys/kernel/osrelease");
	km_host *host = NULL;
	km_error *err;

	unlink(path);
	err = km_host_open(f->sim.root, &f->door, &host);
	assert_non_null(err);
	assert_int_equal(err->code, KM_ENV);
	assert_null(host);
	km_error_free(err);
}

static void test_foreign(void **state)
{
	struct fixture *f = *state;
	km_applied_list all = {0};
	const struct km_applied *p;

	sim_foreign(&f->sim, "kpatch_fix", true);
	sim_put(&f->sim, "sys/kernel/livepatch/kpatch_fix/replace", "1\n");
	sim_put(&f->sim, "sys/kernel/livepatch/kpatch_fix/ext4/patched", "0\n");
	sim_put(&f->sim, "sys/kernel/livepatch/kpatch_fix/ext4/ext4_fn,3/x", "\n");
	sim_put(&f->sim, "sys/module/left_over/taint", "OK\n");
	good(km_host_list(f->host, &all));
	assert_int_equal(all.n, 2);
	p = km_applied_find(&all, "kpatch_fix");
	assert_true(p->registered && p->enabled && !p->transition && !p->ours);
	assert_int_equal(p->replace, 1);
	assert_int_equal(p->stack_order, 0);
	assert_int_equal(p->objects.n, 2);
	assert_string_equal(p->objects.at[0].name, "ext4");
	assert_int_equal(p->objects.at[0].patched, 0);
	assert_string_equal(p->objects.at[0].funcs.at[0].name, "ext4_fn");
	assert_int_equal(p->objects.at[0].funcs.at[0].sympos, 3);
	p = km_applied_find(&all, "left_over");
	assert_true(!p->registered && !p->enabled);
	assert_null(km_applied_find(&all, "ext4"));
	km_applied_list_free(&all);
}

static void test_order(void **state)
{
	static const char *const names[] = {"c_low", "a_mid", "b_top"};
	struct fixture *f = *state;
	km_applied_list all = {0};

	for (int i = 0; i < 3; i++) {
		KM_AUTOFREE char *path = km_printf("sys/kernel/livepatch/%s/stack_order", names[i]);

		sim_foreign(&f->sim, names[i], true);
		sim_put(&f->sim, path, "%d\n", i + 1);
	}
	good(km_host_list(f->host, &all));
	for (int i = 0; i < 3; i++)
		assert_string_equal(all.at[i].name, names[i]);
	km_applied_list_free(&all);
}

/* A record is believed only for this boot and for the module that is in memory. */
static void test_stale_records(void **state)
{
	static const struct {
		const char *what, *text;
		bool ours;
	} cases[] = {
		{"good",
		 "{\"boot_id\":\"11111111-2222-3333-4444-555555555555\",\"version\":\"7\",\"cves\":[\"C\",1],\"uid\":"
		 "5}",
		 true},
		{"another boot", "{\"boot_id\":\"x\",\"version\":\"7\"}", false},
		{"no JSON", "{\"boot_id\":", false},
		{"no object", "[1]", false},
		{"wrong types", "{\"boot_id\":1,\"version\":2,\"cves\":3,\"uid\":\"x\",\"loaded_at\":[]}", true},
	};
	struct fixture *f = *state;

	sim_foreign(&f->sim, "p", true);
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		km_applied_list all = {0};

		sim_put(&f->sim, "run/kmend/patches/p.json", "%s", cases[i].text);
		good(km_host_list(f->host, &all));
		if (all.at[0].ours != cases[i].ours)
			fail_msg("%s", cases[i].what);
		if (!i) {
			assert_string_equal(all.at[0].version, "7");
			assert_int_equal(all.at[0].cves.n, 1);
			assert_int_equal(all.at[0].uid, 5);
		}
		km_applied_list_free(&all);
	}
}

static void begin_transition(struct fixture *f, const char *name, bool enabled)
{
	KM_AUTOFREE char *on = km_printf("sys/kernel/livepatch/%s/enabled", name);
	KM_AUTOFREE char *moving = km_printf("sys/kernel/livepatch/%s/transition", name);

	sim_foreign(&f->sim, name, enabled);
	sim_put(&f->sim, on, "%d\n", enabled);
	sim_put(&f->sim, moving, "1\n");
}

static void test_blockers(void **state)
{
	struct fixture *f = *state;
	km_blocker_list list = {0};

	begin_transition(f, "p", true);
	sim_task(&f->sim, 7, 7, "switched", NULL);
	sim_put(&f->sim, "proc/7/task/7/patch_state", "1\n");
	sim_task(&f->sim, 8, 9, "a) b (c",
		 "[<0>] do_thing+0x1/0x2\n[<0>] do_thing.cold+0x1/0x2\n[<0>] f+0x1/0x2 [older]\n");
	sim_put(&f->sim, "proc/8/task/9/patch_state", "0\n");
	sim_put(&f->sim, "proc/8/task/9/stat", "9 (a) b (c) D 2 0 0 0 -1 2097216 0\n");
	sim_foreign(&f->sim, "older", true);
	good(km_host_blockers(f->host, "p", true, &list));
	assert_int_equal(list.n, 1);
	assert_int_equal(list.at[0].pid, 8);
	assert_int_equal(list.at[0].tid, 9);
	assert_string_equal(list.at[0].comm, "a) b (c");
	assert_int_equal(list.at[0].state, 'D');
	assert_true(list.at[0].kthread);
	assert_int_equal(list.at[0].stack.n, 3);
	assert_true(list.at[0].stack.at[0].patched);
	assert_false(list.at[0].stack.at[1].patched);
	assert_true(list.at[0].stack.at[2].patched); /* an older patch's version of a function */
	assert_string_equal(list.at[0].stack.at[2].module, "older");
	assert_string_equal(list.at[0].stack.at[0].text, "do_thing+0x1/0x2");
	km_blocker_list_free(&list);
}

/* On the way back it is the patch's own code that holds a task, and the state to reach is 0. */
static void test_blockers_back(void **state)
{
	struct fixture *f = *state;
	km_blocker_list list = {0};

	begin_transition(f, "p", false);
	sim_task(&f->sim, 7, 7, "old", NULL);
	sim_put(&f->sim, "proc/7/task/7/patch_state", "0\n");
	sim_task(&f->sim, 8, 8, "new", "[<0>] do_thing+0x1/0x2\n[<0>] do_thing+0x1/0x2 [p]\n");
	sim_put(&f->sim, "proc/8/task/8/patch_state", "1\n");
	good(km_host_blockers(f->host, "p", true, &list));
	assert_int_equal(list.n, 1);
	assert_false(list.at[0].stack.at[0].patched);
	assert_true(list.at[0].stack.at[1].patched);
	km_blocker_list_free(&list);
	good(km_host_blockers(f->host, "absent", true, &list));
	assert_int_equal(list.n, 0);
}

/* What kmend.ko says: idle tasks are not in /proc, and those that have gone neither. */
static void test_blockers_of_the_core(void **state)
{
	struct fixture *f = *state;
	km_blocker_list list = {0};

	sim_put(&f->sim, "sys/kernel/kmend/p/enabled", "1\n");
	sim_put(&f->sim, "sys/kernel/kmend/p/transition", "1\n");
	sim_put(&f->sim, "sys/kernel/kmend/p/tasks_left", "5\n");
	sim_put(&f->sim, "sys/kernel/kmend/p/blockers",
		"0 0 swapper/1 running do_idle\n"
		"812 811 a\\040b\\134\\0 sleeping ext4_fn [ext4]\n"
		"9 9 c unreliable -\n"
		"x y\n"
		"7 7 cut\n");
	good(km_host_blockers(f->host, "p", true, &list));
	assert_int_equal(list.n, 3);
	assert_string_equal(list.at[0].comm, "swapper/1");
	assert_true(list.at[0].kthread && list.at[0].state == 'I');
	assert_string_equal(list.at[0].stack.at[0].name, "do_idle");
	assert_int_equal(list.at[1].pid, 811);
	assert_int_equal(list.at[1].tid, 812);
	assert_string_equal(list.at[1].comm, "a b\\\\0");
	assert_string_equal(list.at[1].stack.at[0].module, "ext4");
	assert_true(list.at[1].stack.at[0].patched);
	assert_int_equal(list.at[2].stack.n, 0);
	assert_string_equal(list.at[2].comm, "c");
	km_blocker_list_free(&list);
}

static void test_module_name(void **state)
{
	static const char *const cases[][2] = {
		{"a", "a"}, {"a.ko", "a"}, {"/x/y-z/a-b.ko", "a_b"}, {"./a", "a"},
		{"", ""},   {".ko", ""},   {"a.ko.ko", "a.ko"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *name = km_host_module_name(cases[i][0]);

		assert_string_equal(name, cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kernel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_notes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_note, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_proc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blockers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blockers_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blockers_of_the_core, setup, teardown),
		cmocka_unit_test(test_module_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
