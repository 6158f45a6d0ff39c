/* SPDX-License-Identifier: GPL-2.0-or-later */
/* It decides, and the writer does: each change is a call that is put before all others, guarded by the rollout's
 * revision. */
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "call.h"
#include "documents.h"
#include "engine.h"
#include "load.h"
#include "sign.h"

enum { LEASE = 10, LEASE_AFTER = 3, RETRY = 10, OTHERS = 30, RENEWED = 5 }; /* seconds */

struct engine {
	struct server *server;
	pthread_t thread;
	pthread_mutex_t lock; /* for the three below */
	pthread_cond_t come;
	bool stopped, kicked;
	bool unsigned_halt; /* a rollout's new place is stored, and there was no key to sign it */
	unsigned done;	    /* calls that have ended */
	atomic_bool leads;
	char holder[64];
	int64_t leased, audit, sign_after, others_at, renewed_at;
	double next, kick_after; /* when rollouts are looked at, by km_now() */
};

/* ---- a change, done by the writer ---- */

struct change {
	struct engine *engine;
	const char *channel;
	bool rollout;		      /* sign_channel()'s */
	struct km_store_rollout *set; /* a rollout's new place, or NULL */
	const char *action;	      /* for the audit log, or NULL */
	bool *stored;
};

static void change_free(void *data)
{
	struct change *change = data;
	struct engine *e = change->engine;

	pthread_mutex_lock(&e->lock);
	e->done++;
	pthread_cond_broadcast(&e->come);
	pthread_mutex_unlock(&e->lock);
}

static void change_after(struct call *call)
{
	struct change *change = call->data;

	*change->stored = true;
	documents_changed(call->server);
}

/* Both documents or none; *done: there are keys for it. */
static km_error *sign_or_not(struct call *call, const struct change *change, bool *done)
{
	km_error *err;

	KM_TRY(km_store_begin(call->server->store));
	err = sign_channel(call, change->channel, change->rollout);
	*done = !err;
	if (!err)
		return km_store_commit(call->server->store);
	km_store_rollback(call->server->store);
	if (err->code != KM_REFUSED)
		return err;
	server_warn_error(err, "channel %s", change->channel);
	return NULL;
}

static km_error *change_work(struct call *call)
{
	struct change *change = call->data;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = change->set ? km_store_rollout_set(call->server->store, change->set, &why) : NULL;

	/* A person, or another server, was faster: the next look sees it. */
	if (err && why != KM_STORE_FINE) {
		km_error_free(err);
		return NULL;
	}
	if (err)
		return err;
	if (change->action) {
		KM_AUTOFREE char *object = km_printf("%lld", (long long)change->set->id);

		KM_TRY(call_audit(call, change->action, object, change->set->reason));
	}
	if (change->rollout || !change->set) {
		bool done;

		KM_TRY(sign_or_not(call, change, &done));
		/* A halt that cannot be signed is one nevertheless, and is seen; dates() tries to sign it again. */
		if (!done && !change->set)
			return NULL;
		if (!done)
			change->engine->unsigned_halt = true;
	}
	call->after = change_after;
	return NULL;
}

/* Waits until the writer has done it; whether it is stored. */
static bool change_do(struct engine *e, struct change *change)
{
	struct call *call = call_own(e->server, "server", change_work);
	bool stored = false;
	unsigned before;

	change->engine = e;
	change->stored = &stored;
	call->data = change;
	call->free = change_free;
	pthread_mutex_lock(&e->lock);
	before = e->done;
	pthread_mutex_unlock(&e->lock);
	call_first(call);
	pthread_mutex_lock(&e->lock);
	while (e->done == before)
		pthread_cond_wait(&e->come, &e->lock);
	pthread_mutex_unlock(&e->lock);
	return stored;
}

/* ---- rollouts ---- */

/* What is to be done. While the server itself has not been there for long, nobody is silent and no wave is complete:
 * hosts had no chance to be heard. What harm they tell counts at once. */
static km_error *decide(struct engine *e, struct km_store_rollout *rollout, int64_t now, enum km_step *step,
			bool *changed, char reason[static KM_TRUST_REASON_MAX + 1])
{
	struct km_plan plan;
	struct km_counts counts;
	bool young;

	KM_TRY(engine_count(e->server, rollout, now, &counts));
	KM_TRY(km_plan_parse(rollout->plan, strlen(rollout->plan), &plan));
	young = e->server->started > rollout->at.wave_since &&
		now - e->server->started < km_plan_silent_after(&plan, e->server->config->interval);
	if (young)
		counts.silent = rollout->at.forgiven.silent;
	*changed = km_rollout_remember(&rollout->at, &counts);
	*step = km_rollout_step(&plan, &rollout->at, &counts, now, reason);
	if (young && *step != KM_STEP_HALT)
		*step = KM_STEP_STAY;
	km_plan_free(&plan);
	return NULL;
}

