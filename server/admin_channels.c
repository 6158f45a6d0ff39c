/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin.h"
#include "documents.h"
#include "publish.h"
#include "sign.h"

static json_t *listed_json(const struct km_store_listed *listed, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_pack("{s:s, s:b, s:s?}", "id", listed[i].release, "staged",
						       (int)listed[i].staged, "withdrawn", listed[i].withdrawn));
	return array;
}

static km_error *add_channel(struct call *call, const struct km_store_channel *channel, const struct held_channel *held,
			     json_t *array)
{
	struct km_store_listed *listed;
	int64_t hosts;
	size_t n;

	KM_TRY(km_store_index(call->server->store, channel->name, call_arena(call), &listed, &n));
	KM_TRY(admin_count_hosts(call, channel->name, &hosts));
	json_array_append_new(array, json_pack("{s:s, s:s?, s:I, s:I, s:I, s:I, s:I, s:o}", "name", channel->name,
					       "halt", channel->halt, "changed", (json_int_t)channel->changed, "hosts",
					       (json_int_t)hosts, "index", (json_int_t)(held ? held->index.version : 0),
					       "rollout", (json_int_t)(held ? held->rollout.version : 0), "timestamp",
					       (json_int_t)(held ? held->timestamp.version : 0), "releases",
					       listed_json(listed, n)));
	return NULL;
}

static km_error *channels(struct call *call)
{
	struct snapshot *s = documents_get(call->server);
	struct km_store_channel *list;
	json_t *array = json_array();
	size_t n = 0;
	km_error *err = km_store_channels(call->server->store, call_arena(call), &list, &n);

	for (size_t i = 0; i < n && !err; i++)
		err = add_channel(call, &list[i], snapshot_channel(s, list[i].name), array);
	documents_release(call->server, s);
	if (!err)
		return call_json(call, 200, json_pack("{s:o}", "channels", array));
	json_decref(array);
	return err;
}

km_http_response *admin_channels(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), channels);
}

/* ---- history ---- */

static bool history_doc(struct call *call, enum km_doc *ret)
{
	const char *name = call_arg(call, "document");

	*ret = KM_DOC_INDEX;
	if (!name ||
	    (km_doc_of(name, ret) && (*ret == KM_DOC_INDEX || *ret == KM_DOC_ROLLOUT || *ret == KM_DOC_TIMESTAMP)))
		return true;
	call_fail(call, 400, "bad-argument", "a channel has index, rollout and timestamp");
	return false;
}

static km_error *history(struct call *call)
{
	struct km_store_document *list;
	struct km_store_channel channel;
	enum km_store_why why = KM_STORE_FINE;
	const char *name = call_param(call, "channel");
	enum km_doc doc;
	size_t n, limit;
	json_t *array;
	km_error *err;

	if (!history_doc(call, &doc) || !call_arg_limit(call, &limit))
		return NULL;
	err = km_store_channel(call->server->store, name, call_arena(call), &channel, &why);
	if (err)
		return call_store(call, err, why, "channel");
	KM_TRY(km_store_documents(call->server->store, name, doc, limit, call_arena(call), &list, &n));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:I, s:s, s:I, s:I}", "document", km_doc_name(doc), "version",
						(json_int_t)list[i].version, "sha256", list[i].sha256, "size",
						(json_int_t)list[i].size, "stored", (json_int_t)list[i].stored));
	return call_json(call, 200, json_pack("{s:o}", "documents", array));
}

km_http_response *admin_channel_history(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), history);
}

/* ---- halt and resume ---- */

static void changed(struct call *call)
{
	documents_changed(call->server);
}

static km_error *set_halt(struct call *call, bool halt)
{
	const char *name = call_param(call, "channel"), *reason;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err;

	KM_TRY(call_reason(call, &reason));
	err = km_store_channel_halt(call->server->store, name, halt ? reason : NULL, call->now, &why);
	if (err)
		return call_store(call, err, why, "channel");
	KM_TRY(call_audit(call, halt ? "channel.halt" : "channel.resume", name, reason));
	err = sign_channel(call, name, true);
	if (err)
		return call_error(call, 409, "no-key", err);
	call->after = changed;
	return channel_answer(call, 200, name);
}

static km_error *halt(struct call *call)
{
	return set_halt(call, true);
}

static km_error *resume(struct call *call)
{
	return set_halt(call, false);
}

km_http_response *admin_channel_halt(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), halt);
}

km_http_response *admin_channel_resume(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), resume);
}
