/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live patches, through sysfs: the kernel's own livepatch (Documentation/ABI/testing/sysfs-kernel-livepatch) and kmend.ko
 * (include/uapi/kmend.h), which shows the same files in its own directory. Load and wait, prove that it is in effect, take back.
 *
 * A task in the way is looked for by /proc/PID/task/TID/patch_state: 0 or 1 is the state it has, -1 none; kmend.ko lists them.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

#define KLP_DIR	 "/sys/kernel/livepatch"
#define CORE_DIR "/sys/kernel/kmend"
enum { BLOCKERS_SHOWN = 8 };

static bool is_core(const char *patch)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), CORE_DIR "/%s", patch);
	return !access(path, F_OK);
}

static const char *dir_of(const char *patch)
{
	return is_core(patch) ? CORE_DIR : KLP_DIR;
}

/* The first line without its newline, or "" when it cannot be read. */
static const char *read_line(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	if (fd >= 0)
		close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return buf;
}

static const char *attribute(const char *patch, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s/%s", dir_of(patch), patch, name);
	return read_line(path, buf, size);
}

static int set_enabled(const char *patch, const char *value)
{
	char path[PATH_MAX];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s/enabled", dir_of(patch), patch);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, value, 1) != 1)
		err = errno;
	close(fd);
	return err;
}

/* True when the transition ended (or the patch left sysfs, as it does after a disable) in time. The naps begin
 * short: most transitions are over before the kernel's first second is. */
static bool wait_transition(const char *patch, double timeout)
{
	char buf[16];

	for (double end = now() + timeout, step = 0.0005;; step = step < 0.02 ? 2 * step : 0.02) {
		if (strcmp(attribute(patch, "transition", buf, sizeof(buf)), "1"))
			return true;
		if (now() >= end)
			return false;
		report_beat();
		nap(step);
	}
}

static void show_stack(struct step *s, const char *task)
{
	char path[PATH_MAX + 8], text[2048];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), "%s/stack", task);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	n = read(fd, text, sizeof(text));
	close(fd);
	if (n > 0)
		report("out", s->number, text, n);
}

/* One task: true, and told of, when its state is not the wanted one. */
static bool blocks(struct step *s, const char *task, const char *tid, const char *wanted)
{
	char path[PATH_MAX + 16], state[16], comm[64];

	snprintf(path, sizeof(path), "%s/patch_state", task);
	read_line(path, state, sizeof(state));
	if (!*state || !strcmp(state, "-1") || !strcmp(state, wanted))
		return false;
	snprintf(path, sizeof(path), "%s/comm", task);
	report_text("out", s->number, "in the way: task %s (%s)\n", tid, read_line(path, comm, sizeof(comm)));
	show_stack(s, task);
	return true;
}

static void show_core_blockers(struct step *s, const char *patch)
{
	char path[PATH_MAX], text[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), CORE_DIR "/%s/blockers", patch);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (fd >= 0)
		close(fd);
	report_text("out", s->number, "in the way:\n");
	if (n > 0)
		report("out", s->number, text, n);
}

static void show_blockers(struct step *s, const char *patch, const char *wanted)
{
	DIR *proc = opendir("/proc"), *tasks;
	struct dirent *p, *t;
	int shown = 0;

	if (is_core(patch))
		show_core_blockers(s, patch);
	while (proc && (p = readdir(proc)) && shown < BLOCKERS_SHOWN) {
		char path[32], task[64];

		if (!isdigit((unsigned char)*p->d_name))
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/task", p->d_name);
		tasks = opendir(path);
		while (tasks && (t = readdir(tasks)) && shown < BLOCKERS_SHOWN) {
			snprintf(task, sizeof(task), "/proc/%.16s/task/%.16s", p->d_name, t->d_name);
			if (isdigit((unsigned char)*t->d_name))
				shown += blocks(s, task, t->d_name, wanted);
		}
		if (tasks)
			closedir(tasks);
	}
	if (proc)
		closedir(proc);
}

/* The transition did not end: back to where it came from, without the module. */
static void revert(struct step *s, const char *patch)
{
	int err = set_enabled(patch, "0");

	if (err || !wait_transition(patch, 30)) {
		report_text("out", s->number, "the patch could not be reverted%s%s\n", err ? ": " : "",
			    err ? strerror(err) : "");
		return;
	}
	err = module_delete(patch);
	report_text("out", s->number, "reverted%s%s\n", err ? ", but its module stays: " : "",
		    err ? strerror(err) : "");
}

int klp_load(struct step *s)
{
	const char *patch = s->argv[1];
	char buf[16];
	double begin = now();
	int err = module_init(s->argv[0]);

	if (err) {
		report_text("out", s->number, "the kernel refused the module: %s; its reason is in the log\n",
			    strerror(err));
		return 1;
	}
	if (!*attribute(patch, "enabled", buf, sizeof(buf))) {
		report_text("out", s->number,
			    "the module is in, but live patching does not know a patch '%s'\n", patch);
		module_delete(patch);
		return 1;
	}
	if (wait_transition(patch, s->timeout)) {
		s->transition = now() - begin;
		return 0;
	}
	report_text("out", s->number, "the transition did not end within %.0f s\n", s->timeout);
	show_blockers(s, patch, "1");
	revert(s, patch);
	return 1;
}

