/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin.h"
#include "documents.h"
#include "engine.h"
#include "sign.h"

static json_t *forgiven_json(const struct km_progress_of *at)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "failed", (json_int_t)at->forgiven.failed, "stalled",
			 (json_int_t)at->forgiven.stalled, "crashed", (json_int_t)at->forgiven.crashed, "silent",
			 (json_int_t)at->forgiven.silent);
}

static json_t *rollout_json(const struct km_store_rollout *r)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:s, s:I, s:s, s:I, s:o, s:o}", "id", (json_int_t)r->id,
			 "channel", r->channel, "release", r->release, "state", km_rollout_state_name(r->at.state),
			 "wave", (json_int_t)r->at.wave, "wave_since", (json_int_t)r->at.wave_since, "reason",
			 r->reason, "created", (json_int_t)r->created, "by", r->by, "revision", (json_int_t)r->revision,
			 "plan", json_loads(r->plan, 0, NULL), "forgiven", forgiven_json(&r->at));
}

static json_t *counts_json(const struct km_counts *c)
{
	const struct {
		const char *name;
		uint64_t n;
	} rows[] = {{"members", c->members}, {"online", c->online},	      {"reached", c->reached},
		    {"tried", c->tried},     {"loaded", c->loaded},	      {"settled", c->settled},
		    {"failed", c->failed},   {"stalled", c->stalled},	      {"crashed", c->crashed},
		    {"silent", c->silent},   {"wave_online", c->wave_online}, {"wave_settled", c->wave_settled}};
	json_t *o = json_object();

	for (size_t i = 0; i < KM_COUNT(rows); i++)
		json_object_set_new(o, rows[i].name, json_integer((json_int_t)rows[i].n));
	return o;
}

static km_error *whole(struct call *call, int status, const struct km_store_rollout *r)
{
	struct km_counts counts;
	json_t *o;

	KM_TRY(engine_count(call->server, r, call->now, &counts));
	o = rollout_json(r);
	json_object_set_new(o, "counts", counts_json(&counts));
	return call_json(call, status, o);
}

/* ---- lists and one ---- */

static km_error *rollouts(struct call *call)
{
	struct km_store_rollout *list;
	int64_t before, open = 0;
	size_t n, limit;
	json_t *array;

	if (!call_arg_int(call, "before", 0, INT64_MAX / 2, 0, &before) ||
	    !call_arg_int(call, "open", 0, 1, 0, &open) || !call_arg_limit(call, &limit))
		return NULL;
	KM_TRY(km_store_rollouts(call->server->store, call_arg(call, "channel"), open, before, limit, call_arena(call),
				 &list, &n));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, rollout_json(&list[i]));
	return call_json(
		call, 200,
		json_pack("{s:o, s:o}", "rollouts", array, "next", admin_next(n, limit, n ? list[n - 1].id : 0)));
}

km_http_response *admin_rollouts(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), rollouts);
}

/* The rollout of the path; false: call->response or *err says why not. */
static bool find(struct call *call, struct km_store_rollout *ret, km_error **err)
{
	const char *text = call_param(call, "rollout");
	enum km_store_why why = KM_STORE_FINE;
	char *end;
	long long id = *text >= '1' && *text <= '9' && strlen(text) < 19 ? strtoll(text, &end, 10) : 0;

	*err = NULL;
	if (!id || *end) {
		call_fail(call, 404, "rollout-absent", "there is no such rollout");
		return false;
	}
	*err = km_store_rollout(call->server->store, id, call_arena(call), ret, &why);
	if (!*err)
		return true;
	*err = call_store(call, *err, why, "rollout");
	return false;
}

static km_error *rollout(struct call *call)
{
	struct km_store_rollout r;
	km_error *err;

	return find(call, &r, &err) ? whole(call, 200, &r) : err;
}

km_http_response *admin_rollout(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), rollout);
}

/* ---- start ---- */

static void changed(struct call *call)
{
	documents_changed(call->server);
	engine_kick(call->server->engine);
}

/* Signs what the store says now, and answers with the rollout. */
static km_error *signed_answer(struct call *call, int status, const char *action, const struct km_store_rollout *r,
			       const char *detail)
{
	km_error *err;

	KM_TRY(call_audit(call, action, km_arena_printf(call_arena(call), "%lld", (long long)r->id), detail));
	err = sign_channel(call, r->channel, true);
	if (err)
		return call_error(call, 409, "no-key", err);
	call->after = changed;
	return whole(call, status, r);
}

