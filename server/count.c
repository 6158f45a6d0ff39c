/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rollout's counts: each host of the table with what the store has of its words. */
#include "engine.h"

struct said {
	int64_t host;
	struct {
		int64_t since;
		int32_t age;
		uint8_t state, health;
	} said;
};

struct counting {
	const struct km_store_rollout *rollout;
	const struct km_plan *plan;
	const struct km_release *release;
	enum km_severity severity;
	int64_t now, silent_after;
	km_vec(struct said) said;
	km_vec(const struct table_kernel *) covered, others; /* kernels that were looked up before */
	struct km_counts counts;
};

static km_error *take_said(void *ctx, int64_t host, const struct km_report_patch *said)
{
	struct counting *c = ctx;

	km_vec_push(&c->said, (struct said){.host = host,
					    .said = {.since = said->since,
						     .age = said->age,
						     .state = (uint8_t)said->state,
						     .health = (uint8_t)said->health}});
	return NULL;
}

static int by_host(const void *a, const void *b)
{
	const struct said *x = a, *y = b;

	return (x->host > y->host) - (x->host < y->host);
}

static bool in_list(const struct table_kernel *const *list, size_t n, const struct table_kernel *kernel)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == kernel)
			return true;
	return false;
}

/* The table has each kernel once, so that its address stands for it. */
static bool covers(struct counting *c, const struct table_kernel *kernel)
{
	if (in_list(c->covered.at, c->covered.n, kernel))
		return true;
	if (in_list(c->others.at, c->others.n, kernel))
		return false;
	for (size_t i = 0; i < c->release->n_kernels; i++) {
		const struct km_release_kernel *k = &c->release->kernels[i];

		if (strcmp(k->arch, kernel->arch) || strcmp(k->release, kernel->release) ||
		    strcmp(k->build_id, kernel->build_id))
			continue;
		km_vec_push(&c->covered, kernel);
		return true;
	}
	km_vec_push(&c->others, kernel);
	return false;
}

/* The tags of the text as the plan wants them. */
static size_t split(char *text, const char **ret)
{
	size_t n = 0;

	for (char *save, *word = strtok_r(text, " ", &save); word && n < KM_FLEET_TAGS;
	     word = strtok_r(NULL, " ", &save))
		ret[n++] = word;
	return n;
}

static void count_host(void *ctx, const struct table_host *host)
{
	struct counting *c = ctx;
	const char *tags[KM_FLEET_TAGS];
	KM_AUTOFREE char *text = NULL;
	struct km_trust_host trust = {.id = host->id, .tags = tags};
	struct km_report_patch patch = {.transition_ms = -1};
	struct km_member member = {.seen = host->seen, .silent_after = c->silent_after};
	struct said key = {.host = host->n}, *said;

	if (strcmp(host->token.channel, c->plan->channel) || host->token.revoked ||
	    host->token.min_severity > c->severity || !covers(c, host->kernel))
		return;
	text = km_strdup(host->tags);
	trust.n_tags = split(text, tags);
	member.wave = km_plan_wave(c->plan, &trust);
	said = c->said.n ? bsearch(&key, c->said.at, c->said.n, sizeof(key), by_host) : NULL;
	if (said) {
		patch.state = (enum km_patch_state)said->said.state;
		patch.health = (enum km_health)said->said.health;
		patch.since = said->said.since;
		patch.age = said->said.age;
		member.said = &patch;
	}
	if (member.wave <= c->rollout->at.wave)
		km_counts_add(&c->counts, c->plan, &c->rollout->at, &member, c->now);
}

static km_error *count_all(struct server *server, struct counting *c)
{
	KM_TRY(km_store_said(server->store, c->plan->release, c->rollout->created, take_said, c));
	if (c->said.n)
		qsort(c->said.at, c->said.n, sizeof(*c->said.at), by_host);
	c->silent_after = km_plan_silent_after(c->plan, server->config->interval);
	table_each(server->table, count_host, c);
	return NULL;
}

static km_error *with_release(struct server *server, struct counting *c, km_arena *arena)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_store_release stored;
	struct km_release release;
	km_error *err;

	KM_TRY(km_store_release(server->store, c->plan->release, arena, &stored, NULL));
	KM_TRY(km_envelope_parse(KM_DOC_RELEASE, stored.bytes, stored.size, &envelope, NULL));
	KM_TRY(km_release_parse(envelope, &release));
	c->release = &release;
	c->severity = stored.severity;
	err = count_all(server, c);
	km_release_free(&release);
	return err;
}

km_error *engine_count(struct server *server, const struct km_store_rollout *rollout, int64_t now,
		       struct km_counts *ret)
{
	struct counting c = {.rollout = rollout, .now = now};
	struct km_plan plan;
	km_arena *arena;
	km_error *err;

	KM_TRY(km_plan_parse(rollout->plan, strlen(rollout->plan), &plan));
	c.plan = &plan;
	arena = km_arena_create();
	err = with_release(server, &c, arena);
	km_arena_destroy(arena);
	km_plan_free(&plan);
	km_vec_free(&c.said);
	km_vec_free(&c.covered);
	km_vec_free(&c.others);
	if (err)
		return km_error_add(err, "cannot count the hosts of rollout %lld", (long long)rollout->id);
	*ret = c.counts;
	return NULL;
}
