/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>

#include "call.h"

struct call *call_of(km_http_request *request)
{
	return km_http_request_kept(request);
}

km_arena *call_arena(struct call *call)
{
	if (!call->arena)
		call->arena = km_arena_create();
	return call->arena;
}

void call_free(void *data)
{
	struct call *call = data;

	if (call->free)
		call->free(call->data);
	km_http_response_free(call->response);
	km_arena_destroy(call->arena);
	free(call);
}

struct call *call_own(struct server *server, const char *actor, km_error *(*work)(struct call *call))
{
	struct call *call = km_calloc(1, sizeof(*call));

	call->server = server;
	call->now = server_now();
	call->actor = actor;
	call->work = work;
	return call;
}

void call_end(struct call *call)
{
	km_http_response *response = call->response;

	if (!call->request) {
		call_free(call);
		return;
	}
	/* The request frees the call when it is over. */
	call->response = NULL;
	km_http_answer(call->request, response ? response : km_http_fail(500, "internal", "internal error"));
}

static km_http_response *busy(void)
{
	return km_http_retry_after(km_http_fail(503, "busy", "too many requests wait; come again"), 30);
}

static km_http_response *put(struct queue *queue, struct call *call, km_error *(*work)(struct call *call))
{
	call->work = work;
	km_http_later(call->request);
	if (queue_put(queue, call, false))
		return NULL;
	call->response = busy();
	call_end(call);
	return NULL;
}

km_http_response *call_write(struct call *call, km_error *(*work)(struct call *call))
{
	return put(call->server->writer, call, work);
}

km_http_response *call_read(struct call *call, km_error *(*work)(struct call *call))
{
	return put(call->server->readers, call, work);
}

void call_first(struct call *call)
{
	if (!queue_put(call->server->writer, call, true))
		call_free(call);
}

/* ---- answers ---- */

static void answer(struct call *call, km_http_response *response)
{
	km_http_response_free(call->response);
	call->response = response;
}

km_error *call_json(struct call *call, int status, json_t *json)
{
	answer(call, km_http_json(status, json));
	return NULL;
}

km_error *call_fail(struct call *call, int status, const char *code, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	answer(call, km_http_fail(status, code, "%s", text));
	return NULL;
}

km_error *call_store(struct call *call, km_error *err, enum km_store_why why, const char *what)
{
	static const struct {
		int status;
		const char *head, *tail;
	} says[KM_STORE_WHYS] = {
		[KM_STORE_ABSENT] = {404, "there is no such ", ""},
		[KM_STORE_EXISTS] = {409, "there is already a ", " like that"},
		[KM_STORE_STALE] = {409, "the ", " has changed meanwhile: look again"},
		[KM_STORE_LIMIT] = {403, "the ", " has all the hosts that it may have"},
		[KM_STORE_REVOKED] = {403, "the ", " was revoked"},
		[KM_STORE_EXPIRED] = {403, "the time of the ", " is over"},
	};
	KM_AUTOFREE char *code = NULL;

	if (!err || why == KM_STORE_FINE || err->code != KM_REFUSED)
		return err ? call_error(call, 400, "bad-value", err) : NULL;
	km_error_free(err);
	code = km_printf("%s-%s", why == KM_STORE_LIMIT ? "host" : what, km_store_why_name(why));
	return call_fail(call, says[why].status, code, "%s%s%s", says[why].head, what, says[why].tail);
}

km_error *call_error(struct call *call, int status, const char *code, km_error *err)
{
	if (err->code == KM_ENV || err->code == KM_BUG)
		return err;
	answer(call, km_http_fail_error(status, code, err));
	return NULL;
}

/* ---- the audit log ---- */

void call_note(struct call *call, const char *action, const char *object, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	call->audited_refusal = true;
	call->refusal = (struct km_store_audit){.at = call->now,
						.actor = call->actor,
						.action = km_arena_strdup(call_arena(call), action),
						.object = km_arena_strdup(call_arena(call), object),
						.detail = km_arena_strdup(call_arena(call), text)};
}

km_error *call_audit(struct call *call, const char *action, const char *object, const char *detail)
{
	struct km_store_audit record = {
		.at = call->now, .actor = call->actor, .action = action, .object = object, .detail = detail};

	return km_store_audit(call->server->store, &record, NULL);
}

/* ---- bodies and queries ---- */

struct km_fields call_fields(struct call *call, struct km_json *json)
{
	size_t size;
	const void *body = km_http_request_body(call->request, &size);

	*json = (struct km_json){.arena = call_arena(call)};
	return km_fields_begin(json, body ? body : "", size);
}

static bool reason_ok(const char *s)
{
	return *s && km_plain(s, KM_TRUST_REASON_MAX);
}

km_error *call_reason(struct call *call, const char **ret)
{
	struct km_json json;
	struct km_fields f = call_fields(call, &json);

	*ret = km_fields_text(&f, "reason", reason_ok);
	km_fields_done(&f);
	return km_json_end(&json);
}

const char *call_arg(struct call *call, const char *name)
{
	return km_http_request_arg(call->request, name);
}

const char *call_param(struct call *call, const char *name)
{
	return km_http_request_param(call->request, name);
}

bool call_arg_int(struct call *call, const char *name, int64_t min, int64_t max, int64_t other, int64_t *ret)
{
	const char *text = call_arg(call, name);
	char *end;
	long long n;

	*ret = other;
	if (!text)
		return true;
	n = *text >= '0' && *text <= '9' && strlen(text) < 19 ? strtoll(text, &end, 10) : -1;
	if (n < min || n > max || *end) {
		call_fail(call, 400, "bad-argument", "%s is no number from %lld to %lld", name, (long long)min,
			  (long long)max);
		return false;
	}
	*ret = n;
	return true;
}

bool call_arg_limit(struct call *call, size_t *ret)
{
	int64_t n;

	if (!call_arg_int(call, "limit", 1, KM_STORE_PAGE_MAX, 100, &n))
		return false;
	*ret = (size_t)n;
	return true;
}
