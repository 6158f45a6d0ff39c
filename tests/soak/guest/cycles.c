/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases that go round and round. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load_jobs.h"
#include "soak.h"

/* In mode stop everybody must be outside of the functions at one instant, so there the load leaves some time. */
static void pace(void)
{
	bool stop = soak.mode == MODE_STOP;

	oracle_pace((stop ? 20000 : 2000) * soak.slow);
	load_set_pause((stop ? 500 : 100) * soak.slow);
}

static bool replace_cycle(void)
{
	return enable("kmend_oracle2", "") && expect_version(2) && enable("kmend_oracle3", "replace=1") && expect_version(3) &&
	       remove_module("kmend_oracle2") && disable("kmend_oracle3") && remove_module("kmend_oracle3") && expect_version(1);
}

static bool stack_cycle(void)
{
	return enable("kmend_oracle2", "") && enable("kmend_oracle3", "replace=0") && expect_version(3) && disable("kmend_oracle3") &&
	       expect_version(2) && remove_module("kmend_oracle3") && disable("kmend_oracle2") && remove_module("kmend_oracle2") &&
	       expect_version(1);
}

/* Every context ran every version: the oracle looked everywhere. */
static bool expect_all_seen(void)
{
	struct oracle_counts counts[ORACLE_CONTEXTS];
	long chains = 0;

	if (oracle_read(counts))
		return soak_fail("the oracle cannot be read");
	for (int i = 0; i < ORACLE_CONTEXTS; i++)
		for (int v = 1; v < ORACLE_VERSIONS; v++) {
			chains += counts[i].calls[v];
			/* NMIs are sent to other CPUs only */
			if (soak.cycles >= 100 && !counts[i].calls[v] && !(cpus_possible() == 1 && !strcmp(counts[i].context, "nmi")))
				return soak_fail("%s never ran version %d: the oracle saw too little", counts[i].context, v);
		}
	soak_note("%ld chains, no mix", chains);
	if (tries.refused || tries.reverted)
		soak_note(", %lu refused, %lu taken back in time", tries.refused, tries.reverted);
	return true;
}

static bool rounds_of(unsigned n, unsigned load, bool (*cycle)(void))
{
	double begin = soak_now();

	pace();
	if (!load_start(load))
		return soak_fail("the load cannot begin: %s", strerror(errno));
	for (unsigned i = 0; i < n; i++) {
		if (!cycle())
			return false;
		if (i % 50 == 49)
			fprintf(stderr, "# %s %s: %u of %u\n", "cycles", mode_name(soak.mode), i + 1, n);
	}
	load_stop();
	soak_note("%u cycles in %.1f s, ", n, soak_now() - begin);
	return expect_no_mixes();
}

bool case_cycles(void)
{
	unsigned load = LOAD_BASE | LOAD_BIT(LOAD_MODULES) | (cpus_possible() > 1 ? LOAD_BIT(LOAD_HOTPLUG) : 0);

	if (soak.load) {
		load = 0;
		for (int i = 0; i < LOAD_JOBS; i++)
			load |= in_list(soak.load, load_name(i)) ? LOAD_BIT(i) : 0;
	} else if (soak.mode == MODE_STOP) /* one that is in the middle of the functions nearly always would hold all */
		load &= ~(LOAD_BIT(LOAD_INTERRUPTIBLE) | LOAD_BIT(LOAD_BORN));
	if (!rounds_of(soak.cycles - soak.cycles / 5, load, replace_cycle))
		return false;
	if (soak.cycles >= 5 && !rounds_of(soak.cycles / 5, load, stack_cycle))
		return false;
	return expect_all_seen();
}

bool case_storm(void)
{
	unsigned long before = load_rounds(LOAD_FORK), born = load_rounds(LOAD_BORN);
	unsigned load = LOAD_BIT(LOAD_FORK) | LOAD_BIT(LOAD_SCHED) | (soak.mode == MODE_STOP ? 0 : LOAD_BIT(LOAD_BORN));
	bool ok;

	load_set_pause(10);
	if (!load_start(load))
		return soak_fail("the load cannot begin: %s", strerror(errno));
	ok = true;
	for (unsigned i = 0; ok && i < soak.cycles / 10 + 2; i++)
		ok = replace_cycle();
	if (!ok)
		return false;
	soak_note("%lu processes, %lu that ran a chain first", 14 * (load_rounds(LOAD_FORK) - before), load_rounds(LOAD_BORN) - born);
	return expect_no_mixes();
}

/* ---- kmend_hot ---------------------------------------------------------------------------------------------------------------------- */
/* Bits of kmend_hot's functions, in the order of its table. */
#define HOT_VFS_READ 0x01
#define HOT_NANOSLEEP 0x04
#define HOT_ALL_BUT_SCHEDULE 0x3f
#define HOT_SCHEDULE 0x40

static unsigned long hot_calls(void)
{
	char text[32];

	if (file_read("/sys/module/kmend_hot/parameters/calls", text, sizeof(text)) <= 0)
		return 0;
	return strtoul(text, NULL, 10);
}

/* A name that this kernel has inlined away cannot be patched. */
static unsigned hot_mask(unsigned wanted)
{
	static const char *const names[] = {"vfs_read", "do_sys_openat2", "do_nanosleep", "process_timeout",
					    "hrtimer_wakeup", "nmi_handle", "schedule_timeout"};
	static unsigned found;
	char line[256], name[128];
	FILE *f = found ? NULL : fopen("/proc/kallsyms", "r");

	while (f && fgets(line, sizeof(line), f))
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (sscanf(line, "%*s %*s %127s", name) == 1 && !strcmp(name, names[i]))
				found |= 1u << i;
	if (f)
		fclose(f);
	return found & wanted;
}

