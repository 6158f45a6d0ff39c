/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a host stands, from its user's view: the first of these that is true. */
#include "internal.h"

static bool is_moving(const struct km_view *v)
{
	for (size_t i = 0; i < v->applied->n; i++)
		if (v->applied->at[i].transition)
			return true;
	return false;
}

/* Held back after a crash: only a kernel that does not need the patch helps, or a person. Or it cannot be taken back. */
static bool needs_reboot(const struct km_view *v, const struct km_choice *c)
{
	const struct km_journal_entry *e = c->release ? km_journal_find(v->journal, c->release->id) : NULL;

	if (c->decision == KM_DO_UNLOAD)
		return e && e->step == KM_AT_STALLED;
	return c->decision == KM_IS_HELD && e && e->step == KM_AT_HELD && e->why != KM_HELD_ROLLED_BACK;
}

static bool is_old(const struct km_view *v)
{
	const struct km_timestamp *t = km_trust_timestamp(v->client);

	return !t || !km_trust_index(v->client) || !km_trust_rollout(v->client) || v->now >= t->expires;
}

static bool is_more(const struct km_view *v, enum km_decision decision)
{
	switch (decision) {
	case KM_DO_LOAD:
	case KM_DO_UNLOAD:
	case KM_IS_HELD:
	case KM_IS_WAITING:
	case KM_IS_BLOCKED:
	case KM_IS_LATER: return true;
	/* A token that does not ask for everything is not shown everything. */
	case KM_IS_UNKNOWN: return v->min_severity == KM_SEVERITY_LOW;
	default: return false;
	}
}

enum km_standing km_stand(const struct km_view *v, const km_choices *choices)
{
	bool reboot = false, more = false, covered = false;

	for (size_t i = 0; i < choices->n; i++) {
		const struct km_choice *c = &choices->at[i];

		reboot |= needs_reboot(v, c);
		more |= is_more(v, c->decision);
		covered |= c->decision != KM_IS_OTHER && c->decision != KM_IS_WITHDRAWN && c->decision != KM_IS_UNKNOWN;
	}
	if (is_moving(v))
		return KM_TRANSITION;
	if (reboot)
		return KM_REBOOT;
	if (is_old(v))
		return KM_UNKNOWN;
	if (more)
		return KM_AVAILABLE;
	return covered ? KM_PROTECTED : KM_UNCOVERED;
}
