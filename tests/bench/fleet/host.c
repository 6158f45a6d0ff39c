/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One host's life: what it does with a patch, and what it says of it. */
#include "sim.h"

enum { REBOOT = 90 }; /* simulated seconds */

static const int looks[] = {0, 60, 300, 900};

/* A number in [0, 1) that is this host's for good. */
static double lot(size_t i, unsigned seed, unsigned which)
{
	uint64_t x = (uint64_t)i * 0x9e3779b97f4a7c15u + (uint64_t)seed * 0xbf58476d1ce4e5b9u + which;

	for (int round = 0; round < 3; round++) {
		x ^= x >> 30;
		x *= 0x94d049bb133111ebu;
		x ^= x >> 31;
	}
	return (double)(x >> 11) / (double)((uint64_t)1 << 53);
}

static enum fate fate_of(const struct options *o, double lot)
{
	const double shares[] = {o->fail, o->stall, o->crash, o->hang, o->absent};

	for (size_t i = 0; i < KM_COUNT(shares); i++) {
		if (lot < shares[i])
			return (enum fate)(FATE_FAILS + i);
		lot -= shares[i];
	}
	return FATE_LIVES;
}

void host_init(struct sim_host *h, const struct options *options, size_t i)
{
	KM_AUTOFREE char *machine = km_printf("%08x%024zx", options->seed, i);
	char token[KM_TOKEN_ID_LEN + 1];

	*h = (struct sim_host){.fate = (uint8_t)fate_of(options, lot(i, options->seed, 0))};
	h->dies = (float)(options->dies_within * lot(i, options->seed, 1));
	km_fleet_token_id(options->token, token);
	km_fleet_host_id(token, machine, h->id);
}

static double real(const struct world *world, double simulated)
{
	return simulated / world->options->scale;
}

static bool mortal(const struct sim_host *h)
{
	return h->loaded_at > 0 && (h->fate == FATE_CRASHES || h->fate == FATE_HANGS);
}

static void become(struct sim_host *h, enum km_patch_state state, enum km_health health, double now)
{
	h->state = (uint8_t)state;
	h->health = (uint8_t)health;
	h->since = now;
	h->age = 0;
}

bool host_wake(struct sim_host *h, const struct world *world, double now, double *due)
{
	double death = mortal(h) ? h->loaded_at + real(world, h->dies) : 0;

	if (death > 0 && now >= death) {
		*due = h->fate == FATE_HANGS ? 0 : death + real(world, REBOOT);
		if (h->fate == FATE_HANGS || now < *due)
			return false;
		/* It is back, and its crash guard keeps the patch out. */
		h->loaded_at = 0;
		become(h, KM_PATCH_HELD, KM_HEALTH_CRASHED, now);
		return true;
	}
	if (h->loaded_at > 0 && h->fate == FATE_STALLS && now >= h->loaded_at + real(world, 60)) {
		h->loaded_at = 0;
		become(h, KM_PATCH_STALLED, KM_HEALTH_NONE, now);
	}
	for (size_t i = 0; h->loaded_at > 0 && h->fate != FATE_STALLS && i < KM_COUNT(looks); i++)
		if (now >= h->loaded_at + real(world, looks[i])) {
			h->state = KM_PATCH_LOADED;
			h->health = KM_HEALTH_GOOD;
			h->age = looks[i];
		}
	return true;
}

double host_due(const struct sim_host *h, const struct world *world, double now)
{
	double due = h->next;

	if (h->loaded_at <= 0)
		return due;
	if (mortal(h)) {
		double death = h->loaded_at + real(world, h->dies);

		due = death < due ? death : due;
	}
	if (h->fate == FATE_STALLS) {
		double back = h->loaded_at + real(world, 60);

		return back < due ? back : due;
	}
	/* The first look that it has not told yet. */
	for (size_t i = 0; i < KM_COUNT(looks); i++) {
		double look = h->loaded_at + real(world, looks[i]);

		if (h->state == KM_PATCH_LOADED ? looks[i] > h->age : look >= h->loaded_at)
			return look < due ? (look > now ? look : now) : due;
	}
	return due;
}

static int64_t date(const struct world *world, double at)
{
	return (int64_t)(world->epoch + (at - world->begin) * world->options->scale);
}

char *host_report(const struct sim_host *h, const struct world *world, int64_t root)
{
	struct km_report_patch patch = {.state = h->state,
					.health = h->health,
					.since = date(world, h->since),
					.transition_ms = h->loaded_at > 0 ? 12 : -1,
					.age = h->age};
	struct km_report report = {.kernel = world->options->kernel,
				   .agent = KMEND_VERSION,
				   .standing = h->loaded_at > 0 ? KM_PROTECTED : KM_AVAILABLE,
				   .root = root,
				   .timestamp = world->documents->timestamp,
				   .patches = &patch,
				   .n_patches = h->tried};

	memcpy(report.host, h->id, sizeof(report.host));
	memcpy(patch.release, world->release, sizeof(patch.release));
	return km_report_text(&report);
}

enum host_did host_look(struct sim_host *h, struct world *world, const struct km_checkin_answer *answer, double now)
{
	const struct km_index_entry *listed = documents_release(world->documents);
	const struct km_rollout_entry *entry = listed ? documents_entry(world->documents, listed->id) : NULL;
	struct km_trust_host host = {
		.id = h->id, .tags = (const char *const *)answer->tags.at, .n_tags = answer->tags.n};
	bool halted = world->documents->rollout.halt || (entry && entry->halt);

	if (!listed)
		return DID_NOTHING;
	if (entry && entry->rollback && h->loaded_at > 0) {
		h->loaded_at = 0;
		become(h, KM_PATCH_REMOVED, KM_HEALTH_NONE, now);
		return DID_REMOVE;
	}
	if (h->tried || halted || (!entry && listed->staged) ||
	    (entry && !km_rollout_admits(entry, &host, date(world, now))))
		return DID_NOTHING;
	memcpy(world->release, listed->id, sizeof(world->release));
	h->tried = true;
	become(h, h->fate == FATE_FAILS ? KM_PATCH_FAILED : KM_PATCH_LOADING, KM_HEALTH_NONE, now);
	if (h->fate != FATE_FAILS)
		h->loaded_at = now;
	return DID_LOAD;
}