static km_error *look(struct engine *e, struct km_store_rollout *rollout, int64_t now)
{
	static const struct {
		const char *action;
		enum km_rollout_state state;
	} steps[] = {
		[KM_STEP_STAY] = {NULL, KM_ROLLOUT_RUNNING},
		[KM_STEP_NEXT_WAVE] = {"rollout.wave", KM_ROLLOUT_RUNNING},
		[KM_STEP_HALT] = {"rollout.halt", KM_ROLLOUT_HALTED},
		[KM_STEP_DONE] = {"rollout.done", KM_ROLLOUT_DONE},
	};
	char reason[KM_TRUST_REASON_MAX + 1];
	struct change change = {.channel = rollout->channel, .set = rollout};
	enum km_step step;
	bool changed;

	KM_TRY(decide(e, rollout, now, &step, &changed, reason));
	if (step == KM_STEP_STAY && !changed)
		return NULL;
	rollout->at.state = steps[step].state;
	if (step == KM_STEP_NEXT_WAVE) {
		km_rollout_next_wave(&rollout->at, now);
		snprintf(reason, sizeof(reason), "wave %zu", rollout->at.wave + 1);
	}
	if (step != KM_STEP_STAY)
		rollout->reason = reason;
	change.action = steps[step].action;
	change.rollout = step != KM_STEP_STAY;
	if (change_do(e, &change) && change.action)
		server_log("rollout %lld of %s: %s%s%s", (long long)rollout->id, rollout->channel,
			   change.action + strlen("rollout."), *reason ? ": " : "", reason);
	return NULL;
}

static km_error *look_at_all(struct engine *e, km_arena *arena)
{
	struct km_store_rollout *rollouts;
	size_t n;

	KM_TRY(km_store_rollouts(e->server->store, NULL, true, 0, KM_STORE_PAGE_MAX, arena, &rollouts, &n));
	for (size_t i = 0; i < n; i++) {
		km_error *err = rollouts[i].at.state == KM_ROLLOUT_RUNNING ? look(e, &rollouts[i], server_now()) : NULL;

		if (err)
			server_warn_error(err, "rollout %lld", (long long)rollouts[i].id);
	}
	return NULL;
}

/* Each second; at once when somebody said that a patch did harm; but never for more than a part of the machine. */
static km_error *rollouts(struct engine *e, bool kicked)
{
	double begin = km_now(), cost;
	km_arena *arena;
	km_error *err;

	if (begin < (kicked ? e->kick_after : e->next))
		return NULL;
	arena = km_arena_create();
	err = look_at_all(e, arena);
	km_arena_destroy(arena);
	cost = km_now() - begin;
	e->next = km_now() + (4 * cost > 0.9 ? 4 * cost : 0.9);
	e->kick_after = km_now() + cost;
	return err;
}

/* ---- dates ---- */

/* Timestamps are renewed when a quarter of their time is over, rollouts at the half: a server that was down for a while
 * is no outage. */
static bool due(const struct held_channel *c, int64_t now, bool *rollout)
{
	const struct held *t = &c->timestamp, *r = &c->rollout;

	if (!c->index.version)
		return false;
	*rollout = !r->version || !r->is_signed || now - r->issued >= (r->expires - r->issued) / 2;
	return *rollout || !t->version || !t->is_signed || now - t->issued >= (t->expires - t->issued) / 4;
}

static void dates(struct engine *e)
{
	struct snapshot *s = documents_get(e->server);
	int64_t now = server_now();
	bool all = e->unsigned_halt;

	for (size_t i = 0; i < s->n_channels && now >= e->sign_after; i++) {
		struct change change = {.channel = s->channels[i].name};
		bool sign = due(&s->channels[i], now, &change.rollout);

		change.rollout |= all;
		if ((sign || (all && s->channels[i].index.version)) && !change_do(e, &change))
			e->sign_after = now + RETRY;
	}
	if (all && now >= e->sign_after)
		e->unsigned_halt = false;
	documents_release(e->server, s);
}

/* ---- others ---- */

