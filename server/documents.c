/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>

#include "call.h"
#include "documents.h"

struct documents {
	pthread_mutex_t lock;	 /* for now and its refs */
	pthread_mutex_t loading; /* one reads and puts in place after the other: a snapshot never goes back */
	struct snapshot *now;
};

struct documents *documents_create(void)
{
	struct documents *d = km_calloc(1, sizeof(*d));

	pthread_mutex_init(&d->lock, NULL);
	pthread_mutex_init(&d->loading, NULL);
	d->now = km_calloc(1, sizeof(*d->now));
	d->now->refs = 1;
	return d;
}

static void unref(struct snapshot *s)
{
	if (--s->refs)
		return;
	km_root_free(&s->keys);
	km_arena_destroy(s->arena);
	free(s);
}

void documents_destroy(struct documents *d)
{
	if (!d)
		return;
	unref(d->now);
	pthread_mutex_destroy(&d->lock);
	pthread_mutex_destroy(&d->loading);
	free(d);
}

struct snapshot *documents_get(struct server *server)
{
	struct documents *d = server->documents;
	struct snapshot *s;

	pthread_mutex_lock(&d->lock);
	s = d->now;
	s->refs++;
	pthread_mutex_unlock(&d->lock);
	return s;
}

void documents_release(struct server *server, struct snapshot *s)
{
	pthread_mutex_lock(&server->documents->lock);
	unref(s);
	pthread_mutex_unlock(&server->documents->lock);
}

const struct held_channel *snapshot_channel(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (!strcmp(s->channels[i].name, name))
			return &s->channels[i];
	return NULL;
}

void snapshot_each(const struct snapshot *s,
		   void (*each)(void *ctx, enum km_doc doc, const char *channel, const struct held *held), void *ctx)
{
	if (s->root.version)
		each(ctx, KM_DOC_ROOT, "", &s->root);
	for (size_t i = 0; i < s->n_channels; i++) {
		const struct held_channel *c = &s->channels[i];

		if (c->index.version)
			each(ctx, KM_DOC_INDEX, c->name, &c->index);
		if (c->rollout.version)
			each(ctx, KM_DOC_ROLLOUT, c->name, &c->rollout);
		if (c->timestamp.version)
			each(ctx, KM_DOC_TIMESTAMP, c->name, &c->timestamp);
	}
}

/* ---- from the store ---- */

static km_error *dates(const km_envelope *envelope, struct held *ret)
{
	struct km_index index;
	struct km_rollout rollout;
	struct km_timestamp timestamp;

	switch (envelope->doc) {
	case KM_DOC_INDEX:
		KM_TRY(km_index_parse(envelope, &index));
		ret->issued = index.issued, ret->expires = index.expires;
		km_index_free(&index);
		return NULL;
	case KM_DOC_ROLLOUT:
		KM_TRY(km_rollout_parse(envelope, &rollout));
		ret->issued = rollout.issued, ret->expires = rollout.expires;
		km_rollout_free(&rollout);
		return NULL;
	case KM_DOC_TIMESTAMP:
		KM_TRY(km_timestamp_parse(envelope, &timestamp));
		ret->issued = timestamp.issued, ret->expires = timestamp.expires;
		km_timestamp_free(&timestamp);
		return NULL;
	default: return km_error_new(KM_BUG, "a channel has no %s", km_doc_name(envelope->doc));
	}
}

/* The newest one, or version 0. */
static km_error *read_held(km_store *store, const char *channel, enum km_doc doc, struct snapshot *s, struct held *ret)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_store_document stored;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_document(store, channel, doc, 0, s->arena, &stored, &why), *bad;

	if (err && why == KM_STORE_ABSENT) {
		km_error_free(err);
		return NULL;
	}
	if (err)
		return err;
	KM_TRY(km_envelope_parse(doc, stored.bytes, stored.size, &envelope, NULL));
	ret->version = stored.version;
	ret->bytes = stored.bytes;
	ret->size = stored.size;
	memcpy(ret->sha256, envelope->id, sizeof(ret->sha256));
	if (doc == KM_DOC_ROOT) {
		KM_TRY(km_root_parse(envelope, &s->keys));
		ret->issued = s->keys.issued, ret->expires = s->keys.expires;
	} else {
		KM_TRY(dates(envelope, ret));
	}
	bad = km_verify(envelope, &s->keys, NULL);
	ret->is_signed = !bad;
	km_error_free(bad);
	return NULL;
}

static km_error *read_channel(km_store *store, const struct km_store_channel *from, struct snapshot *s,
			      struct held_channel *ret)
{
	ret->name = from->name;
	ret->halt = from->halt;
	KM_TRY(read_held(store, from->name, KM_DOC_INDEX, s, &ret->index));
	KM_TRY(read_held(store, from->name, KM_DOC_ROLLOUT, s, &ret->rollout));
	return read_held(store, from->name, KM_DOC_TIMESTAMP, s, &ret->timestamp);
}

static km_error *read_all(km_store *store, struct snapshot *s)
{
	struct km_store_channel *channels;

	KM_TRY(read_held(store, "", KM_DOC_ROOT, s, &s->root));
	KM_TRY(km_store_channels(store, s->arena, &channels, &s->n_channels));
	s->channels = km_arena_alloc(s->arena, s->n_channels * sizeof(*s->channels));
	for (size_t i = 0; i < s->n_channels; i++) {
		km_error *err = read_channel(store, &channels[i], s, &s->channels[i]);

		if (err)
			return km_error_add(err, "channel %s", channels[i].name);
	}
	return NULL;
}

