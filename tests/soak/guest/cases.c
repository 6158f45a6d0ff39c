/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cases about one transition each: held, turned, forced, failed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "load_jobs.h"
#include "soak.h"

const struct soak_case soak_cases[] = {
	{"cycles", "enable, replace, stack, disable under load", MODES_ALL, case_cycles},
	{"hot", "the busiest functions: system calls, scheduler, timers, NMI", MODES_ALL, case_hot},
	{"storm", "a fork storm, children that call first thing", MODES_ALL, case_storm},
	{"reverse", "turned round while a task is held, both ways", MODES_GRADUAL, case_reverse},
	{"blockers", "the held task is named, and holds nobody else", MODES_GRADUAL, case_blockers},
	{"deep", "a stack of more than 100 frames is no obstacle", MODES_ALL, case_deep},
	{"stuck", "a kthread that never switches", MODES_ALL, case_stuck},
	{"coming", "the patched module leaves and comes while the patch stays", MODES_ALL, case_coming},
	{"target", "the patched module comes and goes during transitions", MODES_ALL, case_target},
	{"hotplug", "CPUs go and come in mid-transition", MODES_GRADUAL, case_hotplug},
	{"failures", "a failure at each step leaves all as it was", MODES_ALL, case_failures},
	{"refused", "pre_patch says no", MODES_ALL, case_refused},
	{"schedule", "schedule_timeout() in a given time, done or taken back", 0, case_sleepers_only},
	{"unsafe", "without a model the oracle shows mixes", 0, case_unsafe},
	{"reload", "the core leaves and comes back", 0, case_core_reload},
	{"force", "a transition is forced past a stuck kthread", 0, case_force, .last = true},
};
const unsigned soak_case_count = sizeof(soak_cases) / sizeof(soak_cases[0]);

/* Begins to enable, with somebody in the way. */
static bool begin(const char *patch, const char *more)
{
	int err = module_insert(patch, "mode=%s %s", mode_name(soak.mode), more);

	return !err || soak_fail("%s: cannot be enabled: %s", patch, strerror(-err));
}

static bool turn(const char *patch, const char *enabled)
{
	int err = patch_set(patch, "enabled", enabled);

	return !err || soak_fail("%s: %s cannot be written to enabled: %s", patch, enabled, strerror(-err));
}

/* A deadline that does not strike before the case is through. */
#define FAR "deadline_ms=100000"

static bool light_load(void)
{
	return load_start(LOAD_BIT(LOAD_SLEEP) | LOAD_BIT(LOAD_SPIN) | LOAD_BIT(LOAD_FILES) | LOAD_BIT(LOAD_BORN)) ||
	       soak_fail("the load cannot begin: %s", strerror(errno));
}

static bool reverse_enabling(void)
{
	pid_t pid = hold_child(ORACLE_HOLD, false);
	bool ok = begin("kmend_oracle2", FAR) && expect_transition("kmend_oracle2", 1) && turn("kmend_oracle2", "0") &&
		  settle("kmend_oracle2") && expect_version(1);

	return release_child(pid) && ok && remove_module("kmend_oracle2") && expect_version(1);
}

static bool reverse_disabling(void)
{
	bool ok = enable("kmend_oracle2", FAR) && expect_version(2);
	pid_t pid = ok ? hold_child(ORACLE_HOLD, false) : -1;

	ok = ok && turn("kmend_oracle2", "0") && expect_transition("kmend_oracle2", 1) && turn("kmend_oracle2", "1") &&
	     settle("kmend_oracle2") && expect_version(2);
	if (pid > 0 && !release_child(pid))
		return false;
	return ok && disable("kmend_oracle2") && remove_module("kmend_oracle2") && expect_version(1);
}

bool case_reverse(void)
{
	unsigned n = soak.cycles / 20 + 1;

	if (!light_load())
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!reverse_enabling() || !reverse_disabling())
			return false;
	soak_note("%u times each way", n);
	return expect_no_mixes();
}

bool case_blockers(void)
{
	pid_t pid = hold_child(ORACLE_HOLD, false);
	char path[] = CORE_SYSFS "/kmend_oracle2/blockers", text[1024], want[32];
	bool ok;

	ok = begin("kmend_oracle2", FAR);
	soak_sleep_ms(1500 * soak.slow); /* the others have switched by now */
	ok = ok && expect_transition("kmend_oracle2", 1);
	snprintf(want, sizeof(want), "%d", pid);
	if (ok && file_read(path, text, sizeof(text)) <= 0)
		ok = soak_fail("blockers cannot be read");
	if (ok && (!strstr(text, want) || !strstr(text, "soak_held")))
		ok = soak_fail("the held task %d is not among the blockers: %s", pid, text);
	if (ok && soak.mode != MODE_LAZY)
		ok = expect_version(2); /* this task is not held up by that one */
	if (!release_child(pid) || !ok)
		return false;
	return settle("kmend_oracle2") && expect_version(2) && disable("kmend_oracle2") && remove_module("kmend_oracle2") &&
	       expect_no_mixes();
}

