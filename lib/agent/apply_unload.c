/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A release out of the kernel: because it was called back, or a person wants an older one. */
#include "apply.h"
#include "internal.h"

/* A held entry says already what must be so; it is not overwritten by how that comes about. */
static km_error *step(struct apply *a, struct km_journal_entry *e, enum km_journal_step step, const char *detail)
{
	return e && e->step != KM_AT_HELD ? apply_step(a, e, step, detail) : NULL;
}

static km_error *enter_outcome(struct apply *a, struct km_journal_entry *e, const struct km_host_change *change,
			       const char *detail)
{
	switch (change->outcome) {
	case KM_HOST_DONE:
	case KM_HOST_ALREADY: a->changed = true; return step(a, e, KM_AT_REMOVED, detail);
	case KM_HOST_KEPT:
		apply_trouble(a, km_error_new(KM_ENV, "%s is disabled, but its module stays: %s", change->name,
					      change->why ? change->why : "the kernel does not say why"));
		return step(a, e, KM_AT_REMOVED, detail);
	default:
		apply_trouble(a, km_error_new(KM_ENV, "%s cannot be taken back: its transition did not end", change->name));
		return step(a, e, KM_AT_STALLED, "it could not be taken back");
	}
}

km_error *apply_unload_name(struct apply *a, struct km_journal_entry *e, const char *name, const char *detail, bool *gone)
{
	struct km_host_spec spec = {.timeout = a->config.deadline};
	struct km_host_change change = {0};
	km_error *err;

	*gone = false;
	KM_TRY(step(a, e, KM_AT_UNLOADING, detail));
	km_host_step("apply-unloading");
	err = km_host_unload(a->host, name, &spec, &change);
	km_host_step("apply-unloaded");
	if (err) {
		km_error *journal = step(a, e, KM_AT_STALLED, err->message);

		apply_trouble(a, km_error_add(err, "%s cannot be taken back", name));
		return journal;
	}
	err = enter_outcome(a, e, &change, detail);
	*gone = change.outcome == KM_HOST_DONE || change.outcome == KM_HOST_ALREADY;
	km_host_change_free(&change);
	return err;
}

km_error *apply_unload(struct apply *a, const struct km_choice *c)
{
	struct km_journal_entry *e = km_journal_make(&a->journal, c->release->id);
	bool gone;

	if (!*e->name) {
		agent_copy(e->name, sizeof(e->name), c->release->release.name);
		agent_copy(e->version, sizeof(e->version), c->release->release.version);
		agent_copy(e->payload, sizeof(e->payload), c->payload.sha256);
		e->step = KM_AT_LOADED;
		e->ran = true;
	}
	return apply_unload_name(a, e, c->release->release.name, c->detail, &gone);
}
