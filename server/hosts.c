/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching, detaching and the check-in: the way that all hosts go all the time. */
#include "hosts.h"
#include "call.h"
#include "documents.h"
#include "engine.h"

/* ---- attach ---- */

struct attaching {
	struct km_attach attach;
	struct km_store_host host; /* as it is stored */
	int64_t root;
};

static void attached(struct call *call)
{
	const struct attaching *a = call->data;

	table_put(call->server->table, &a->host);
}

static km_error *attach_answer(struct call *call, const struct attaching *a, const char *secret)
{
	struct km_attach_answer answer = {.root = a->root, .interval = call->server->config->interval};
	char *text;

	snprintf(answer.secret, sizeof(answer.secret), "%s", secret);
	snprintf(answer.channel, sizeof(answer.channel), "%s", a->host.channel);
	text = km_attach_answer_text(&answer);
	explicit_bzero(answer.secret, sizeof(answer.secret));
	call->response = km_http_take(201, "application/json", text, strlen(text));
	return NULL;
}

static km_error *attach(struct call *call)
{
	struct attaching *a = call->data;
	km_store *store = call->server->store;
	KM_AUTOFREE char *secret = km_fleet_secret_new("kmh_");
	enum km_store_why why = KM_STORE_FINE;
	char hash[KM_SHA256_HEX];
	int64_t n;
	km_error *err;

	km_fleet_secret_hash(secret, hash);
	err = km_store_attach(store, &a->attach, call->token.id, hash, call->now, &n, &why);
	if (err && why == KM_STORE_EXISTS) {
		km_error_free(err);
		call_note(call, "host.refused", a->attach.host, "the host belongs to another token");
		return call_fail(call, 409, "host-exists", "this host belongs to another token");
	}
	if (err && why != KM_STORE_FINE) {
		call_note(call, "host.refused", a->attach.host, "%s", km_store_why_name(why));
		return call_store(call, err, why, "token");
	}
	if (err)
		return err;
	KM_TRY(km_store_host(store, a->attach.host, call_arena(call), &a->host, NULL));
	call->after = attached;
	return attach_answer(call, a, secret);
}

km_http_response *hosts_attach(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);
	struct attaching *a = km_calloc(1, sizeof(*a));
	struct snapshot *s = documents_get(ctx);
	size_t size;
	const void *body = km_http_request_body(request, &size);
	km_error *err = km_attach_parse(body ? body : "", size, &a->attach);

	call->data = a;
	call->free = free;
	a->root = s->root.version;
	documents_release(ctx, s);
	if (err)
		return km_http_fail_error(400, "bad-request", err);
	if (!a->root)
		return km_http_retry_after(
			km_http_fail(503, "no-root", "this server has no root yet: the publisher must send it"), 60);
	return call_write(call, attach);
}

/* ---- detach ---- */

static void detached(struct call *call)
{
	table_remove(call->server->table, call->host.id);
}

static km_error *detach(struct call *call)
{
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_detach(call->server->store, call->host.id, &why);

	if (err)
		return call_store(call, err, why, "host");
	call->after = detached;
	call->response = km_http_empty(204);
	return NULL;
}

km_http_response *hosts_detach(km_http_request *request, void *ctx)
{
	(void)ctx;
	return call_write(call_of(request), detach);
}

/* ---- check-in ---- */

struct reporting {
	struct km_report report;
	int64_t digest;
};

static void reporting_free(void *data)
{
	struct reporting *r = data;

	km_report_free(&r->report);
	free(r);
}

/* The same bytes say the same. Never 0. */
static int64_t digest_of(const void *body, size_t size)
{
	uint8_t sum[KM_SHA256_LEN];
	int64_t digest;

	km_sha256_of(body, size, sum);
	memcpy(&digest, sum, sizeof(digest));
	return digest ? digest : 1;
}

/* Under load hosts come less often, up to twice the interval: a host that is not heard of for three of them counts as
 * silent. */
static int64_t interval(struct server *server)
{
	return server->config->interval * (server->config->queue + (int64_t)queue_length(server->writer)) /
	       server->config->queue;
}

static void add_tags(const char *text, km_strv *ret)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (n)
			km_strv_printf(ret, "%.*s", (int)n, text);
		text += n + (text[n] == ' ');
	}
}

static km_http_response *checkin_answer(struct call *call)
{
	struct server *server = call->server;
	struct snapshot *s = documents_get(server);
	const struct held_channel *c = snapshot_channel(s, call->host.token.channel);
	struct km_checkin_answer answer = {
		.interval = interval(server),
		.root = s->root.version,
		.timestamp = c ? c->timestamp.version : 0,
		.min_severity = call->host.token.min_severity,
		.payloads = server->config->payload_base,
	};
	char *text;

	add_tags(call->host.tags, &answer.tags);
	text = km_checkin_answer_text(&answer);
	km_strv_free(&answer.tags);
	documents_release(server, s);
	return km_http_take(200, "application/json", text, strlen(text));
}

static bool harmful(const struct km_report *report)
{
	for (size_t i = 0; i < report->n_patches; i++) {
		const struct km_report_patch *p = &report->patches[i];

		if (p->health == KM_HEALTH_CRASHED || p->health == KM_HEALTH_OOPSED || p->state == KM_PATCH_FAILED ||
		    p->state == KM_PATCH_STALLED)
			return true;
	}
	return false;
}

static void reported(struct call *call)
{
	const struct reporting *r = call->data;

	table_said(call->server->table, call->host.id, &r->report.kernel, r->digest, call->now);
	if (harmful(&r->report))
		engine_kick(call->server->engine);
}

static km_error *report(struct call *call)
{
	const struct reporting *r = call->data;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_report(call->server->store, &r->report, r->digest, call->now, &why);

	if (err)
		return call_store(call, err, why, "host");
	call->after = reported;
	call->response = checkin_answer(call);
	return NULL;
}

km_http_response *hosts_checkin(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);
	struct server *server = ctx;
	size_t size;
	const void *body = km_http_request_body(request, &size);
	int64_t digest = digest_of(body ? body : "", size);
	struct reporting *r;
	km_error *err;

	if (digest == call->host.digest) {
		table_contact(server->table, call->host.slot, call->now);
		return checkin_answer(call);
	}
	r = km_calloc(1, sizeof(*r));
	r->digest = digest;
	call->data = r;
	call->free = reporting_free;
	err = km_report_parse(body ? body : "", size, &r->report);
	if (err)
		return km_http_fail_error(400, "bad-request", err);
	if (strcmp(r->report.host, call->host.id))
		return km_http_fail(403, "other-host", "a host reports for itself alone");
	call->single = true;
	return call_write(call, report);
}