/* The stack check has to get through ORACLE_FRAMES frames; lazy waits for the way to user space instead. */
bool case_deep(void)
{
	pid_t pid = hold_child(ORACLE_HOLD, true);
	bool ok;

	if (soak.mode == MODE_LAZY) {
		ok = begin("kmend_oracle2", "");
		ok = release_child(pid) && ok && settle("kmend_oracle2");
	} else {
		ok = enable("kmend_oracle2", "");
		if (!release_child(pid))
			return false;
	}
	if (!ok || !expect_version(2))
		return false;
	pid = hold_child(ORACLE_HOLD, true);
	if (soak.mode == MODE_LAZY) {
		ok = turn("kmend_oracle2", "0");
		ok = release_child(pid) && ok && settle("kmend_oracle2");
	} else {
		ok = disable("kmend_oracle2");
		if (!release_child(pid))
			return false;
	}
	soak_note("%d frames", ORACLE_FRAMES);
	return ok && remove_module("kmend_oracle2") && expect_version(1);
}

/* ---- a kthread that never switches ---------------------------------------------------------------------------------------------------- */
static bool begin_stuck(void)
{
	if (oracle_steer("arm") || oracle_steer("stuck"))
		return soak_fail("there is no stuck kthread");
	soak_sleep_ms(100 * soak.slow);
	return true;
}

static bool stuck_stop(void)
{
	double begin_at = soak_now();
	int err = module_insert("kmend_oracle2", "mode=stop");

	if (err != -EBUSY)
		return soak_fail("with a task in the old function, mode stop says %s, not EBUSY", strerror(-err));
	soak_note("refused after %.2f s", soak_now() - begin_at);
	return !patch_present("kmend_oracle2") || soak_fail("kmend_oracle2 was refused and is there");
}

static bool stuck_deadline(void)
{
	unsigned deadline = 3000 * soak.slow;
	double begin_at = soak_now(), took;
	char args[32];
	int ms;

	snprintf(args, sizeof(args), "deadline_ms=%u", deadline);
	if (!begin("kmend_oracle2", args))
		return false;
	ms = patch_settle("kmend_oracle2", 3 * deadline);
	took = soak_now() - begin_at;
	soak_note("taken back after %.2f s of %.1f", took, deadline / 1e3);
	if (ms < 0 || took > deadline / 1e3 + 1.5 * soak.slow)
		return soak_fail("the deadline of %u ms: still under way after %.2f s", deadline, took);
	if (patch_get("kmend_oracle2", "enabled") == 1)
		return soak_fail("enabled, with a task in the old function");
	oracle_steer("release");
	return remove_module("kmend_oracle2");
}

static bool stuck_gradual(void)
{
	if (!begin("kmend_oracle2", ""))
		return false;
	soak_sleep_ms(2000 * soak.slow);
	if (!expect_transition("kmend_oracle2", 1))
		return false;
	if (!turn("kmend_oracle2", "0") || !settle("kmend_oracle2"))
		return false;
	oracle_steer("release"); /* the module's memory stays until the kthread has slept once: an RCU-tasks grace period */
	return remove_module("kmend_oracle2");
}

bool case_stuck(void)
{
	bool ok = begin_stuck();

	if (ok && soak.mode == MODE_STOP)
		ok = stuck_stop();
	else if (ok && soak.mode == MODE_DEADLINE)
		ok = stuck_deadline();
	else
		ok = ok && stuck_gradual();
	oracle_steer("release");
	return ok && expect_version(1) && expect_no_mixes();
}

bool case_force(void)
{
	bool ok;

	soak.mode = MODE_HYBRID;
	ok = begin_stuck() && begin("kmend_oracle2", "");
	soak_sleep_ms(500 * soak.slow);
	ok = ok && expect_transition("kmend_oracle2", 1);
	if (ok && patch_set("kmend_oracle2", "force", "1"))
		ok = soak_fail("force cannot be written");
	ok = ok && settle("kmend_oracle2") && expect_version(2);
	oracle_steer("release");
	/* Its code may be in use for ever. */
	if (ok && !module_remove("kmend_oracle2", 200))
		return soak_fail("the module of a forced patch was removed");
	return ok;
}

