/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A patch out of the kernel. */
#include "internal.h"

static km_error *not_there(struct change *c, const char *name)
{
	if (module_loaded(c->host, name))
		return km_error_hint(km_error_new(KM_REFUSED, "%s is an ordinary kernel module, no live patch", name),
				     "remove such a module with modprobe -r");
	record_remove(c->host, name);
	c->out.outcome = KM_HOST_ALREADY;
	return NULL;
}

static km_error *refuse_held(const struct change *c, const char *name)
{
	KM_AUTOFREE char *holders = module_holders(c->host, name);

	if (!holders)
		return NULL;
	return km_error_hint(km_error_new(KM_REFUSED, "%s is used by %s", name, holders), "unload that first");
}

static km_error *start_back(struct change *c, const struct km_backend *backend, const struct km_applied *cur)
{
	km_error *err = backend->enable(c->host, cur, false);

	if (err)
		change_unchoose(c, backend, cur->name);
	return err;
}

static km_error *disable(struct change *c, const struct km_applied *cur)
{
	const struct km_backend *backend = host_backend(cur->backend);

	c->out.resumed = cur->transition && !cur->enabled;
	if (cur->enabled) {
		km_host_step("unload-disabling");
		KM_TRY(change_choose(c, backend, cur->name));
		KM_TRY(start_back(c, backend, cur));
		km_host_step("unload-disabled");
	} else if (!cur->transition) {
		c->out.outcome = KM_HOST_DONE; /* before Linux 5.1 a disabled patch stays registered */
		return NULL;
	}
	KM_TRY(change_finish(c, cur, false, "unload-waiting", "unload-reverting"));
	if (c->out.outcome == KM_HOST_REVERTED)
		change_unchoose(c, backend, cur->name);
	return NULL;
}

static km_error *take_back(struct change *c, const char *name)
{
	const struct km_applied *cur;

	KM_TRY(km_host_list(c->host, &c->all));
	cur = km_applied_find(&c->all, name);
	if (!cur)
		return not_there(c, name);
	KM_TRY(change_alone(c, name));
	KM_TRY(refuse_held(c, name));
	if (cur->registered)
		KM_TRY(disable(c, cur));
	if (c->out.outcome != KM_HOST_DONE)
		return NULL;
	km_host_step("unload-removing");
	module_remove(c->host, name, &c->out.why);
	if (c->out.why) {
		c->out.outcome = KM_HOST_KEPT;
		return NULL;
	}
	record_remove(c->host, name);
	km_host_step("unload-removed");
	return NULL;
}

km_error *km_host_unload(km_host *host, const char *name, const struct km_host_spec *spec, struct km_host_change *ret)
{
	struct change c;
	km_error *err = change_begin(&c, host, spec);

	if (!err) {
		km_host_step("unload-locked");
		c.out.name = km_strdup(name);
		err = take_back(&c, name);
	}
	if (!err) {
		*ret = c.out;
		c.out = (struct km_host_change){0};
	}
	change_end(&c);
	return err;
}
