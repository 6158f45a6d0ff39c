/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a rollout goes on. The rules and their reasons are in the header, with km_rollout_step(). */
#include <inttypes.h>

#include "internal.h"

/* What happened since the last resume. */
static uint64_t since(uint64_t now, uint64_t forgiven)
{
	return now > forgiven ? now - forgiven : 0;
}

/* Whether n of all is more than that many of 10000; none is never more. */
static bool more(uint64_t n, uint64_t all, unsigned permyriad)
{
	return (unsigned __int128)n * KM_PERMYRIAD > (unsigned __int128)all * permyriad;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "host" : "hosts";
}

struct share {
	const char *gate, *verb;
	uint64_t n, all;
	unsigned allowed;
};

static bool trips(const struct km_plan *plan, const struct km_progress_of *at, const struct km_counts *c, char *reason)
{
	const struct share shares[] = {
		{"failed", "tried", since(c->failed, at->forgiven.failed), c->tried, plan->gates.failed},
		{"stalled", "tried", since(c->stalled, at->forgiven.stalled), c->tried, plan->gates.stalled},
		{"silent", "were reached", since(c->silent, at->forgiven.silent), c->reached, plan->gates.silent},
	};
	uint64_t crashed = since(c->crashed, at->forgiven.crashed);

	if (crashed > plan->gates.crashed) {
		snprintf(reason, KM_TRUST_REASON_MAX + 1, "crashed: %" PRIu64 " %s, and %u %s allowed", crashed,
			 plural(crashed), plan->gates.crashed, plan->gates.crashed == 1 ? "is" : "are");
		return true;
	}
	for (size_t i = 0; i < KM_COUNT(shares); i++) {
		const struct share *s = &shares[i];

		if (!more(s->n, s->all, s->allowed))
			continue;
		snprintf(reason, KM_TRUST_REASON_MAX + 1,
			 "%s: %" PRIu64 " %s of %" PRIu64 " that %s, and %u.%02u %% are allowed", s->gate, s->n,
			 plural(s->n), s->all, s->verb, s->allowed / 100, s->allowed % 100);
		return true;
	}
	return false;
}

static bool is_complete(const struct km_plan *plan, const struct km_progress_of *at, const struct km_counts *c,
			int64_t now)
{
	/* A wave that was let in before its time begins with it. */
	int64_t begin = at->wave_since > plan->not_before ? at->wave_since : plan->not_before;

	return now - begin >= plan->settle &&
	       (unsigned __int128)c->wave_settled * KM_PERMYRIAD >= (unsigned __int128)c->wave_online * plan->complete;
}

enum km_step km_rollout_step(const struct km_plan *plan, const struct km_progress_of *at,
			     const struct km_counts *counts, int64_t now, char reason[static KM_TRUST_REASON_MAX + 1])
{
	*reason = '\0';
	if (at->state != KM_ROLLOUT_RUNNING || now < plan->not_before)
		return KM_STEP_STAY;
	if (trips(plan, at, counts, reason))
		return KM_STEP_HALT;
	if (!is_complete(plan, at, counts, now))
		return KM_STEP_STAY;
	return at->wave + 1 < plan->n_waves ? KM_STEP_NEXT_WAVE : KM_STEP_DONE;
}

struct km_progress_of km_rollout_start(int64_t now)
{
	return (struct km_progress_of){.state = KM_ROLLOUT_RUNNING, .wave_since = now, .let_in = {now}};
}

void km_rollout_next_wave(struct km_progress_of *at, int64_t now)
{
	if (at->wave + 1 == KM_FLEET_WAVES)
		return;
	at->wave++;
	at->wave_since = at->let_in[at->wave] = now;
}

void km_rollout_resume(struct km_progress_of *at, const struct km_counts *counts, int64_t now)
{
	at->state = KM_ROLLOUT_RUNNING;
	at->wave_since = now;
	at->forgiven.failed = counts->failed;
	at->forgiven.stalled = counts->stalled;
	at->forgiven.crashed = counts->crashed;
	at->forgiven.silent = counts->silent;
}

static bool lower(uint64_t *forgiven, uint64_t now)
{
	if (*forgiven <= now)
		return false;
	*forgiven = now;
	return true;
}

bool km_rollout_remember(struct km_progress_of *at, const struct km_counts *counts)
{
	bool changed = lower(&at->forgiven.failed, counts->failed);

	changed |= lower(&at->forgiven.stalled, counts->stalled);
	changed |= lower(&at->forgiven.crashed, counts->crashed);
	changed |= lower(&at->forgiven.silent, counts->silent);
	return changed;
}

void km_rollout_entry_of(const struct km_plan *plan, const struct km_progress_of *at, const char *reason,
			 struct km_rollout_entry *ret)
{
	bool stopped = at->state == KM_ROLLOUT_HALTED || at->state == KM_ROLLOUT_TAKEN_BACK;
	struct km_rollout_entry entry = {
		.halt = stopped ? reason : NULL,
		.rollback = at->state == KM_ROLLOUT_TAKEN_BACK,
		.not_before = plan->not_before,
		/* "Every host" says it shorter than the wave that is. */
		.all = at->state == KM_ROLLOUT_DONE || at->wave + 1 >= plan->n_waves,
	};

	memcpy(entry.id, plan->release, sizeof(entry.id));
	if (!entry.all) {
		entry.waves = plan->waves;
		entry.n_waves = at->wave + 1;
	}
	*ret = entry;
}
