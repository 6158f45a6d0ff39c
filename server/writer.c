/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdatomic.h>

#include "call.h"
#include "writer.h"

struct writer {
	struct server *server;
	double seen_at; /* when contacts were written, by km_now() */
	size_t n_seen;
	struct km_store_seen seen[WRITER_SEEN];
	size_t slots[WRITER_SEEN];
	struct call *calls; /* of the transaction under way */
	atomic_uint_fast64_t errors;
	_Atomic double began; /* the transaction, by km_now(); 0: none */
};

struct writer *writer_create(struct server *server)
{
	struct writer *w = km_calloc(1, sizeof(*w));

	w->server = server;
	w->seen_at = km_now();
	return w;
}

void writer_destroy(struct writer *w)
{
	free(w);
}

uint64_t writer_errors(const struct writer *w)
{
	return w->errors;
}

double writer_busy(const struct writer *w)
{
	double began = w->began;

	return began > 0 ? km_now() - began : 0;
}

/* ---- one call ---- */

static void store_down(struct call *call)
{
	km_http_response_free(call->response);
	call->response =
		km_http_retry_after(km_http_fail(503, "store", "the state cannot be used now; come again"), 10);
}

/* PostgreSQL went away before it answered a commit, and nobody can ask it. */
static bool fate_unknown(const km_error *err)
{
	return err->sys == ECONNABORTED;
}

/* To do it again is for those who can look what there is. */
static void maybe_stored(struct call *call)
{
	km_http_response_free(call->response);
	call->response = km_http_retry_after(
		km_http_fail(503, "maybe-stored", "the state went away while this was stored, which may have come "
						  "through: look before you do it again"),
		10);
}

static void broke(struct call *call, km_error *err)
{
	bool unknown = fate_unknown(err);

	server_warn_error(err, "%s", call->request ? km_http_request_route(call->request)->pattern : call->actor);
	if (unknown)
		maybe_stored(call);
	else
		store_down(call);
}

static bool refused(const struct call *call)
{
	return call->response && km_http_status(call->response) >= 400;
}

/* Only the database's own failure is returned: it ends the whole transaction. */
static km_error *run_one(struct call *call)
{
	km_store *store = call->server->store;
	km_error *err;

	km_http_response_free(call->response); /* of a try before this one */
	call->response = NULL;
	call->audited_refusal = call->audited_refusal && !call->work;
	call->after = NULL;
	if (call->work) {
		if (!call->single)
			KM_TRY(km_store_begin(store));
		err = call->work(call);
		if (err)
			err = call_error(call, 400, "bad-request", err);
		if (!call->single && (err || refused(call)))
			km_store_rollback(store);
		else if (!call->single)
			err = km_store_commit(store);
		if (err)
			return err;
	}
	return call->audited_refusal ? km_store_audit(store, &call->refusal, NULL) : NULL;
}

static km_error *run_all(km_store *store, void *ctx)
{
	struct writer *w = ctx;

	for (struct call *call = w->calls; call; call = call->next)
		KM_TRY(run_one(call));
	return w->n_seen ? km_store_seen(store, w->seen, w->n_seen) : NULL;
}

/* ---- a batch ---- */

enum outcome { OUTCOME_STORED, OUTCOME_NOT, OUTCOME_UNKNOWN };

static void end_all(struct writer *w, enum outcome outcome)
{
	struct call *call = w->calls, *next;

	for (; call; call = next) {
		next = call->next;
		if (outcome == OUTCOME_NOT)
			store_down(call);
		else if (outcome == OUTCOME_UNKNOWN)
			maybe_stored(call);
		else if (call->after && !refused(call))
			call->after(call);
		call_end(call);
	}
	w->calls = NULL;
}

/* One call cannot be carried out: each stands for itself, so that it does not take the others with it. */
static void run_apart(struct writer *w)
{
	struct call *calls = w->calls;

	while (calls) {
		struct call *call = calls;
		km_error *err;

		calls = call->next;
		call->next = NULL;
		w->calls = call;
		err = km_store_transact(w->server->store, run_all, w);
		if (err) {
			w->errors++;
			broke(call, err);
			w->calls = NULL;
			call_end(call);
			continue;
		}
		end_all(w, OUTCOME_STORED);
	}
}

static void run_batch(struct writer *w)
{
	km_error *err = km_store_transact(w->server->store, run_all, w);
	size_t n = w->n_seen;

	w->n_seen = 0;
	if (err) {
		bool unknown = fate_unknown(err);

		w->errors++;
		table_seen_failed(w->server->table, w->seen, w->slots, n);
		if (!unknown && w->calls && w->calls->next) {
			km_error_free(err);
			run_apart(w);
			return;
		}
		if (w->calls)
			server_warn_error(err, "cannot store what %s asks for", w->calls->actor);
		else
			server_warn_error(err, "cannot store when hosts were heard of");
		end_all(w, unknown ? OUTCOME_UNKNOWN : OUTCOME_NOT);
		return;
	}
	table_seen_done(w->server->table, w->seen, w->slots, n);
	end_all(w, OUTCOME_STORED);
}

void writer_work(void *ctx, struct call *calls)
{
	struct writer *w = ctx;
	size_t max = queue_length(w->server->writer) ? WRITER_SEEN_BUSY : WRITER_SEEN;

	/* A batch of contacts goes with each commit while there are some that are due. */
	if (km_now() - w->seen_at >= WRITER_SEEN_EVERY) {
		w->n_seen = table_take_seen(w->server->table, w->seen, w->slots, max);
		if (w->n_seen < max)
			w->seen_at = km_now();
	}
	w->calls = calls;
	if (!calls && !w->n_seen)
		return;
	w->began = km_now();
	run_batch(w);
	w->began = 0;
}

void writer_flush(struct writer *w)
{
	uint64_t before = w->errors;

	w->calls = NULL;
	while ((w->n_seen = table_take_seen(w->server->table, w->seen, w->slots, WRITER_SEEN)) && before == w->errors)
		run_batch(w);
}

void reader_work(void *ctx, struct call *call)
{
	km_error *err;

	(void)ctx;
	if (!call)
		return;
	err = call->work(call);
	if (err)
		err = call_error(call, 400, "bad-request", err);
	if (err)
		broke(call, err);
	call_end(call);
}