int klp_unload(struct step *s)
{
	const char *patch = s->argv[0];
	char buf[16];
	double begin = now();
	int err;

	if (!strcmp(attribute(patch, "enabled", buf, sizeof(buf)), "1")) {
		err = set_enabled(patch, "0");
		if (err) {
			report_text("out", s->number, "cannot disable: %s\n", strerror(err));
			return 1;
		}
		if (!wait_transition(patch, s->timeout)) {
			report_text("out", s->number, "the transition back did not end within %.0f s\n", s->timeout);
			show_blockers(s, patch, "0");
			return 1;
		}
		s->transition = now() - begin;
	}
	err = module_delete(patch);
	if (err && err != ENOENT) {
		report_text("out", s->number, "cannot remove the module: %s\n", strerror(err));
		return 1;
	}
	return 0;
}

/* ---- is it in effect ------------------------------------------------------------------------------------- */

/* The functions that ftrace redirects: lines of enabled_functions with the IPMODIFY flag, "name (1) R I" or
 * "name [module] (1) R I". The whole file, or NULL. */
static char *redirected(void)
{
	int fd = open("/sys/kernel/tracing/enabled_functions", O_RDONLY | O_CLOEXEC);
	size_t n = 0, cap = 65536;
	char *text = NULL;
	ssize_t got = 1;

	while (fd >= 0 && got > 0) {
		char *more = realloc(text, cap);

		if (!more)
			break;
		text = more;
		got = read(fd, text + n, cap - n - 1);
		n += got > 0 ? got : 0;
		text[n] = '\0';
		cap = n + 65536;
	}
	if (fd >= 0)
		close(fd);
	return text;
}

/* How many of the redirected functions have this name: duplicates of a name have a line each. */
static int count_redirected(const char *text, const char *function)
{
	size_t len = strlen(function);
	int n = 0;

	for (const char *line = text; *line;) {
		size_t width = strcspn(line, "\n");
		const char *flags = memchr(line, ')', width);

		if (width > len && !memcmp(line, function, len) && line[len] == ' ' && flags) {
			const char *flag = memchr(flags, 'I', strcspn(flags, "\t\n"));

			n += flag != NULL;
		}
		line += width + (line[width] == '\n');
	}
	return n;
}

static bool object_loaded(const char *object)
{
	char path[PATH_MAX];

	if (!strcmp(object, "vmlinux"))
		return true;
	snprintf(path, sizeof(path), "/sys/module/%s", object);
	return !access(path, F_OK);
}

/* "none", "handler…" or "direct". */
static bool core_redirects(const char *patch, const char *object, const char *entry)
{
	char path[PATH_MAX], how[128];

	snprintf(path, sizeof(path), CORE_DIR "/%s/%s/%s/redirect", patch, object, entry);
	read_line(path, how, sizeof(how));
	return *how && strcmp(how, "none");
}

static int check_function(struct step *s, const char *text, const char *object, const char *entry)
{
	char name[NAME_MAX + 1];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(entry, ","), entry);
	if (is_core(s->argv[0]) ? core_redirects(s->argv[0], object, entry) : !text || count_redirected(text, name) > 0)
		return 0;
	report_text("out", s->number, "%s/%s is not redirected\n", object, entry);
	return 1;
}

/* Every function of one object; adds to *checked. Gives how many are not in effect. */
static int check_object(struct step *s, const char *text, const char *object, int *checked)
{
	char path[PATH_MAX], buf[16];
	struct dirent *e;
	struct stat st;
	int bad = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s/%s/patched", dir_of(s->argv[0]), s->argv[0], object);
	if (!strcmp(read_line(path, buf, sizeof(buf)), "0")) {
		report_text("out", s->number, "object %s is loaded and not patched\n", object);
		bad++;
	}
	snprintf(path, sizeof(path), "%s/%s/%s", dir_of(s->argv[0]), s->argv[0], object);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (*e->d_name == '.' || fstatat(dirfd(dir), e->d_name, &st, 0) || !S_ISDIR(st.st_mode))
			continue;
		bad += check_function(s, text, object, e->d_name);
		++*checked;
	}
	if (dir)
		closedir(dir);
	return bad;
}

/* What the host expects to be there, "object/function,pos" or "object/function". */
static int check_expected(struct step *s)
{
	int bad = 0;

	for (int i = 1; i < s->argc; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%s/%s", dir_of(s->argv[0]), s->argv[0], s->argv[i]);
		if (!access(path, F_OK))
			continue;
		report_text("out", s->number, "%s is not among the functions that the kernel lists\n", s->argv[i]);
		bad++;
	}
	return bad;
}

int klp_patched(struct step *s)
{
	char *text = redirected(), path[PATH_MAX];
	int bad = check_expected(s), checked = 0, absent = 0;
	struct dirent *e;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s", dir_of(s->argv[0]), s->argv[0]);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (*e->d_name == '.' || fstatat(dirfd(dir), e->d_name, &st, 0) || !S_ISDIR(st.st_mode))
			continue;
		if (object_loaded(e->d_name))
			bad += check_object(s, text, e->d_name, &checked);
		else
			absent++;
	}
	if (dir)
		closedir(dir);
	free(text);
	report_text("out", s->number, "%d functions in effect%s\n", bad < checked ? checked - bad : 0,
		    absent ? "; a patched module is not loaded" : "");
	return bad || (!checked && !absent) ? 1 : 0;
}
