/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server hears of this host's patches. kmend-agent(8) promises that there is nothing else in it. */
#include "internal.h"

enum { REMOVED_FOR = 7 * 86400 };

static bool in_effect(const struct km_view *v, const struct km_journal_entry *e)
{
	return km_in_effect(v->applied, e->name, e->payload);
}

/* False: there is nothing to say of it. */
static bool state_of(const struct km_view *v, const struct km_journal_entry *e, struct km_report_patch *p)
{
	switch (e->step) {
	case KM_AT_LOADING: p->state = in_effect(v, e) ? KM_PATCH_LOADED : KM_PATCH_LOADING; return true;
	case KM_AT_LOADED:
	case KM_AT_SETTLED:
	case KM_AT_UNLOADING: p->state = KM_PATCH_LOADED; return in_effect(v, e);
	case KM_AT_FAILED: p->state = KM_PATCH_FAILED; return true;
	case KM_AT_STALLED: p->state = KM_PATCH_STALLED; return true;
	/* A person's wish is no crash. */
	case KM_AT_HELD: p->state = e->why == KM_HELD_ROLLED_BACK ? KM_PATCH_REMOVED : KM_PATCH_HELD; return true;
	case KM_AT_REMOVED: p->state = KM_PATCH_REMOVED; return v->now < e->since + REMOVED_FOR;
	default: return false;
	}
}

static void add(const struct km_view *v, const struct km_journal_entry *e, struct km_report *r)
{
	struct km_report_patch p = {.since = e->since, .transition_ms = e->transition_ms, .age = e->age};

	if (r->n_patches == KM_FLEET_PATCHES || !state_of(v, e, &p))
		return;
	memcpy(p.release, e->release, sizeof(p.release));
	memcpy(p.detail, e->detail, sizeof(p.detail));
	if (p.state == KM_PATCH_LOADED || p.state == KM_PATCH_HELD)
		p.health = e->health;
	r->patches[r->n_patches++] = p;
}

void km_agent_report(const struct km_view *v, const struct km_identity *identity, const struct km_fleet_kernel *kernel,
		     enum km_standing standing, struct km_report *ret)
{
	const struct km_timestamp *t = km_trust_timestamp(v->client);
	struct km_report r = {.kernel = *kernel, .standing = standing};

	memcpy(r.host, identity->host, sizeof(r.host));
	agent_copy(r.agent, sizeof(r.agent), KMEND_VERSION);
	r.root = km_trust_root(v->client)->version;
	r.timestamp = t ? t->version : 0;
	r.patches = km_calloc(KM_FLEET_PATCHES, sizeof(*r.patches));
	/* The newest entries stand last. */
	for (size_t i = v->journal->entries.n; i--;)
		add(v, &v->journal->entries.at[i], &r);
	*ret = r;
}
