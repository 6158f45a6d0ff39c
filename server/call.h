/* SPDX-License-Identifier: GPL-2.0-or-later */
/* call.h - a request on its way through the server: who asks, what for, and the answer that it gets. */
#ifndef KMEND_SERVER_CALL_H
#define KMEND_SERVER_CALL_H

#include <kmend/json.h>

#include "server.h"

/* Who may use a route (km_http_route.need). The admin roles are by rank. */
enum need {
	NEED_NOBODY = 0, /* anyone */
	NEED_HOST = 1,
	NEED_TOKEN = 2,
	NEED_VIEWER = 4,
	NEED_OPERATOR = 8,
	NEED_RELEASER = 16,
	NEED_ADMINS = NEED_VIEWER | NEED_OPERATOR | NEED_RELEASER,
	NEED_READ = NEED_HOST | NEED_VIEWER, /* documents and blobs */
};

struct call {
	struct call *next;
	struct server *server;
	km_http_request *request; /* NULL: the server's own */
	km_arena *arena;	  /* made by call_arena() */
	int64_t now;
	enum need as;		  /* NEED_HOST, NEED_TOKEN, or an admin's role */
	struct table_host host;	  /* NEED_HOST */
	struct table_token token; /* NEED_TOKEN */
	const char *actor;	  /* for the audit log: "admin:ops", "token:ID", "host:ID", "server" */

	/* What is to be done on the writer's or a reader's thread. It sets `response` (nothing for the server's own
	 * calls), or fails. For the writer: what it did is taken back when it fails or when the answer's status is 400
	 * or more, and it may run again, when the database asks for that. */
	km_error *(*work)(struct call *call);
	/* After the commit, before the answer; NULL: nothing. */
	void (*after)(struct call *call);
	void (*free)(void *data); /* of data */
	void *data;
	bool single; /* one operation of the store: nothing to take back */
	bool audited_refusal;
	struct km_store_audit refusal; /* to be logged though the rest is taken back; texts are the arena's */
	km_http_response *response;
};

/* The begin() of every route: finds out who asks and whether they may, and keeps the call with the request. */
km_http_response *call_begin(km_http_request *request, void *ctx);
/* The request's call. */
struct call *call_of(km_http_request *request);
/* A call of the server's own. */
struct call *call_own(struct server *server, const char *actor, km_error *(*work)(struct call *call));
km_arena *call_arena(struct call *call);
/* Ends it: answers with call->response, or frees one of the server's own. */
void call_end(struct call *call);
void call_free(void *call);

/* Hands the request to the writer or the readers; or answers 503 when too many wait. NULL, for handlers. */
km_http_response *call_write(struct call *call, km_error *(*work)(struct call *call));
km_http_response *call_read(struct call *call, km_error *(*work)(struct call *call));
/* Hands a call of the server's own to the writer, before all others. */
void call_first(struct call *call);

/* For work functions: set the answer and return NULL, so that `return call_fail(…)` ends them. */
km_error *call_json(struct call *call, int status, json_t *json);
km_error *call_fail(struct call *call, int status, const char *code, const char *fmt, ...) KM_PRINTF(4, 5);
/* call_fail() by what the store said; `what` is the thing: "token". KM_STORE_FINE gives err. */
km_error *call_store(struct call *call, km_error *err, enum km_store_why why, const char *what);
/* The same as call_fail() with an error's message, which is taken; what is not the caller's fault (KM_ENV, KM_BUG) is
 * given back. */
km_error *call_error(struct call *call, int status, const char *code, km_error *err);
/* Logs the refusal: a person should see that somebody tried. */
void call_note(struct call *call, const char *action, const char *object, const char *fmt, ...) KM_PRINTF(4, 5);
/* A record in the audit log, in the transaction of what it is about. */
km_error *call_audit(struct call *call, const char *action, const char *object, const char *detail);

/* The body as JSON with known keys only; work functions and handlers read from it. */
struct km_fields call_fields(struct call *call, struct km_json *json);
/* {"reason": …} */
km_error *call_reason(struct call *call, const char **ret);
/* A number of the query in [min, max], or `other` when it is absent; false: call->response says why not. */
bool call_arg_int(struct call *call, const char *name, int64_t min, int64_t max, int64_t other, int64_t *ret);
/* `limit` of a page. */
bool call_arg_limit(struct call *call, size_t *ret);
const char *call_arg(struct call *call, const char *name);
const char *call_param(struct call *call, const char *name);

#endif
