/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Modules into the kernel and out of it, with the kernel's own words when it does not want to. */
#include <errno.h>

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

/* What an errno of finit_module(2) means for a patch; for one of the other back end it may be something else. */
struct meaning {
	int sys;
	enum km_code code;
	const char *what, *hint;
};
static const struct meaning meanings[] = {
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
static const struct meaning core_meanings[] = {
	{ENOEXEC, KM_REFUSED, "it is for another kernel, or for another version of kmend.ko",
	 "build it again: kmend build --flavour core"},
	{EILSEQ, KM_REFUSED, "a function in the running kernel is not the one that the patch was made for",
	 "something else has changed the function, or the kernel is another build"},
	{EBUSY, KM_REFUSED, "a transition is under way, a tracer owns a function, or (mode stop) a task stayed inside one",
	 "try again, or with another --mode"},
};

static const struct meaning *find_meaning(const struct meaning *all, size_t n, int sys)
{
	for (size_t i = 0; i < n; i++)
		if (all[i].sys == sys)
			return &all[i];
	return NULL;
}

static km_error *explain(int sys, const char *name, bool core, const char *log)
{
	const struct meaning *m = core ? find_meaning(core_meanings, KM_COUNT(core_meanings), sys) : NULL;
	km_error *err;

	m = m ? m : find_meaning(meanings, KM_COUNT(meanings), sys);
	if (!m) {
		err = km_error_sys(sys, "cannot load %s", name);
		return log ? km_error_hint(err, "%s", log) : err;
	}
	err = km_error_new(m->code, "the kernel refused %s: %s", name, m->what);
	err->sys = sys;
	if (log)
		err = km_error_hint(err, "%s", log);
	return m->hint ? km_error_hint(err, "%s", m->hint) : err;
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
	return explain(sys, file->info->name, file->info->core, words);
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
