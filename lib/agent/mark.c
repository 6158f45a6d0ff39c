/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A person's words to the journal: goodbye, go on, go back. */
#include "apply.h"
#include "internal.h"

km_error *km_apply_goodbye(const char *root)
{
	struct km_fleet_kernel kernel;
	struct km_journal journal;
	km_error *err;

	KM_TRY(km_agent_kernel(root, &kernel));
	KM_TRY(km_journal_read(root, &journal));
	err = strcmp(journal.boot, kernel.boot)
		      ? km_error_new(KM_NOTHING, "the journal is of another boot: kmend-apply boot comes first")
		      : NULL;
	if (!err) {
		journal.goodbye = true;
		err = km_journal_write(root, &journal);
	}
	km_journal_free(&journal);
	return err;
}

km_error *km_apply_retry(const struct km_apply *apply, const char *name)
{
	struct apply a;
	km_error *err;
	size_t n;

	KM_TRY(apply_begin(&a, apply));
	n = km_journal_retry(&a.journal, name, apply_now(&a));
	err = n	      ? km_journal_write(a.root, &a.journal)
	      : *name ? km_error_hint(km_error_new(KM_NOTHING, "no patch named %s is held back", name),
				      "kmend status lists what is")
		      : km_error_new(KM_NOTHING, "no patch is held back");
	apply_end(&a);
	return err;
}

static const struct km_choice *last_in_effect(const struct apply *a, const char *name)
{
	for (size_t i = a->choices.n; i--;) {
		const struct km_choice *c = &a->choices.at[i];

		if (c->in_effect && (!*name || !strcmp(c->release->release.name, name)))
			return c;
	}
	return NULL;
}

static km_error *allowed(const struct apply *a)
{
	if (a->mode & KM_MODE_APPLY)
		return NULL;
	return km_error_hint(km_error_new(KM_REFUSED, "the mode is %s: the agent changes nothing in the kernel",
					  km_agent_mode_name(a->mode)),
			     "kmend unload NAME takes a patch out by hand");
}

/* Marks it; release gets its id. */
static km_error *mark(struct apply *a, const char *name, char release[static KM_SHA256_HEX])
{
	const struct km_choice *c;
	struct km_journal_entry *e;

	KM_TRY(allowed(a));
	KM_TRY(apply_decide(a));
	c = last_in_effect(a, name);
	if (!c)
		return km_error_hint(*name ? km_error_new(KM_NOTHING, "no patch of the channel named %s is in effect", name)
					   : km_error_new(KM_NOTHING, "no patch of the channel is in effect"),
				     "kmend list shows what is in the kernel, kmend unload takes out what you have loaded");
	memcpy(release, c->release->id, KM_SHA256_HEX);
	e = km_journal_make(&a->journal, c->release->id);
	agent_copy(e->name, sizeof(e->name), c->release->release.name);
	agent_copy(e->version, sizeof(e->version), c->release->release.version);
	agent_copy(e->payload, sizeof(e->payload), c->payload.sha256);
	e->ran = true;
	e->why = KM_HELD_ROLLED_BACK;
	return apply_step(a, e, KM_AT_HELD, "taken back by hand (kmend rollback)");
}

static km_error *must_be_out(struct apply *a, const char *release, const char *trouble)
{
	KM_TRY(apply_decide(a));
	for (size_t i = 0; i < a->choices.n; i++) {
		const struct km_choice *c = &a->choices.at[i];

		if (c->release && c->in_effect && !strcmp(c->release->id, release))
			return km_error_hint(km_error_new(KM_REFUSED, "%s is still in effect: %s", c->release->release.name,
							  trouble ? trouble : "it could not be taken back"),
					     "the agent tries again at its next check-in; kmend unload says what is in the way");
	}
	return NULL;
}

km_error *km_apply_rollback(const struct km_apply *apply, const char *name, struct km_applied_done *ret)
{
	char release[KM_SHA256_HEX];
	struct apply a;
	km_error *err;

	KM_TRY(apply_begin(&a, apply));
	err = mark(&a, name, release);
	apply_end(&a);
	KM_TRY(err);
	KM_TRY(km_apply_run(apply, ret));
	KM_TRY(apply_begin(&a, apply));
	err = must_be_out(&a, release, ret->trouble);
	apply_end(&a);
	return err;
}