static km_error *lead(struct engine *e)
{
	struct server *server = e->server;
	int64_t now = server_now();
	bool held = true;

	if (server->shared && now - e->leased >= LEASE_AFTER) {
		KM_TRY(km_store_lease(server->store, "engine", e->holder, now, LEASE, &held));
		e->leased = held ? now : 0;
	} else if (server->shared) {
		held = e->leased != 0;
	}
	e->leads = held;
	return NULL;
}

/* Whether another server may have taken a host or its tags away since the last look. */
static km_error *hosts_changed(struct engine *e, bool *ret)
{
	km_arena *arena = km_arena_create();
	struct km_store_audit *records;
	size_t n = 0;
	km_error *err = km_store_audit_list(e->server->store, e->audit, KM_STORE_PAGE_MAX, arena, &records, &n);

	*ret = n == KM_STORE_PAGE_MAX;
	for (size_t i = 0; i < n; i++)
		*ret |= !strcmp(records[i].action, "host.delete") || !strcmp(records[i].action, "host.tag");
	km_arena_destroy(arena);
	return err;
}

/* Whoever changes something writes to the audit log: this server, another one, or kmend-server admin. What hosts do by
 * themselves and documents that are signed just because of their age are not in it. */
static km_error *follow(struct engine *e)
{
	char head[KM_SHA256_HEX];
	int64_t seq, now = server_now();
	bool changed, hosts = e->server->shared && now - e->others_at >= OTHERS;

	KM_TRY(km_store_audit_head(e->server->store, &seq, head));
	changed = seq != e->audit;
	if (changed && e->server->shared && !hosts)
		KM_TRY(hosts_changed(e, &hosts));
	if (changed)
		KM_TRY(load_tokens(e->server));
	if (changed || (e->server->shared && now - e->renewed_at >= RENEWED)) {
		KM_TRY(documents_load(e->server));
		e->renewed_at = now;
	}
	if (hosts) {
		KM_TRY(load_hosts(e->server));
		e->others_at = now;
	}
	e->audit = seq;
	return NULL;
}

static void tick(struct engine *e, bool kicked)
{
	km_error *err = lead(e);

	/* A crowd of reports may do harm: they are looked at together. */
	for (int i = 0; kicked && i < 50 && km_now() < e->kick_after; i++)
		nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);

	if (!err)
		err = follow(e);
	if (!err && e->leads)
		dates(e);
	if (!err && e->leads)
		err = rollouts(e, kicked);
	if (err)
		server_warn_error(err, "rollouts wait");
}

/* Until a kick, a stop or the end of the time; with the lock. */
static void nap(struct engine *e, long milliseconds)
{
	struct timespec until;

	if (e->stopped || e->kicked)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += milliseconds * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_cond_timedwait(&e->come, &e->lock, &until);
}

static void *run(void *ctx)
{
	struct engine *e = ctx;

	pthread_mutex_lock(&e->lock);
	while (!e->stopped) {
		bool kicked = e->kicked;

		e->kicked = false;
		pthread_mutex_unlock(&e->lock);
		tick(e, kicked);
		pthread_mutex_lock(&e->lock);
		nap(e, 1000);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

/* ---- its life ---- */

km_error *engine_start(struct server *server, struct engine **ret)
{
	struct engine *e = km_calloc(1, sizeof(*e));
	char host[40] = "";
	pthread_condattr_t attr;

	e->server = server;
	gethostname(host, sizeof(host) - 1);
	/* In containers all may have the same name and number. */
	snprintf(e->holder, sizeof(e->holder), "%s:%d:%08x", host, (int)getpid(), randombytes_random());
	pthread_mutex_init(&e->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&e->come, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&e->thread, NULL, run, e)) {
		free(e);
		return km_error_new(KM_ENV, "cannot start a thread");
	}
	*ret = e;
	return NULL;
}

void engine_kick(struct engine *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->kicked = true;
	pthread_cond_broadcast(&e->come);
	pthread_mutex_unlock(&e->lock);
}

bool engine_leads(const struct engine *e)
{
	return e && e->leads;
}

void engine_stop(struct engine *e)
{
	if (!e)
		return;
	pthread_mutex_lock(&e->lock);
	e->stopped = true;
	pthread_cond_broadcast(&e->come);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	if (e->server->shared && e->leads)
		km_error_free(km_store_lease_end(e->server->store, "engine", e->holder));
	pthread_cond_destroy(&e->come);
	pthread_mutex_destroy(&e->lock);
	free(e);
}
