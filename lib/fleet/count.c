/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host's last words on a release count for. The words are those of the header. */
#include "internal.h"

static bool has_settled(const struct km_plan *plan, const struct km_member *host)
{
	const struct km_report_patch *said = host->said;

	if (!said || said->state != KM_PATCH_LOADED || said->health != KM_HEALTH_GOOD)
		return false;
	return said->age >= plan->settle || (said->age >= KM_HEALTH_LAST && host->seen - said->since >= plan->settle);
}

/* It may have the release in effect, as far as anybody knows, and nobody knows yet that this does it no harm. */
static bool in_danger(const struct km_plan *plan, const struct km_member *host)
{
	if (!host->said || host->said->state == KM_PATCH_LOADING)
		return true;
	return host->said->state == KM_PATCH_LOADED && !has_settled(plan, host);
}

static void add_words(struct km_counts *counts, const struct km_report_patch *said)
{
	counts->tried += said->state != KM_PATCH_LOADING;
	counts->loaded += said->state == KM_PATCH_LOADED;
	counts->failed += said->state == KM_PATCH_FAILED;
	counts->stalled += said->state == KM_PATCH_STALLED;
	counts->crashed += said->health == KM_HEALTH_CRASHED || said->health == KM_HEALTH_OOPSED;
}

void km_counts_add(struct km_counts *counts, const struct km_plan *plan, const struct km_progress_of *at,
		   const struct km_member *host, int64_t now)
{
	bool online = now - host->seen <= host->silent_after, last = host->wave == at->wave;
	bool reached = host->said || host->seen >= at->let_in[host->wave];
	bool settled = online && has_settled(plan, host);

	if (host->wave > at->wave)
		return;
	if (host->said)
		add_words(counts, host->said);
	counts->members++;
	counts->online += online;
	counts->reached += reached;
	counts->settled += settled;
	counts->silent += reached && !online && in_danger(plan, host);
	counts->wave_online += last && online;
	counts->wave_settled += last && settled;
}
