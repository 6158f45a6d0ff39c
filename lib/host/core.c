/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend.ko as a back end: include/uapi/kmend.h is the manual of what it shows below /sys/kernel/kmend, which is what the kernel's own
 * live patching shows and more. kmend.ko is loaded when the first patch needs it, and stays.
 *
 * The model that the operator chooses for a patch is written to /sys/kernel/kmend/mode before the module goes in, and taken back
 * afterwards; what was there is kept in /run/kmend/core-mode, so that the next kmend takes it back when this one is killed.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <uapi/kmend.h>

#include "internal.h"

#define SAVED "/run/kmend/core-mode"

static bool core_present(km_host *host)
{
	return patches_present(host, KMEND_SYSFS);
}

static bool core_available(km_host *host)
{
	const struct km_door *door = &host->door;

	return core_present(host) || !door->find(door->ctx, KM_CORE_MODULE);
}

static km_error *core_prepare(km_host *host)
{
	const struct km_door *door = &host->door;
	KM_AUTOCLOSE int log = -1;
	KM_AUTOFREE char *words = NULL;
	km_error *err;
	int sys;

	if (core_present(host))
		return NULL;
	log = log_open(host);
	sys = door->probe(door->ctx, KM_CORE_MODULE);
	if (!sys && core_present(host))
		return NULL;
	if (sys == ENOENT)
		return km_error_hint(
			km_error_new(KM_REFUSED, "the patch is for kmend.ko, which is neither loaded nor installed for kernel %s",
				     host->release),
			"`kmend core -o DIR` builds it (then: insmod DIR/kmend.ko), dkms installs it; or build the patch with "
			"--flavour klp");
	words = log_about(log, KM_CORE_MODULE);
	err = sys ? km_error_sys(sys, "cannot load kmend.ko, which the patch is for")
		  : km_error_new(KM_REFUSED, "kmend.ko was loaded, but " KMEND_SYSFS " is not there");
	return words ? km_error_hint(err, "%s", words) : err;
}

static km_error *core_list(km_host *host, km_applied_list *all)
{
	return patches_list(host, &km_backend_core, KMEND_SYSFS, all);
}

static bool core_state(km_host *host, const char *name, bool *enabled, bool *transition)
{
	return patches_state(host, KMEND_SYSFS, name, enabled, transition);
}

static bool core_accepts(const struct km_info *info)
{
	return info->core;
}

/* ---- consistency models ------------------------------------------------------------------------------------------ */
static km_error *write_choice(km_host *host, const char *dir, const char *mode, const char *deadline_ms)
{
	const struct km_door *door = &host->door;
	KM_AUTOFREE char *mode_path = host_path(host, "%s/mode", dir);
	KM_AUTOFREE char *deadline_path = host_path(host, "%s/deadline_ms", dir);
	int sys = door->write(door->ctx, deadline_path, deadline_ms);

	if (sys)
		return km_error_sys(sys, "cannot write %s", deadline_path);
	sys = door->write(door->ctx, mode_path, mode);
	return sys ? km_error_sys(sys, "cannot write %s", mode_path) : NULL;
}

static km_error *save_choice(km_host *host)
{
	KM_AUTOFREE char *mode = host_text(host, KMEND_SYSFS "/mode");
	KM_AUTOFREE char *dir = host_path(host, "/run/kmend"), *path = host_path(host, SAVED);
	KM_AUTOFREE char *text = km_printf("%s\n%ld\n", mode ? mode : KMEND_MODE_WORD_DEFAULT,
					   host_number(host, 0, KMEND_SYSFS "/deadline_ms"));

	KM_TRY(km_mkdirs(dir));
	return km_file_write(path, text, strlen(text));
}

/* The core may have gone and come meanwhile; then there is nothing to take back, and no harm in it. */
static void restore_choice(km_host *host)
{
	KM_AUTOFREE char *saved = host_text(host, SAVED), *path = host_path(host, SAVED);
	char *newline = saved ? strchr(saved, '\n') : NULL;

	if (!newline)
		return;
	*newline = '\0';
	km_error_free(write_choice(host, KMEND_SYSFS, saved, newline + 1));
	unlink(path);
}

