/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The server's admin interface. What it answers is for display and never trusted: what counts is verified by the local
 * root. */
#include <errno.h>
#include <fcntl.h>

#include "admin.h"

enum { TEXT_MAX = 4096, PAGES_MAX = 10000 };

/* ---- the way there ---- */

static bool goes_in_clear(const char *url)
{
	static const char *const here[] = {"http://127.", "http://localhost", "http://[::1]"};

	for (size_t i = 0; i < KM_COUNT(here); i++)
		if (km_starts(url, here[i]))
			return false;
	return km_starts(url, "http://");
}

km_error *api_open(const struct setup *setup, struct api *ret)
{
	struct km_http_client_options options = {.url = setup->server, .ca = setup->ca, .proxy = setup->proxy};
	struct api api = {0};
	km_error *err;

	if (!setup->server)
		return km_error_hint(km_error_new(KM_USAGE, "it is not said where the server is"),
				     "--server URL, KMEND_SERVER or server in ~/.config/kmend/admin.conf says it");
	KM_TRY(setup_token(setup, &api.token));
	if (goes_in_clear(setup->server))
		km_warn("the admin token goes to %s unencrypted", setup->server);
	options.bearer = api.token;
	err = km_http_client_create(&options, &api.client);
	if (err) {
		secret_free(api.token);
		return err;
	}
	*ret = api;
	return NULL;
}

void api_close(struct api *api)
{
	km_http_client_destroy(api->client);
	secret_free(api->token);
	*api = (struct api){0};
}

/* ---- JSON ---- */

/* A server that was taken must not write to the operator's terminal. */
static void make_plain(json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_string(value)) {
		KM_AUTOFREE char *plain = km_plain_of(json_string_value(value), TEXT_MAX);

		json_string_set(value, plain);
	}
	json_array_foreach(value, i, inner) make_plain(inner);
	json_object_foreach(value, key, inner) make_plain(inner);
}

static km_error *take_json(const struct km_http_reply *reply, bool raw, json_t **ret)
{
	json_error_t at;
	json_t *json;

	if (!ret)
		return NULL;
	json = json_loadb(reply->bytes, reply->size, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(json)) {
		json_decref(json);
		return km_error_hint(
			km_error_new(KM_INPUT, "%s answered with something that is no JSON object", reply->url),
			"is this the address of a kmend server?");
	}
	if (!raw)
		make_plain(json);
	*ret = json;
	return NULL;
}

static km_error *ask(const struct api *api, const struct km_http_call *call, json_t **ret)
{
	struct km_http_reply reply;
	km_error *err;

	KM_TRY(km_http_ask(api->client, call, &reply));
	err = take_json(&reply, api->raw, ret);
	km_http_reply_free(&reply);
	return err;
}

static char *path_of(const char *fmt, va_list ap)
{
	KM_AUTOFREE char *rest = km_vprintf(fmt, ap);

	return km_starts(rest, "/") ? km_strdup(rest) : km_printf("/v1/admin/%s", rest);
}

km_error *api_get(const struct api *api, json_t **ret, const char *fmt, ...)
{
	KM_AUTOFREE char *path = NULL;
	va_list ap;

	va_start(ap, fmt);
	path = path_of(fmt, ap);
	va_end(ap);
	return ask(api, &(struct km_http_call){.path = path, .reply_max = 64 << 20}, ret);
}

km_error *api_send(const struct api *api, const char *method, json_t *body, json_t **ret, const char *fmt, ...)
{
	KM_AUTOFREE char *path = NULL, *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct km_http_call call = {.method = method, .bytes = text, .size = text ? strlen(text) : 0};
	va_list ap;

	va_start(ap, fmt);
	path = path_of(fmt, ap);
	va_end(ap);
	if (body && !text) { /* the command line had bytes that are no text */
		json_decref(body);
		return km_error_new(KM_USAGE, "a word is not in UTF-8");
	}
	json_decref(body);
	call.path = path;
	return ask(api, &call, ret);
}

/* ---- bytes ---- */

km_error *api_fetch(const struct api *api, size_t max, uint8_t **bytes, size_t *size, bool *missing, const char *fmt,
		    ...)
{
	KM_AUTOFREE char *path = NULL;
	struct km_http_call call = {.reply_max = max};
	struct km_http_reply reply;
	km_error *err;
	va_list ap;

	va_start(ap, fmt);
	path = path_of(fmt, ap);
	va_end(ap);
	call.path = path;
	KM_TRY(km_http_send(api->client, &call, &reply));
	if (missing)
		*missing = reply.status == 404;
	err = missing && *missing ? NULL : km_http_reply_check(&reply);
	if (!err && !(missing && *missing)) {
		*bytes = (uint8_t *)reply.bytes;
		*size = reply.size;
		reply.bytes = NULL;
	}
	km_http_reply_free(&reply);
	return err;
}

km_error *api_document(const struct api *api, const km_envelope *envelope, const char *fmt, ...)
{
	KM_AUTOFREE char *path = NULL, *text = NULL;
	struct km_http_call call = {.method = "POST", .type = "application/octet-stream"};
	va_list ap;

	va_start(ap, fmt);
	path = path_of(fmt, ap);
	va_end(ap);
	text = km_envelope_text(envelope, &call.size);
	call.path = path;
	call.bytes = text;
	return ask(api, &call, NULL);
}

km_error *api_blob(const struct api *api, const struct km_blob *blob)
{
	KM_AUTOFREE char *path = km_printf("/v1/admin/blobs/%s", blob->sha256);
	KM_AUTOCLOSE int fd = open(blob->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return km_error_sys(errno, "cannot open %s", blob->path);
	return ask(api,
		   &(struct km_http_call){
			   .method = "PUT", .path = path, .from_file = true, .fd = fd, .file_size = blob->size},
		   NULL);
}

/* ---- pages ---- */

/* The next page's place as a query has it; NULL: this was the last one. For free(). */
static char *next_of(const json_t *page)
{
	const json_t *next = json_object_get(page, "next");

	if (json_is_integer(next) && json_integer_value(next) > 0)
		return km_printf("%lld", (long long)json_integer_value(next));
	return json_is_string(next) && json_string_length(next) ? km_http_escape(json_string_value(next)) : NULL;
}

km_error *api_pages(const struct api *api, const char *path, const char *key, const char *cursor, size_t limit,
		    json_t **ret)
{
	KM_AUTOFREE char *next = NULL;
	json_t *all = json_array();
	const char *join = strchr(path, '?') ? "&" : "?";

	for (unsigned pages = 0; pages < PAGES_MAX; pages++) { /* a server could name a next one for ever */
		size_t left = limit ? limit - json_array_size(all) : 1000;
		json_t *page = NULL;
		km_error *err = api_get(api, &page, "%s%slimit=%zu%s%s%s%s", path, join, left < 1000 ? left : 1000,
					next ? "&" : "", next ? cursor : "", next ? "=" : "", next ? next : "");
		if (err) {
			json_decref(all);
			return err;
		}
		free(next);
		next = json_array_size(json_object_get(page, key)) ? next_of(page) : NULL;
		json_array_extend(all, json_object_get(page, key));
		json_decref(page);
		if (!next || (limit && json_array_size(all) >= limit))
			break;
	}
	*ret = all;
	return NULL;
}