static km_error *is_listed(struct call *call, const struct km_plan *plan, bool *ret)
{
	struct km_store_listed *listed;
	size_t n;

	*ret = false;
	KM_TRY(km_store_index(call->server->store, plan->channel, call_arena(call), &listed, &n));
	for (size_t i = 0; i < n; i++)
		*ret |= !strcmp(listed[i].release, plan->release) && !listed[i].withdrawn;
	return NULL;
}

static km_error *start_plan(struct call *call, const struct km_plan *plan)
{
	KM_AUTOFREE char *text = km_plan_text(plan);
	struct km_store_rollout r = {.channel = plan->channel,
				     .release = plan->release,
				     .plan = text,
				     .at = km_rollout_start(call->now),
				     .reason = "",
				     .created = call->now,
				     .by = call->actor};
	enum km_store_why why = KM_STORE_FINE;
	bool listed;
	km_error *err;

	KM_TRY(is_listed(call, plan, &listed));
	if (!listed)
		return call_fail(call, 409, "not-listed",
				 "the index of %s does not list this release, or has withdrawn it", plan->channel);
	err = km_store_rollout_add(call->server->store, &r, &r.id, &why);
	if (err)
		return call_store(call, err, why, "rollout");
	KM_TRY(km_store_rollout(call->server->store, r.id, call_arena(call), &r, NULL));
	return signed_answer(call, 201, "rollout.start", &r,
			     km_arena_printf(call_arena(call), "release %s in %s, %zu waves", plan->release,
					     plan->channel, plan->n_waves));
}

static km_error *start(struct call *call)
{
	size_t size;
	const void *body = km_http_request_body(call->request, &size);
	struct km_plan plan;
	km_error *err;

	KM_TRY(km_plan_parse(body ? body : "", size, &plan));
	err = start_plan(call, &plan);
	km_plan_free(&plan);
	return err;
}

km_http_response *admin_rollout_start(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), start);
}

/* ---- halt, resume, rollback ---- */

static const struct verb {
	const char *action;
	enum km_rollout_state to;
	unsigned from; /* bits of states */
} verbs[] = {
	{"rollout.halt", KM_ROLLOUT_HALTED, 1 << KM_ROLLOUT_RUNNING | 1 << KM_ROLLOUT_DONE},
	{"rollout.resume", KM_ROLLOUT_RUNNING, 1 << KM_ROLLOUT_HALTED | 1 << KM_ROLLOUT_TAKEN_BACK},
	{"rollout.rollback", KM_ROLLOUT_TAKEN_BACK,
	 1 << KM_ROLLOUT_RUNNING | 1 << KM_ROLLOUT_HALTED | 1 << KM_ROLLOUT_DONE},
};

static km_error *move(struct call *call, const struct verb *verb)
{
	struct km_store_rollout r;
	enum km_store_why why = KM_STORE_FINE;
	struct km_counts counts;
	const char *reason;
	km_error *err;

	KM_TRY(call_reason(call, &reason));
	if (!find(call, &r, &err))
		return err;
	if (!(verb->from & 1u << r.at.state))
		return call_fail(call, 409, "rollout-state", "this rollout is %s", km_rollout_state_name(r.at.state));
	if (verb->to == KM_ROLLOUT_RUNNING) {
		KM_TRY(engine_count(call->server, &r, call->now, &counts));
		km_rollout_resume(&r.at, &counts, call->now);
	}
	r.at.state = verb->to;
	r.reason = reason;
	err = km_store_rollout_set(call->server->store, &r, &why);
	if (err)
		return call_store(call, err, why, "rollout");
	KM_TRY(km_store_rollout(call->server->store, r.id, call_arena(call), &r, NULL));
	return signed_answer(call, 200, verb->action, &r, reason);
}

static km_error *halt(struct call *call)
{
	return move(call, &verbs[0]);
}

static km_error *resume(struct call *call)
{
	return move(call, &verbs[1]);
}

static km_error *rollback(struct call *call)
{
	return move(call, &verbs[2]);
}

km_http_response *admin_rollout_halt(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), halt);
}

km_http_response *admin_rollout_resume(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), resume);
}

km_http_response *admin_rollout_rollback(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), rollback);
}