static bool hot_cycle(void)
{
	unsigned wanted = HOT_ALL_BUT_SCHEDULE & ~(soak.mode == MODE_STOP ? HOT_NANOSLEEP | HOT_VFS_READ : 0);
	char functions[32];
	unsigned long calls;

	snprintf(functions, sizeof(functions), "functions=%u", hot_mask(wanted));
	if (!enable("kmend_hot", functions))
		return false;
	calls = hot_calls();
	soak_sleep_ms(5);
	if (hot_calls() <= calls)
		return soak_fail("the new functions do not run");
	return disable("kmend_hot") && remove_module("kmend_hot");
}

bool case_hot(void)
{
	unsigned load = LOAD_BIT(LOAD_SCHED) | LOAD_BIT(LOAD_FILES) | LOAD_BIT(LOAD_NET) | LOAD_BIT(LOAD_TIMERS) | LOAD_BIT(LOAD_FORK);
	unsigned mask = hot_mask(HOT_ALL_BUT_SCHEDULE);

	soak_note("functions %#x, ", mask);
	return rounds_of(soak.cycles / 4 + 1, load, hot_cycle);
}

/* ---- the target module comes and goes ----------------------------------------------------------------------------------------------- */
static bool coming_cycle(void)
{
	if (!remove_module("kmend_oracle") || !enable("kmend_oracle2", ""))
		return false;
	for (int i = 0; i < 3; i++) {
		int err = module_insert("kmend_oracle", "%s", "");

		if (err)
			return soak_fail("the patched module cannot come: %s", strerror(-err));
		if (!expect_version(2) || !expect_no_mixes())
			return false;
		if (i < 2 && !remove_module("kmend_oracle"))
			return false;
	}
	return disable("kmend_oracle2") && remove_module("kmend_oracle2") && expect_version(1);
}

bool case_coming(void)
{
	return rounds_of(soak.cycles / 10 + 1, LOAD_BIT(LOAD_FILES) | LOAD_BIT(LOAD_SCHED), coming_cycle);
}

static bool blind_cycle(void)
{
	return enable("kmend_oracle2", "") && enable("kmend_oracle3", "replace=1") && remove_module("kmend_oracle2") &&
	       disable("kmend_oracle3") && remove_module("kmend_oracle3");
}

/* It does so by itself, whenever a transition happens to be. */
bool case_target(void)
{
	unsigned load = LOAD_BIT(LOAD_TARGET) | LOAD_BIT(LOAD_SLEEP) | LOAD_BIT(LOAD_YIELD) | LOAD_BIT(LOAD_FILES);
	unsigned long before = load_rounds(LOAD_TARGET);

	if (!rounds_of(soak.cycles / 5 + 5, load, blind_cycle))
		return false;
	soak_note("%lu times gone and back", load_rounds(LOAD_TARGET) - before);
	return true;
}

/* ---- the oracle can fail ------------------------------------------------------------------------------------------------------------ */
bool case_unsafe(void)
{
	struct oracle_counts counts[ORACLE_CONTEXTS];
	long mixes = 0, chains = 0;

	if (file_write("/sys/module/kmend/parameters/unsafe_flip", "1"))
		return soak_fail("the core was built without unsafe_flip");
	soak.mode = MODE_HYBRID;
	pace();
	load_start(LOAD_BASE);
	for (int i = 0; i < 50 && !mixes; i++) {
		if (!replace_cycle())
			return false;
		if (oracle_read(counts))
			return soak_fail("the oracle cannot be read");
		for (int c = 0; c < ORACLE_CONTEXTS; c++) {
			mixes += counts[c].mixes;
			for (int v = 1; v < ORACLE_VERSIONS; v++)
				chains += counts[c].calls[v];
		}
	}
	file_write("/sys/module/kmend/parameters/unsafe_flip", "0");
	load_stop();
	oracle_steer("reset");
	soak_note("%ld mixes in %ld chains", mixes, chains);
	return mixes > 0 || soak_fail("no mix in %ld chains without a consistency model", chains);
}

/* ---- schedule_timeout(): a kthread that sleeps in it for minutes must not cost more than the time given ------------------------------- */
bool case_sleepers_only(void)
{
	double begin = soak_now(), took;
	char args[96];
	int err, ms;

	snprintf(args, sizeof(args), "mode=deadline deadline_ms=%u functions=%u", 3000 * soak.slow, hot_mask(HOT_SCHEDULE));
	load_start(LOAD_BIT(LOAD_SCHED) | LOAD_BIT(LOAD_NET));
	err = module_insert("kmend_hot", "%s", args);
	if (err)
		return soak_fail("kmend_hot cannot be enabled: %s", strerror(-err));
	ms = patch_settle("kmend_hot", 20000 * soak.slow);
	took = soak_now() - begin;
	if (ms < 0)
		return soak_fail("the transition has not ended after %.1f s", took);
	soak_note("%s after %.2f s of %u.0", patch_get("kmend_hot", "enabled") == 1 ? "patched" : "taken back", took, 3 * soak.slow);
	soak.mode = MODE_DEADLINE;
	if (patch_get("kmend_hot", "enabled") == 1 && patch_set("kmend_hot", "enabled", "0"))
		return soak_fail("kmend_hot cannot be disabled");
	/* The way back meets the same sleepers, on the other side: it is tried until it holds. */
	return settle("kmend_hot") && (patch_get("kmend_hot", "enabled") != 1 || disable("kmend_hot")) && remove_module("kmend_hot");
}
