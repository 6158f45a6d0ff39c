/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "check.h"

#include "../../lib/lab/log.h"

/* Lines as kernels print them, and the word that the reason must have; NULL: no finding. */
static const struct {
	const char *line, *reason;
} lines[] = {
	{"[    1.0] WARNING: CPU: 0 PID: 1 at kernel/livepatch/core.c:100 klp_x+0x1/0x2", "warning"},
	{"[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000", "NULL pointer"},
	{"[    1.0] BUG: unable to handle page fault for address: ffffffffc0000000", "bad address"},
	{"[    1.0] kernel BUG at mm/slub.c:379!", "BUG()"},
	{"[    1.0] Oops: 0002 [#1] PREEMPT SMP NOPTI", "oops"},
	{"[    1.0] general protection fault, probably for non-canonical address 0xdead: 0000 [#1]",
	 "general protection"},
	{"[    1.0] traps: cat[90] general protection fault ip:401000 sp:7ffc error:0", NULL},
	{"[    1.0] traps: cat[90] trap invalid opcode ip:401000 sp:7ffc error:0", NULL},
	{"[    1.0] invalid opcode: 0000 [#1] PREEMPT SMP", "invalid opcode"},
	{"[    1.0] Kernel panic - not syncing: sysrq triggered crash", "panicked"},
	{"[   22.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "RCU stall"},
	{"[   22.0] rcu: INFO: rcu_preempt self-detected stall on CPU", "RCU stall"},
	{"[   22.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [sh:80]", "soft lockup"},
	{"[  122.0] INFO: task sh:80 blocked for more than 120 seconds.", "hung task"},
	{"[    1.0] WARNING: possible circular locking dependency detected", "lock order"},
	{"[    1.0] WARNING: suspicious RCU usage", "RCU"},
	{"[    1.0] BUG: scheduling while atomic: sh/80/0x00000002", "sleeping"},
	{"[    1.0] BUG: sleeping function called from invalid context at mm/x.c:1", "sleeping"},
	{"[    1.0] refcount_t: underflow; use-after-free.", "reference count"},
	{"[    1.0] list_del corruption. prev->next should be ffff888", "list"},
	{"[    1.0] x86/modules: Invalid relocation target, existing value is nonzero for type 2", "relocation"},
	{"[    1.0] livepatch: failed to apply patch 'a' to module 'b'", "livepatch failed"},
	{"[    1.0] livepatch: patch 'a' failed for module 'b', refusing to load the module 'b'", "refused"},
	{"[    1.0] Out of memory: Killed process 80 (sh)", "memory"},
	{"[    1.0] BUG: KASAN: use-after-free in foo", "KASAN"},
	/* What a live patch does to every log. */
	{"[    1.0] a: loading out-of-tree module taints kernel.", NULL},
	{"[    1.0] a: module verification failed: signature and/or required key missing - tainting kernel", NULL},
	{"[    1.0] a: tainting kernel with TAINT_LIVEPATCH", NULL},
	{"[    1.0] livepatch: enabling patch 'a'", NULL},
	{"[    1.0] livepatch: 'a': starting patching transition", NULL},
	{"[    1.0] livepatch: signaling remaining tasks", NULL},
	{"[    1.0] livepatch: 'a': patching complete", NULL},
	{"[    1.0] sh (80): drop_caches: 3", NULL},
	{"[    1.0] Call Trace:", NULL},
	{"", NULL},
};

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < KM_COUNT(lines); i++) {
		const char *reason = km_lab_finding(lines[i].line);

		if (!lines[i].reason != !reason || (reason && !strstr(reason, lines[i].reason)))
			fail_msg("%s: %s", lines[i].line, reason ? reason : "no finding");
	}
}

static void feed(struct lab_log *log, const char *text, size_t piece)
{
	for (size_t n = strlen(text), i = 0; i < n; i += piece)
		lab_log_feed(log, text + i, n - i < piece ? n - i : piece);
	lab_log_end(log);
}

static void test_steps(void **state)
{
	static const char text[] =
		"[1] WARNING: early\r\n[1] kmend-lab: step 0\r\n[1] kmend-lab: step 7\r\nquiet\n"
		"[2] BUG: in seven\r\n[2] WARNING: known noise\r\n[2] kmend-lab: step x\n[2] Kernel panic - no";

	(void)state;
	for (size_t piece = 1; piece < 40; piece += 6) {
		struct lab_log log = {.step = KM_LAB_BOOT};
		km_strv allow = {0};

		km_strv_push(&allow, "known noise");
		log.allow = &allow;
		feed(&log, text, piece);
		assert_int_equal(log.findings.n, 3);
		assert_true(log.findings.at[0].step == KM_LAB_BOOT);
		assert_int_equal(log.findings.at[1].step, 7);
		assert_string_equal(log.findings.at[1].line, "[2] BUG: in seven");
		assert_true(log.panicked);
		assert_null(strchr(log.text.at, '\r'));
		assert_non_null(strstr(log.text.at, "[1] kmend-lab: step 0\n[1] kmend-lab: step 7\n"));
		lab_log_free(&log);
		km_strv_free(&allow);
	}
}

/* A flood ends at the bounds. */
static void test_bounds(void **state)
{
	struct lab_log log = {.step = KM_LAB_BOOT};
	km_str flood = {0};

	(void)state;
	for (int i = 0; i < 1000; i++)
		km_str_add(&flood, "WARNING: \x1b[2J again and again\n");
	for (int i = 0; i < 400; i++)
		lab_log_feed(&log, flood.at, flood.n);
	for (int i = 0; i < 100; i++)
		lab_log_feed(&log, "a line that never ends, ", 24);
	assert_int_equal(log.text.n, KM_LAB_LOG_MAX);
	assert_int_equal(log.findings.n, KM_LAB_FINDINGS_MAX);
	assert_string_equal(log.findings.at[0].line, "WARNING: ?[2J again and again");
	assert_true(log.line.n <= 1024);
	lab_log_free(&log);
	km_str_free(&flood);
}

static void test_printable(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"plain\ttext\n", "plain\ttext\n"},
		{"\x1b]0;title\x07", "?]0;title?"},
		{"caf\xc3\xa9 \xe2\x82\xac", "caf\xc3\xa9 \xe2\x82\xac"},
		{"\xc2\x9b"
		 "31m",
		 "??31m"},				    /* C1 CSI */
		{"\xc0\xaf \xed\xa0\x80 \xff", "?? ??? ?"}, /* overlong, surrogate, never */
		{"cut \xe2\x82", "cut ??"},
		{"\r\x7f", "??"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *out = km_lab_printable(cases[i].in, strlen(cases[i].in));

		assert_string_equal(out, cases[i].out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_steps),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