km_error *documents_load(struct server *server)
{
	struct documents *d = server->documents;
	struct snapshot *s = km_calloc(1, sizeof(*s)), *old = s;
	km_error *err;

	s->refs = 1;
	s->arena = km_arena_create();
	pthread_mutex_lock(&d->loading);
	err = read_all(server->store, s);
	pthread_mutex_lock(&d->lock);
	if (!err) {
		old = d->now;
		d->now = s;
	}
	unref(old);
	pthread_mutex_unlock(&d->lock);
	pthread_mutex_unlock(&d->loading);
	return err ? km_error_add(err, "cannot read the documents") : NULL;
}

void documents_changed(struct server *server)
{
	km_error *err = documents_load(server);

	if (err)
		server_warn_error(err, "after a change");
}

/* ---- for hosts and admins ---- */

static km_http_response *absent(void)
{
	return km_http_fail(404, "document-absent", "there is no such document");
}

static km_http_response *bytes(const void *at, size_t size, const char *sha256, const char *cache)
{
	km_http_response *response = km_http_bytes(200, "application/octet-stream", at, size);

	km_http_etag(response, sha256);
	km_http_header(response, "Cache-Control", cache);
	return response;
}

/* A document that the snapshot does not have. */
static km_http_response *from_store(struct call *call, const char *channel, enum km_doc doc, int64_t version,
				    const char *sha256, const char *cache)
{
	struct km_store_document stored;
	enum km_store_why why = KM_STORE_FINE;
	km_store *store = call->server->store;
	km_error *err = sha256 ? km_store_document_by_sum(store, sha256, call_arena(call), &stored, &why)
			       : km_store_document(store, channel, doc, version, call_arena(call), &stored, &why);

	if (err && err->code == KM_REFUSED) {
		km_error_free(err);
		return absent();
	}
	if (err) {
		server_warn_error(err, "cannot read a document");
		return km_http_retry_after(km_http_fail(503, "store", "the state cannot be read now; come again"), 10);
	}
	return stored.doc == doc ? bytes(stored.bytes, stored.size, stored.sha256, cache) : absent();
}

static bool number(const char *text, int64_t *ret)
{
	char *end;

	if (*text < '1' || *text > '9' || strlen(text) > 16)
		return false;
	*ret = strtoll(text, &end, 10);
	return !*end;
}

static const char forever[] = "public, max-age=31536000, immutable", private[] = "private, max-age=31536000, immutable";

km_http_response *documents_get_root(km_http_request *request, void *server)
{
	struct call *call = call_of(request);
	const char *name = call_param(call, "root");
	int64_t version;

	(void)server;
	if (km_hex_ok(name, KM_SHA256_HEX - 1))
		return from_store(call, "", KM_DOC_ROOT, 0, name, forever);
	return number(name, &version) ? from_store(call, "", KM_DOC_ROOT, version, NULL, forever) : absent();
}

/* Another tenant's channel is as absent as one that nobody has. */
static bool may_channel(const struct call *call, const char *channel)
{
	return call->as != NEED_HOST || !strcmp(call->host.token.channel, channel);
}

km_http_response *documents_get_timestamp(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);
	const char *channel = call_param(call, "channel");
	struct snapshot *s = documents_get(ctx);
	const struct held_channel *c = may_channel(call, channel) ? snapshot_channel(s, channel) : NULL;
	km_http_response *response = c && c->timestamp.version ? bytes(c->timestamp.bytes, c->timestamp.size,
								       c->timestamp.sha256, "no-cache")
							       : absent();

	documents_release(ctx, s);
	return response;
}

/* The pattern says which document. */
km_http_response *documents_get_version(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);
	const char *channel = call_param(call, "channel");
	enum km_doc doc = strstr(km_http_request_route(request)->pattern, "/index/") ? KM_DOC_INDEX : KM_DOC_ROLLOUT;
	struct snapshot *s;
	const struct held_channel *c;
	const struct held *held;
	km_http_response *response = NULL;
	int64_t version;

	if (!may_channel(call, channel) || !number(call_param(call, "version"), &version))
		return absent();
	s = documents_get(ctx);
	c = snapshot_channel(s, channel);
	held = c ? doc == KM_DOC_INDEX ? &c->index : &c->rollout : NULL;
	if (held && held->version == version)
		response = bytes(held->bytes, held->size, held->sha256, private);
	documents_release(ctx, s);
	return response ? response : c ? from_store(call, channel, doc, version, NULL, private) : absent();
}

static km_error *release(struct call *call, const char *id, km_http_response **ret)
{
	struct km_store_release stored;
	enum km_store_why why = KM_STORE_FINE;
	bool may = call->as != NEED_HOST;
	km_error *err;

	if (!may)
		KM_TRY(km_store_may_release(call->server->store, call->host.token.channel,
					    call->host.token.min_severity, id, &may));
	err = may ? km_store_release(call->server->store, id, call_arena(call), &stored, &why) : NULL;
	if (err && err->code != KM_REFUSED)
		return err;
	*ret = may && !err ? bytes(stored.bytes, stored.size, id, private) : absent();
	km_error_free(err);
	return NULL;
}

km_http_response *documents_get_release(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);
	const char *id = call_param(call, "release");
	km_http_response *response = NULL;
	km_error *err;

	(void)ctx;
	if (!km_hex_ok(id, KM_SHA256_HEX - 1))
		return absent();
	err = release(call, id, &response);
	if (err) {
		server_warn_error(err, "cannot read a release");
		return km_http_retry_after(km_http_fail(503, "store", "the state cannot be read now; come again"), 10);
	}
	return response;
}
