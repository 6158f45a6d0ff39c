/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A patch into the kernel. */
#include "internal.h"

static km_error *refuse_other(const struct patch_file *file, int same)
{
	const char *name = file->info->name;

	if (same < 0)
		return km_error_hint(
			km_error_new(KM_REFUSED,
				     "a patch named %s is applied, and nothing tells whether it is this one", name),
			"take it back first: kmend unload %s", name);
	return km_error_hint(km_error_new(KM_REFUSED, "another build of %s is applied", name),
			     "take it back first (kmend unload %s), or build this one under another --name", name);
}

/* A module that live patching has let go of: removed, so that the new one can come. */
static km_error *clear_left(struct change *c, const char *name)
{
	KM_AUTOFREE char *why = NULL;

	module_remove(c->host, name, &why);
	if (why)
		return km_error_hint(km_error_new(KM_REFUSED,
						  "the module %s is in memory, disabled, and cannot be removed: %s",
						  name, why),
				     "if its transition was forced, only a reboot removes it");
	km_host_step("load-removed");
	return NULL;
}

static km_error *insert(struct change *c, const struct patch_file *file)
{
	const char *name = file->info->name;
	KM_AUTOFREE char *why = NULL;
	bool enabled, transition;
	km_error *err;

	KM_TRY(record_write(c->host, file));
	km_host_step("load-recorded");
	err = change_choose(c, file->backend, NULL);
	km_host_step("load-chosen");
	if (!err)
		err = module_load(c->host, file, c->spec->parameters, &c->out.load);
	change_unchoose(c, file->backend, NULL);
	if (err) {
		record_remove(c->host, name);
		return err;
	}
	km_host_step("load-loaded");
	if (file->backend->state(c->host, name, &enabled, &transition))
		return NULL;
	module_remove(c->host, name, &why);
	record_remove(c->host, name);
	err = km_error_new(KM_REFUSED, "%s was loaded, but patched nothing: it registered no live patch", name);
	return why ? km_error_hint(err, "and it cannot be removed: %s", why)
		   : km_error_hint(err, "its module init must call %s; the module was removed again",
				   file->backend->enables);
}

/* What is there already of this patch. *there: nothing is to be loaded. */
static km_error *reconcile(struct change *c, const struct patch_file *file, bool *there)
{
	const struct km_applied *cur = km_applied_find(&c->all, file->info->name);
	int same;

	*there = false;
	if (!cur) {
		if (module_loaded(c->host, file->info->name))
			return km_error_hint(km_error_new(KM_REFUSED,
							  "a module named %s is loaded that is no live patch",
							  file->info->name),
					     "build the patch under another --name");
		return NULL;
	}
	if (!cur->registered)
		return clear_left(c, cur->name);
	same = patch_file_same(file, cur);
	if (same != 1)
		return refuse_other(file, same);
	*there = true;
	c->out.resumed = cur->transition;
	if (cur->enabled)
		return NULL;
	/* On its way out, or (before Linux 5.1) disabled but registered. */
	KM_TRY(change_choose(c, file->backend, cur->name));
	return file->backend->enable(c->host, cur, true);
}

/* After the limit: the patch is disabled, its module goes. */
static void remove_reverted(struct change *c, const char *name)
{
	km_host_step("load-reverted");
	if (c->out.outcome != KM_HOST_REVERTED)
		return;
	module_remove(c->host, name, &c->out.why);
	if (!c->out.why)
		record_remove(c->host, name);
	km_host_step("load-removed");
}

/* A cumulative patch leaves the modules of those that it replaced in memory: without effect, they only take room. */
static void remove_replaced(struct change *c, const char *name)
{
	bool enabled, transition;

	for (size_t i = 0; i < c->all.n; i++) {
		const struct km_applied *p = &c->all.at[i];
		KM_AUTOFREE char *why = NULL;

		if (!p->registered || !strcmp(p->name, name) ||
		    host_backend(p->backend)->state(c->host, p->name, &enabled, &transition))
			continue;
		module_remove(c->host, p->name, &why);
		if (why)
			continue; /* kmend list shows it as disabled */
		record_remove(c->host, p->name);
		km_strv_push(&c->out.replaced, p->name);
	}
}

static km_error *apply(struct change *c, const struct patch_file *file)
{
	const char *name = file->info->name;
	struct km_applied patch = {.name = file->info->name, .backend = file->backend->name};
	bool there;

	KM_TRY(km_host_list(c->host, &c->all));
	KM_TRY(change_alone(c, name));
	km_host_step("load-checked");
	KM_TRY(reconcile(c, file, &there));
	if (there && km_applied_find(&c->all, name)->enabled && !c->out.resumed) {
		c->out.outcome = KM_HOST_ALREADY;
		return NULL;
	}
	if (!there)
		KM_TRY(insert(c, file));
	KM_TRY(change_finish(c, &patch, true, "load-waiting", "load-reverting"));
	if (c->out.outcome == KM_HOST_REVERTED || c->out.outcome == KM_HOST_STUCK)
		remove_reverted(c, name);
	if (c->out.outcome == KM_HOST_DONE)
		remove_replaced(c, name);
	/* The kernel begins the transition inside finit_module(2). */
	c->out.transition += c->out.load;
	km_host_step("load-done");
	return NULL;
}

/* The kernel's own live patching is there or it is not; kmend.ko may be loaded. */
static km_error *make_ready(struct change *c, const struct km_backend *backend)
{
	if (backend->prepare)
		return backend->prepare(c->host);
	if (!backend->present(c->host))
		return km_error_hint(km_error_new(KM_REFUSED, "this kernel has no live patching"),
				     "it was built without CONFIG_LIVEPATCH, or /sys is not mounted; a patch of the flavour "
				     "core needs kmend.ko instead");
	return NULL;
}

static km_error *check_and_apply(struct change *c, const char *path)
{
	struct patch_file file;
	km_error *err;

	KM_TRY(patch_file_open(path, &file));
	err = km_host_check(c->host, file.info);
	if (!err)
		err = make_ready(c, file.backend);
	if (!err) {
		c->out.name = km_strdup(file.info->name);
		err = apply(c, &file);
	}
	patch_file_close(&file);
	return err;
}

km_error *km_host_load(km_host *host, const char *path, const struct km_host_spec *spec, struct km_host_change *ret)
{
	struct change c;
	km_error *err = change_begin(&c, host, spec);

	if (!err) {
		km_host_step("load-locked");
		err = check_and_apply(&c, path);
	}
	if (!err) {
		*ret = c.out;
		c.out = (struct km_host_change){0};
	}
	change_end(&c);
	return err;
}
