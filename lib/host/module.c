/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules into the kernel and out of it, with the kernel's own words when it does not want to. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "internal.h"

static const double REMOVE_LIMIT = 5; /* seconds for the kernel's last references to a disabled patch */

bool module_loaded(const km_host *host, const char *name)
{
	KM_AUTOFREE char *path = host_path(host, "/sys/module/%s/initstate", name);

	return km_exists(path); /* built-in modules have a directory, but no initstate */
}

char *module_holders(const km_host *host, const char *name)
{
	KM_AUTOFREE char *dir = host_path(host, "/sys/module/%s/holders", name);
	km_strv names = {0};
	km_str s = {0};

	km_error_free(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++)
		km_str_printf(&s, "%s%s", i ? ", " : "", names.at[i]);
	km_strv_free(&names);
	return s.at;
}

/* The kernel log from now on; -1 when it cannot be read. */
static int log_open(const km_host *host)
{
	KM_AUTOFREE char *path = host_path(host, "/dev/kmsg");
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0)
		lseek(fd, 0, SEEK_END);
	return fd;
}

/* Each read(2) gives one record, "level,seq,time,flags;text\n"; those of the patch are gathered, or NULL. */
static char *log_about(int fd, const char *name)
{
	char record[8192];
	km_str s = {0};
	ssize_t n;

	while (fd >= 0 && ((n = read(fd, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE))) {
		char *text;

		if (n < 0)
			continue; /* records were lost; the next read goes on behind them */
		record[n] = '\0';
		text = strchr(record, ';');
		if (text && (strstr(text, name) || strstr(text, "livepatch") || strstr(text, "module")) && s.n < 2000)
			km_str_printf(&s, "%s%.*s", s.n ? "\n" : "the kernel says:\n", (int)strcspn(text + 1, "\n"),
				      text + 1);
	}
	return s.at;
}

/* What an errno of finit_module(2) means for a patch. */
static const struct {
	int sys;
	enum km_code code;
	const char *what, *hint;
} meanings[] = {
	{ENOEXEC, KM_REFUSED, "it does not fit this kernel (format or vermagic)", "build it for this kernel"},
	{EKEYREJECTED, KM_REFUSED, "this kernel takes only modules signed with a key it trusts",
	 "sign the patch with such a key"},
	{ENOKEY, KM_REFUSED, "this kernel takes only modules signed with a key it trusts",
	 "sign the patch with such a key"},
	{EPERM, KM_ENV, "loading modules is not permitted (no CAP_SYS_MODULE, kernel.modules_disabled, or lockdown)",
	 "see kernel.modules_disabled and /sys/kernel/security/lockdown"},
	{EEXIST, KM_REFUSED, "a module of that name is loaded", "see lsmod"},
	{ENOENT, KM_REFUSED, "it needs a symbol that this kernel does not have", NULL},
	{EINVAL, KM_REFUSED, "live patching does not accept it", NULL},
	{ENODEV, KM_REFUSED, "live patching does not accept it", NULL},
	{EBUSY, KM_REFUSED, "the kernel is busy with another transition", "try again when kmend status shows none"},
	{ENOSYS, KM_ENV, "no modules are loaded below KMEND_ROOT", NULL},
};

static km_error *explain(int sys, const char *name, const char *log)
{
	km_error *err = NULL;

	for (size_t i = 0; i < KM_COUNT(meanings); i++) {
		if (meanings[i].sys != sys)
			continue;
		err = km_error_new(meanings[i].code, "the kernel refused %s: %s", name, meanings[i].what);
		err->sys = sys;
		if (log)
			err = km_error_hint(err, "%s", log);
		if (meanings[i].hint)
			err = km_error_hint(err, "%s", meanings[i].hint);
	}
	if (!err)
		err = km_error_sys(sys, "cannot load %s", name);
	return log ? km_error_hint(err, "%s", log) : err;
}

km_error *module_load(km_host *host, const struct patch_file *file, const char *parameters, double *seconds)
{
	const struct km_door *door = &host->door;
	KM_AUTOCLOSE int log = log_open(host);
	KM_AUTOFREE char *words = NULL;
	double begin = door->now(door->ctx);
	int sys = door->load(door->ctx, file->fd, file->path, parameters ? parameters : "");

	*seconds = door->now(door->ctx) - begin;
	if (!sys)
		return NULL;
	words = log_about(log, file->info->name);
	return explain(sys, file->info->name, words);
}

void module_remove(km_host *host, const char *name, char **why)
{
	const struct km_door *door = &host->door;
	double end = door->now(door->ctx) + REMOVE_LIMIT, pause = 0.005;
	int sys;

	*why = NULL;
	for (;;) {
		sys = door->remove(door->ctx, name);
		if (!sys || sys == ENOENT)
			return;
		/* After a transition live patching gives up its reference from a work queue. */
		if ((sys != EAGAIN && sys != EBUSY) || door->now(door->ctx) >= end)
			break;
		door->sleep(door->ctx, pause);
		pause = pause < 0.2 ? 2 * pause : pause;
	}
	if (sys == EAGAIN || sys == EBUSY)
		*why = km_printf("the kernel still holds a reference to the module (%ld): something uses it, or a "
				 "transition of it was forced",
				 host_number(host, -1, "/sys/module/%s/refcnt", name));
	else
		*why = km_strdup(strerror(sys));
}