static km_error *core_choose(km_host *host, const char *name, const char *mode, double deadline)
{
	KM_AUTOFREE char *ms = km_printf("%.0f", deadline * 1000);
	KM_AUTOFREE char *dir = name ? km_printf(KMEND_SYSFS "/%s", name) : km_strdup(KMEND_SYSFS);

	if (!mode && name)
		km_error_free(write_choice(host, dir, KMEND_MODE_WORD_DEFAULT, "0")); /* it may be gone */
	else if (!mode)
		restore_choice(host);
	if (!mode)
		return NULL;
	if (!name)
		KM_TRY(save_choice(host));
	return write_choice(host, dir, mode, ms);
}

static double core_deadline(km_host *host, const char *name)
{
	KM_AUTOFREE char *mode = host_text(host, KMEND_SYSFS "/%s/mode", name);

	if (!mode || strcmp(mode, "deadline"))
		return 0;
	return (double)host_number(host, 0, KMEND_SYSFS "/%s/deadline_ms", name) / 1000;
}

/* ---- changes ----------------------------------------------------------------------------------------------------- */
static km_error *core_enable(km_host *host, const struct km_applied *patch, bool on)
{
	KM_AUTOCLOSE int log = log_open(host);
	const char *word = on ? "enable" : "disable";
	KM_AUTOFREE char *words = NULL;
	km_error *err;
	int sys = patches_write(host, KMEND_SYSFS, patch->name, "enabled", on ? "1" : "0");

	if (!sys)
		return NULL;
	words = log_about(log, patch->name);
	err = sys == EBUSY ? km_error_new(KM_REFUSED, "kmend.ko does not %s %s now", word, patch->name)
			   : km_error_sys(sys, "cannot %s %s", word, patch->name);
	if (words)
		return km_error_hint(err, "%s", words);
	return km_error_hint(err, "another transition is under way, a newer patch covers one of its functions, or (mode stop) a "
				  "task stayed inside one");
}

static km_error *core_force(km_host *host, const struct km_applied *patch)
{
	int sys = patches_write(host, KMEND_SYSFS, patch->name, "force", "1");

	return sys ? km_error_sys(sys, "cannot force the transition: " KMEND_SYSFS "/%s/force", patch->name) : NULL;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------- */
/* "kworker/0:1\\040x" with the octal numbers as what they stand for; in place. */
static void unescape(char *comm)
{
	char *to = comm;

	for (; *comm; to++) {
		unsigned byte;

		if (*comm == '\\' && sscanf(comm + 1, "%3o", &byte) == 1 && strspn(comm + 1, "01234567") >= 3) {
			*to = (char)byte;
			comm += 4;
		} else {
			*to = *comm++;
		}
	}
	*to = '\0';
}

/* "PID TGID COMM STATE FUNCTION [module]"; COMM has no blanks. What is cut or not understood is left out. */
static void add_task(km_blocker_list *list, const char *line)
{
	struct km_blocker b = {0};
	struct km_frame frame = {.patched = true};
	char comm[80] = "";
	int at = 0;

	if (sscanf(line, "%ld %ld %79s %*s %n", &b.tid, &b.pid, comm, &at) != 3 || !at)
		return;
	line += at;
	unescape(comm);
	b.comm = km_strdup(comm);
	if (*line && strcmp(line, "-")) {
		const char *open = strchr(line, '[');

		frame.text = km_strdup(line);
		frame.name = km_strndup(line, strcspn(line, " "));
		frame.module = open ? km_strndup(open + 1, strcspn(open + 1, "]")) : NULL;
		km_vec_push(&b.stack, frame);
	}
	km_vec_push(list, b);
}

static size_t core_pending(km_host *host, const char *name, bool target, km_blocker_list *list)
{
	KM_AUTOFREE char *text = list ? host_text(host, KMEND_SYSFS "/%s/blockers", name) : NULL;
	long left = host_number(host, 0, KMEND_SYSFS "/%s/tasks_left", name);
	char *rest = text;

	(void)target; /* there is one transition at a time, and the core knows where it goes */
	for (char *line; text && (line = strsep(&rest, "\n"));)
		if (*line)
			add_task(list, line);
	return left > 0 ? (size_t)left : 0;
}

static bool core_blocks(const struct km_applied *patch, const km_applied_list *all, const struct km_frame *frame)
{
	return patches_block(patch, all, frame, true);
}

const struct km_backend km_backend_core = {
	.name = "core",
	.enables = KM_CORE_ENABLE "()",
	.present = core_present,
	.available = core_available,
	.prepare = core_prepare,
	.list = core_list,
	.state = core_state,
	.accepts = core_accepts,
	.choose = core_choose,
	.deadline = core_deadline,
	.enable = core_enable,
	.force = core_force,
	.pending = core_pending,
	.blocks = core_blocks,
};
