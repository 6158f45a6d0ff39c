/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is to be done about each release of the channel: a chain of questions, each of which can end it. */
#include "internal.h"

static const char *const names[KM_DECISIONS] = {
	[KM_DO_NOTHING] = "in-effect", [KM_DO_LOAD] = "load",	      [KM_DO_UNLOAD] = "unload",
	[KM_IS_SUPERSEDED] = "superseded", [KM_IS_HELD] = "held",     [KM_IS_WAITING] = "waiting",
	[KM_IS_BLOCKED] = "blocked",   [KM_IS_LATER] = "later",	      [KM_IS_OTHER] = "other-kernel",
	[KM_IS_WITHDRAWN] = "withdrawn", [KM_IS_MINOR] = "minor",     [KM_IS_UNKNOWN] = "unknown",
};

const char *km_decision_name(enum km_decision decision)
{
	return names[decision];
}

bool km_in_effect(const km_applied_list *applied, const char *name, const char *sha256)
{
	const struct km_applied *p = km_applied_find(applied, name);

	return p && p->registered && p->enabled && !p->transition && p->sha256 && !strcmp(p->sha256, sha256);
}

static const struct km_release_kernel *kernel_of(const struct km_view *v, const struct km_release *release)
{
	for (size_t i = 0; i < release->n_kernels; i++) {
		const struct km_release_kernel *k = &release->kernels[i];

		if (!strcmp(k->arch, v->host.arch) && !strcmp(k->release, v->host.release) &&
		    !strcmp(k->build_id, v->host.build_id))
			return k;
	}
	return NULL;
}

/* The preferred payload; one that is in effect goes before it. */
static bool choose_payload(const struct km_view *v, const struct km_release *release, struct km_choice *c)
{
	const struct km_release_kernel *k = kernel_of(v, release);
	bool found = false;

	for (size_t i = 0; k && i < k->n_payloads; i++)
		if (km_in_effect(v->applied, release->name, k->payloads[i].sha256)) {
			c->payload = k->payloads[i];
			return c->in_effect = true;
		}
	for (const char *const *f = v->flavours; k && *f && !found; f++)
		for (size_t i = 0; i < k->n_payloads && !found; i++)
			if (!strcmp(k->payloads[i].flavour, *f)) {
				c->payload = k->payloads[i];
				found = true;
			}
	return found;
}

static enum km_decision end(struct km_choice *c, enum km_decision decision, const char *detail)
{
	agent_detail(c->detail, detail);
	return decision;
}

static enum km_decision of_journal(const struct km_view *v, const struct km_journal_entry *e, struct km_choice *c)
{
	bool this_boot = !strcmp(e->boot, v->journal->boot);

	if (e->step == KM_AT_HELD)
		return end(c, KM_IS_HELD, e->detail);
	if (this_boot && (e->step == KM_AT_FAILED || (e->step == KM_AT_STALLED && agent_recent(e->since, v->now, KM_AGENT_AGAIN))))
		return end(c, KM_IS_LATER, e->detail);
	return KM_DO_LOAD;
}

static enum km_decision ask_trust(const struct km_view *v, struct km_choice *c)
{
	const struct km_held_release *r = c->release;
	km_error *err = km_trust_allows(v->client, r->bytes, r->size, &v->host, c->payload.flavour, c->age, v->now, NULL,
					&c->why);
	enum km_decision decision = KM_DO_LOAD;

	if (err)
		decision = end(c, c->why == KM_WHY_WAITING || c->why == KM_WHY_HALTED ? KM_IS_WAITING : KM_IS_BLOCKED,
			       err->message);
	km_error_free(err);
	return decision;
}

static enum km_severity severity_of(const struct km_release *release)
{
	enum km_severity severity = KM_SEVERITY_CRITICAL;

	km_severity_of(release->severity, &severity);
	return severity;
}

/* Its module is in memory, in whatever state: a run that was killed while it took the patch back has left it so. */
static bool is_going(const struct km_view *v, const struct km_journal_entry *e)
{
	const struct km_applied *p = e ? km_applied_find(v->applied, e->name) : NULL;

	return p && p->sha256 && !strcmp(p->sha256, e->payload) &&
	       ((e->step == KM_AT_UNLOADING && !strcmp(e->boot, v->journal->boot)) ||
		(e->step == KM_AT_HELD && e->why == KM_HELD_ROLLED_BACK));
}

static bool is_recalled(const struct km_view *v, const struct km_journal_entry *e, struct km_choice *c)
{
	const char *reason = NULL;

	if (is_going(v, e)) {
		agent_detail(c->detail, e->detail);
		return true;
	}
	if (!c->in_effect || !km_trust_recalls(v->client, c->release->id, &reason))
		return false;
	agent_detail(c->detail, reason ? reason : "");
	return true;
}

static enum km_decision decide(const struct km_view *v, const struct km_index_entry *entry, struct km_choice *c)
{
	const struct km_journal_entry *e = km_journal_find(v->journal, entry->id);
	const struct km_release *release;
	enum km_decision decision = KM_DO_LOAD;
	const char *reason = entry->withdrawn;

	c->release = km_held_find(v->held, entry->id);
	if (!c->release)
		return KM_IS_UNKNOWN;
	release = &c->release->release;
	if (!choose_payload(v, release, c))
		return KM_IS_OTHER;
	if (is_recalled(v, e, c))
		return KM_DO_UNLOAD;
	/* Called back by a rollout is as good as withdrawn: this host misses nothing by not having it. */
	if (entry->withdrawn || (!c->in_effect && km_trust_recalls(v->client, entry->id, &reason)))
		return end(c, KM_IS_WITHDRAWN, reason);
	if (c->in_effect)
		return KM_DO_NOTHING;
	if (severity_of(release) < v->min_severity)
		return KM_IS_MINOR;
	if (v->hold && km_strv_has(v->hold, release->name))
		return end(c, KM_IS_HELD, "agent.conf holds it");
	if (e)
		decision = of_journal(v, e, c);
	c->age = e && e->ran ? KM_HELD : KM_FRESH;
	return decision == KM_DO_LOAD ? ask_trust(v, c) : decision;
}

static bool stands(const struct km_choice *c)
{
	return c->decision == KM_DO_NOTHING || c->decision == KM_DO_LOAD;
}

/* What a later release replaces is not loaded any more; when that one is in effect, it is not missed either. */
static void supersede(const struct km_choice *later, struct km_choice *c)
{
	const struct km_release *new = &later->release->release;
	bool same_name = c->release && !strcmp(c->release->release.name, new->name);

	if (!stands(later) || (!new->replace && !same_name))
		return;
	if (c->decision == KM_DO_LOAD ||
	    (later->in_effect && (c->decision == KM_IS_HELD || c->decision == KM_IS_WAITING || c->decision == KM_IS_BLOCKED ||
				  c->decision == KM_IS_LATER || c->decision == KM_IS_MINOR || c->decision == KM_IS_UNKNOWN)))
		c->decision = KM_IS_SUPERSEDED;
}

void km_decide(const struct km_view *v, km_choices *ret)
{
	const struct km_index *index = km_trust_index(v->client);
	km_choices choices = {0};

	for (size_t i = 0; index && i < index->n_releases; i++) {
		struct km_choice c = {0};

		c.decision = decide(v, &index->releases[i], &c);
		km_vec_push(&choices, c);
	}
	for (size_t i = choices.n; i--;)
		if (choices.at[i].release)
			for (size_t j = 0; j < i; j++)
				supersede(&choices.at[i], &choices.at[j]);
	*ret = choices;
}
