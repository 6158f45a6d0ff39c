/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "soak.h"

struct soak soak = {.cycles = 100, .modes = MODES_ALL, .fail_steps = "", .slow = 1};
struct tries tries;

static const struct {
	unsigned bit;
	const char *name;
} modes[] = {{MODE_STOP, "stop"}, {MODE_LAZY, "lazy"}, {MODE_HYBRID, "hybrid"}, {MODE_DEADLINE, "deadline"}};

const char *mode_name(unsigned mode)
{
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (modes[i].bit == mode)
			return modes[i].name;
	return "";
}

void soak_note(const char *format, ...)
{
	size_t n = strlen(soak.note);
	va_list args;

	va_start(args, format);
	vsnprintf(soak.note + n, sizeof(soak.note) - n, format, args);
	va_end(args);
}

bool soak_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(soak.note, sizeof(soak.note), format, args);
	va_end(args);
	return false;
}

/* Who is in the way, for the note of a failure. */
static void note_blockers(const char *patch)
{
	char path[128], text[300];

	snprintf(path, sizeof(path), CORE_SYSFS "/%s/blockers", patch);
	if (file_read(path, text, sizeof(text)) <= 0)
		return;
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ';';
	soak_note("; blockers: %s", text);
}

bool settle(const char *patch)
{
	int ms = patch_settle(patch, SETTLE_MS * soak.slow);

	if (ms >= 0)
		return true;
	soak_fail("%s: the transition does not end", patch);
	note_blockers(patch);
	return false;
}

bool remove_module(const char *name)
{
	int err = module_remove(name, 60000 * soak.slow);

	return !err || soak_fail("%s: cannot be removed: %s", name, strerror(-err));
}

#define TRIES 300

bool enable(const char *patch, const char *more)
{
	for (unsigned i = 0; i < TRIES; i++) {
		int err = module_insert(patch, "mode=%s %s", mode_name(soak.mode), more);

		if (err == -EBUSY) { /* mode stop; or the transition before this one still settles */
			tries.refused++;
			soak_sleep_ms(3);
			continue;
		}
		if (err)
			return soak_fail("%s: cannot be enabled: %s", patch, strerror(-err));
		if (!settle(patch))
			return false;
		if (patch_get(patch, "enabled") == 1)
			return true;
		if (soak.mode != MODE_DEADLINE)
			return soak_fail("%s: not enabled after its transition", patch);
		tries.reverted++;
		if (!remove_module(patch))
			return false;
	}
	return soak_fail("%s: refused or taken back %d times", patch, TRIES);
}

bool disable(const char *patch)
{
	for (unsigned i = 0; i < TRIES; i++) {
		int err = patch_set(patch, "enabled", "0");

		if (err == -EBUSY) {
			tries.refused++;
			soak_sleep_ms(3);
			continue;
		}
		if (err)
			return soak_fail("%s: cannot be disabled: %s", patch, strerror(-err));
		if (!settle(patch))
			return false;
		if (patch_get(patch, "enabled") != 1)
			return true;
		if (soak.mode != MODE_DEADLINE)
			return soak_fail("%s: enabled after its way back", patch);
		tries.reverted++;
	}
	return soak_fail("%s: cannot be disabled: refused or taken back %d times", patch, TRIES);
}

bool expect_version(int version)
{
	int is = oracle_call(ORACLE_NONE, 0);

	return is == version || soak_fail("version %d runs, not %d", is, version);
}

bool expect_transition(const char *patch, int value)
{
	int is = patch_get(patch, "transition");

	return is == value || soak_fail("%s: transition is %d, not %d", patch, is, value);
}

bool expect_no_mixes(void)
{
	struct oracle_counts counts[ORACLE_CONTEXTS];
	int err = oracle_read(counts);

	if (err)
		return soak_fail("the oracle cannot be read: %s", strerror(-err));
	for (int i = 0; i < ORACLE_CONTEXTS; i++)
		if (counts[i].mixes || counts[i].lost)
			return soak_fail("%s: %ld mixes, %ld lost relocations in %ld old and %ld new chains", counts[i].context,
					 counts[i].mixes, counts[i].lost, counts[i].calls[1],
					 counts[i].calls[2] + counts[i].calls[3]);
	return true;
}

bool expect_base(void)
{
	static const char *const patches[] = {"kmend_oracle2", "kmend_oracle3", "kmend_hot"};

	for (unsigned i = 0; i < sizeof(patches) / sizeof(patches[0]); i++)
		if (patch_present(patches[i]) || module_present(patches[i]))
			return soak_fail("%s is still there", patches[i]);
	for (int i = 0; i < LOAD_JOBS; i++)
		if (load_errors(i))
			return soak_fail("the load's job %s had %lu errors in %lu rounds", load_name(i), load_errors(i), load_rounds(i));
	return expect_version(1);
}

pid_t hold_child(enum oracle_rest rest, bool below)
{
	pid_t pid;

	oracle_steer("arm");
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_NAME, "soak_held");
		signal(SIGTERM, SIG_DFL);
		if (below)
			_exit(oracle_below(rest, 0) ? 1 : 0);
		_exit(oracle_call(rest, 0) > 0 ? 0 : 1);
	}
	soak_sleep_ms(100 * soak.slow); /* until it is there: nothing goes wrong if it is not, the case just says less */
	return pid;
}

bool release_child(pid_t pid)
{
	int status;

	oracle_steer("release");
	if (pid <= 0 || waitpid(pid, &status, 0) != pid)
		return soak_fail("there is no held task");
	return (WIFEXITED(status) && !WEXITSTATUS(status)) || soak_fail("the held task failed: status %#x", status);
}

bool clean_up(void)
{
	static const char *const patches[] = {"kmend_hot", "kmend_oracle3", "kmend_oracle2"};

	file_write("/sys/module/kmend/parameters/fail_at", "\n"); /* an empty write is none */
	file_write("/sys/module/kmend/parameters/unsafe_flip", "0");
	load_stop();
	if (!module_present("kmend_oracle"))
		module_insert("kmend_oracle", "%s", "");
	oracle_steer("release");
	for (unsigned i = 0; i < sizeof(patches) / sizeof(patches[0]); i++) {
		if (!patch_present(patches[i]) && !module_present(patches[i]))
			continue;
		patch_settle(patches[i], SETTLE_MS);
		patch_set(patches[i], "enabled", "0");
		patch_settle(patches[i], SETTLE_MS);
		if (module_remove(patches[i], 10000 * soak.slow))
			return false;
	}
	oracle_steer("reset");
	return oracle_call(ORACLE_NONE, 0) == 1;
}
