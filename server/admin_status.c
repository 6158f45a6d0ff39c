/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How the server stands: for people, for whoever watches it, and the audit log. */
#include "admin.h"
#include "documents.h"
#include "engine.h"
#include "health.h"

static json_t *texts(km_strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(array, json_string(list->at[i]));
	km_strv_free(list);
	return array;
}

/* ---- health ---- */

static km_error *health(struct call *call)
{
	km_strv problems = {0};
	bool bad = health_problems(call->server, call->now, &problems);

	return call_json(call, bad ? 503 : 200,
			 json_pack("{s:s, s:o}", "status", bad ? "bad" : "good", "problems", texts(&problems)));
}

km_http_response *admin_health(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), health);
}

/* ---- status ---- */

struct listing {
	json_t *array;
	int64_t now;
};

static void list(void *ctx, enum km_doc doc, const char *channel, const struct held *held)
{
	const struct listing *l = ctx;

	json_array_append_new(
		l->array, json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:f, s:b}", "document", km_doc_name(doc), "channel",
				    channel, "version", (json_int_t)held->version, "sha256", held->sha256, "issued",
				    (json_int_t)held->issued, "expires", (json_int_t)held->expires, "days_left",
				    (double)(held->expires - l->now) / 86400, "signed", (int)held->is_signed));
}

static json_t *root_json(const struct snapshot *s)
{
	if (!s->root.version)
		return json_null();
	return json_pack("{s:I, s:s, s:I}", "version", (json_int_t)s->root.version, "sha256", s->root.sha256, "expires",
			 (json_int_t)s->root.expires);
}

static json_t *status_json(struct call *call, json_t *standing)
{
	struct server *server = call->server;
	struct snapshot *s = documents_get(server);
	struct listing l = {json_array(), call->now};
	km_strv problems = {0};
	json_t *o;

	health_problems(server, call->now, &problems);
	snapshot_each(s, list, &l);
	o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:b, s:I, s:I, s:o, s:o, s:o, s:o}", "version", KMEND_VERSION, "store",
		      km_store_describe(server->store), "schema", (json_int_t)km_store_schema(server->store), "time",
		      (json_int_t)call->now, "started", (json_int_t)server->started, "engine",
		      (int)engine_leads(server->engine), "queue", (json_int_t)queue_length(server->writer), "hosts",
		      (json_int_t)table_count(server->table), "standing", standing, "root", root_json(s), "documents",
		      l.array, "problems", texts(&problems));
	documents_release(server, s);
	return o;
}

static km_error *status(struct call *call)
{
	int64_t standing[KM_STANDINGS];
	json_t *counts = json_object();
	km_error *err = km_store_count_standing(call->server->store, NULL, standing);

	if (err) {
		json_decref(counts);
		return err;
	}
	for (int i = 0; i < KM_STANDINGS; i++)
		if (standing[i])
			json_object_set_new(counts, km_standing_name((enum km_standing)i), json_integer(standing[i]));
	return call_json(call, 200, status_json(call, counts));
}

km_http_response *admin_status(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), status);
}

/* ---- the audit log ---- */

static km_error *audit(struct call *call)
{
	struct km_store_audit *rows;
	char head[KM_SHA256_HEX];
	int64_t after, seq;
	size_t n, limit;
	json_t *array;

	if (!call_arg_int(call, "after", 0, INT64_MAX / 2, 0, &after) || !call_arg_limit(call, &limit))
		return NULL;
	KM_TRY(km_store_audit_list(call->server->store, after, limit, call_arena(call), &rows, &n));
	KM_TRY(km_store_audit_head(call->server->store, &seq, head));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_pack("{s:I, s:I, s:s, s:s, s:s, s:s, s:s}", "seq",
						       (json_int_t)rows[i].seq, "at", (json_int_t)rows[i].at, "actor",
						       rows[i].actor, "action", rows[i].action, "object",
						       rows[i].object, "detail", rows[i].detail, "hash", rows[i].hash));
	return call_json(call, 200,
			 json_pack("{s:o, s:o, s:{s:I, s:s}}", "records", array, "next",
				   admin_next(n, limit, n ? rows[n - 1].seq : 0), "head", "seq", (json_int_t)seq,
				   "hash", head));
}

km_http_response *admin_audit(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), audit);
}