bool case_hotplug(void)
{
	unsigned cpus = cpus_possible(), moves = 0;
	pid_t pid;
	bool ok;

	if (cpus < 2)
		return true;
	pid = hold_child(ORACLE_HOLD, false);
	ok = light_load() && begin("kmend_oracle2", FAR);
	for (unsigned round = 0; ok && round < 3; round++)
		for (unsigned cpu = 1; ok && cpu < cpus; cpu++) {
			if (cpu_set_online(cpu, false))
				ok = soak_fail("CPU %u cannot go", cpu);
			soak_sleep_ms(20);
			if (cpu_set_online(cpu, true))
				ok = soak_fail("CPU %u cannot come", cpu);
			moves++;
			ok = ok && expect_transition("kmend_oracle2", 1);
		}
	if (!release_child(pid) || !ok)
		return false;
	if (!settle("kmend_oracle2") || !expect_version(2))
		return false;
	soak_note("%u times a CPU went and came", moves);
	return disable("kmend_oracle2") && remove_module("kmend_oracle2") && expect_version(1) && expect_no_mixes();
}

/* ---- failures ------------------------------------------------------------------------------------------------------------------------- */
#define FAIL_AT "/sys/module/kmend/parameters/fail_at"

static struct {
	unsigned refused, survived;
} failures;

/* It was enabled, or began to be and was taken back: then it must be sound, and go. */
static bool take_back(const char *patch)
{
	bool on;

	if (!settle(patch))
		return false;
	on = patch_get(patch, "enabled") == 1;
	if (!expect_version(on ? 2 : 1))
		return false;
	if (on && patch_set(patch, "enabled", "0") && !expect_version(2)) /* the way back failed: it is enabled as before */
		return false;
	if (!settle(patch))
		return false;
	return (patch_get(patch, "enabled") != 1 || disable(patch)) && remove_module(patch);
}

/* The Nth time that the step is reached while a patch comes and goes. *passed: there is an Nth time. */
static bool fails_at(const char *step, unsigned n, bool *passed)
{
	char at[64], left[64];
	int err;

	snprintf(at, sizeof(at), "%s:%u", step, n);
	if (file_write(FAIL_AT, at))
		return soak_fail("the core was built without fail_at");
	err = module_insert("kmend_oracle2", "mode=%s", mode_name(soak.mode));
	if (!err && !take_back("kmend_oracle2"))
		return false;
	*passed = file_read(FAIL_AT, left, sizeof(left)) == 0;
	file_write(FAIL_AT, "\n");
	if (patch_present("kmend_oracle2") || module_present("kmend_oracle2"))
		return soak_fail("a failed patch is still there");
	if (*passed && err)
		failures.refused++;
	else if (*passed)
		failures.survived++;
	return expect_version(1);
}

#define TIMES 6
bool case_failures(void)
{
	char steps[512], *save = NULL, note[sizeof(soak.note)];
	unsigned n_steps = 0;

	snprintf(steps, sizeof(steps), "%s", soak.fail_steps);
	memset(&failures, 0, sizeof(failures));
	if (!light_load())
		return false;
	for (char *step = strtok_r(steps, ",", &save); step; step = strtok_r(NULL, ",", &save)) {
		bool passed = true;

		for (unsigned n = 1; n <= TIMES && passed; n++)
			if (!fails_at(step, n, &passed)) {
				snprintf(note, sizeof(note), "%s", soak.note);
				return soak_fail("at %s:%u: %.400s", step, n, note);
			}
		n_steps++;
	}
	soak_note("%u steps: %u failures refused the patch, %u were survived", n_steps, failures.refused, failures.survived);
	if (n_steps && !failures.refused)
		return soak_fail("no failure was injected");
	/* and it works without */
	return enable("kmend_oracle2", "") && expect_version(2) && disable("kmend_oracle2") && remove_module("kmend_oracle2") &&
	       expect_no_mixes();
}

bool case_refused(void)
{
	int err = module_insert("kmend_oracle2", "mode=%s refuse=1", mode_name(soak.mode));

	if (err != -EPERM)
		return soak_fail("pre_patch said EPERM, insmod says %s", strerror(-err));
	return !patch_present("kmend_oracle2") || soak_fail("kmend_oracle2 was refused and is there");
}

bool case_core_reload(void)
{
	for (unsigned i = 0; i < soak.cycles / 20 + 2; i++) {
		int err;

		if (!remove_module("kmend"))
			return false;
		err = module_insert("kmend", "%s", "");
		if (err)
			return soak_fail("the core cannot come back: %s", strerror(-err));
		soak.mode = MODE_HYBRID;
		if (!enable("kmend_oracle2", "") || !expect_version(2) || !disable("kmend_oracle2") || !remove_module("kmend_oracle2"))
			return false;
	}
	return expect_version(1) && expect_no_mixes();
}
