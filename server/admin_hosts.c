/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "admin.h"

json_t *admin_tags_json(const char *tags)
{
	json_t *array = json_array();

	while (*tags) {
		size_t n = strcspn(tags, " ");

		if (n)
			json_array_append_new(array, json_stringn(tags, n));
		tags += n + (tags[n] == ' ');
	}
	return array;
}

json_t *admin_next(size_t n, size_t limit, int64_t last)
{
	return n == limit ? json_integer(last) : json_null();
}

static json_t *host_json(struct call *call, const struct km_store_host *h)
{
	struct table_host now; /* its last contact may be on the way to the store */
	int64_t seen = table_find_id(call->server->table, h->id, &now) && now.seen > h->seen ? now.seen : h->seen;

	return json_pack("{s:I, s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "n",
			 (json_int_t)h->n, "id", h->id, "token", h->token, "channel", h->channel, "tags",
			 admin_tags_json(h->tags), "arch", h->arch, "kernel", h->kernel, "build_id", h->build_id,
			 "boot", h->boot, "agent", h->agent, "state", km_standing_name(h->standing), "root",
			 (json_int_t)h->root, "timestamp", (json_int_t)h->timestamp, "attached",
			 (json_int_t)h->attached, "seen", (json_int_t)seen);
}

/* ---- lists ---- */

/* The words of the query into the filter; false: call->response says what is wrong. */
static bool read_words(struct call *call, struct km_store_filter *f)
{
	const char *standing = call_arg(call, "state"), *state = call_arg(call, "patch_state"),
		   *health = call_arg(call, "health");

	f->by_standing = standing && km_standing_of(standing, &f->standing);
	f->by_state = state && km_patch_state_of(state, &f->state);
	f->by_health = health && km_health_of(health, &f->health);
	if ((standing && !f->by_standing) || (state && !f->by_state) || (health && !f->by_health)) {
		call_fail(call, 400, "bad-argument", "there is no such state or health");
		return false;
	}
	if ((state || health) && !f->release) {
		call_fail(call, 400, "bad-argument", "patch_state and health go with a release");
		return false;
	}
	return true;
}

static bool read_filter(struct call *call, struct km_store_filter *ret)
{
	*ret = (struct km_store_filter){.channel = call_arg(call, "channel"),
					.tag = call_arg(call, "tag"),
					.kernel = call_arg(call, "kernel"),
					.token = call_arg(call, "token"),
					.release = call_arg(call, "release"),
					.text = call_arg(call, "q")};
	return read_words(call, ret) && call_arg_int(call, "after", 0, INT64_MAX / 2, 0, &ret->after) &&
	       call_arg_limit(call, &ret->limit);
}

static km_error *hosts(struct call *call)
{
	struct km_store_filter filter;
	struct km_store_host *list;
	json_t *array;
	size_t n;

	if (!read_filter(call, &filter))
		return NULL;
	KM_TRY(km_store_hosts(call->server->store, &filter, call_arena(call), &list, &n));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, host_json(call, &list[i]));
	return call_json(
		call, 200,
		json_pack("{s:o, s:o}", "hosts", array, "next", admin_next(n, filter.limit, n ? list[n - 1].n : 0)));
}

km_http_response *admin_hosts(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), hosts);
}

/* ---- one ---- */

static json_t *patches_json(const struct km_store_patch *patches, size_t n)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct km_report_patch *p = &patches[i].said;

		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:s, s:I}", "release",
						       p->release, "state", km_patch_state_name(p->state), "health",
						       km_health_name(p->health), "since", (json_int_t)p->since,
						       "transition_ms", (int)p->transition_ms, "age", (int)p->age,
						       "detail", p->detail, "updated", (json_int_t)patches[i].updated));
	}
	return array;
}

static km_error *host(struct call *call)
{
	km_store *store = call->server->store;
	struct km_store_patch *patches, *history;
	enum km_store_why why = KM_STORE_FINE;
	struct km_store_host h;
	size_t n_patches, n_history;
	json_t *o;
	km_error *err = km_store_host(store, call_param(call, "host"), call_arena(call), &h, &why);

	if (err)
		return call_store(call, err, why, "host");
	KM_TRY(km_store_host_patches(store, h.n, call_arena(call), &patches, &n_patches));
	KM_TRY(km_store_host_history(store, h.n, call_arena(call), &history, &n_history));
	o = host_json(call, &h);
	json_object_set_new(o, "patches", patches_json(patches, n_patches));
	json_object_set_new(o, "history", patches_json(history, n_history));
	return call_json(call, 200, o);
}

km_http_response *admin_host(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), host);
}

/* ---- changes ---- */

static void tagged(struct call *call)
{
	table_tag(call->server->table, call_param(call, "host"), call->data);
}

static km_error *tags(struct call *call)
{
	const char *id = call_param(call, "host"), **words;
	enum km_store_why why = KM_STORE_FINE;
	struct km_store_host h;
	struct km_json json;
	struct km_fields f = call_fields(call, &json);
	km_str text = {0};
	size_t n;
	km_error *err;

	words = km_fields_texts(&f, "tags", KM_FLEET_TAGS, km_trust_name_ok, &n);
	km_fields_done(&f);
	KM_TRY(km_json_end(&json));
	for (size_t i = 0; i < n; i++)
		km_str_printf(&text, "%s%s", i ? " " : "", words[i]);
	err = km_store_host_tag(call->server->store, id, text.at ? text.at : "", &why);
	km_str_free(&text);
	if (err)
		return call_store(call, err, why, "host");
	KM_TRY(km_store_host(call->server->store, id, call_arena(call), &h, NULL));
	KM_TRY(call_audit(call, "host.tag", id, h.tags));
	call->data = (void *)h.tags;
	call->after = tagged;
	return call_json(call, 200, json_pack("{s:s, s:o}", "id", id, "tags", admin_tags_json(h.tags)));
}

km_http_response *admin_host_tags(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), tags);
}

static void deleted(struct call *call)
{
	table_remove(call->server->table, call_param(call, "host"));
}

static km_error *delete (struct call *call)
{
	const char *id = call_param(call, "host");
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_detach(call->server->store, id, &why);

	if (err)
		return call_store(call, err, why, "host");
	KM_TRY(call_audit(call, "host.delete", id, ""));
	call->after = deleted;
	return call_json(call, 200, json_pack("{s:s}", "id", id));
}

km_http_response *admin_host_delete(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), delete);
}
