/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signed documents into the spool, in their order. Each is looked at by a copy of the host's trust, so that nothing is asked for
 * that could not be taken; kmend-apply does it again, and its word counts.
 */
#include <unistd.h>

#include "fetch.h"

enum { PATIENCE = 10, TRIES = 30 };

/* A server that only wants a moment between two requests gets it; a longer pause is for the next check-in. */
static km_error *send_patiently(struct fetch *f, const struct km_http_call *call, struct km_http_reply *ret)
{
	for (unsigned i = 0;; i++) {
		KM_TRY(km_http_send(f->http, call, ret));
		if (ret->status != 429 || ret->retry_after > PATIENCE || i == TRIES)
			return NULL;
		sleep(ret->retry_after > 0 ? (unsigned)ret->retry_after : 1);
		km_http_reply_free(ret);
	}
}

/* Into the spool under its name. KM_NOTHING: the server has none. */
static km_error *get(struct fetch *f, enum km_doc doc, const char *id, const char *path, struct km_http_reply *ret)
{
	struct km_http_call call = {.path = path, .reply_max = km_doc_max(doc)};
	char name[KM_SOURCE_NAME];
	km_error *err;

	KM_TRY(send_patiently(f, &call, ret));
	err = ret->status == 404 ? km_error_new(KM_NOTHING, "the server has no %s", path) : km_http_reply_check(ret);
	if (!err) {
		km_source_name(doc, id, name);
		err = fetch_put(f->root, name, ret->bytes, ret->size);
	}
	if (err)
		km_http_reply_free(ret);
	return err;
}

static km_error *get_roots(struct fetch *f, int64_t newest)
{
	for (int64_t version = km_trust_root(f->client)->version + 1; version <= newest; version++) {
		KM_AUTOFREE char *id = km_printf("%lld", (long long)version), *path = km_printf("/v1/roots/%s", id);
		struct km_http_reply reply;
		km_error *err;

		KM_TRY(get(f, KM_DOC_ROOT, id, path, &reply));
		err = km_trust_take_root(f->client, reply.bytes, reply.size, NULL);
		km_http_reply_free(&reply);
		if (err)
			return km_error_add(err, "%s", path);
	}
	return NULL;
}

static km_error *get_named(struct fetch *f, enum km_doc doc)
{
	km_error *(*take)(km_trust_client *, const void *, size_t, int64_t, enum km_trust_why *) =
		doc == KM_DOC_INDEX ? km_trust_take_index : km_trust_take_rollout;
	struct km_http_reply reply;
	struct km_named named;
	km_error *err;

	if (!km_trust_wants(f->client, doc, &named))
		return NULL;
	KM_AUTOFREE char *path = km_printf("/v1/channels/%s/%s/%lld", f->identity.channel, km_doc_name(doc),
					   (long long)named.version);

	KM_TRY(get(f, doc, "", path, &reply));
	err = take(f->client, reply.bytes, reply.size, km_agent_now(f->root), NULL);
	km_http_reply_free(&reply);
	return err ? km_error_add(err, "%s", path) : NULL;
}

km_error *fetch_timestamp(struct fetch *f)
{
	KM_AUTOFREE char *path = km_printf("/v1/channels/%s/timestamp", f->identity.channel);
	struct km_http_reply reply;
	km_error *err;

	KM_TRY(get(f, KM_DOC_TIMESTAMP, "", path, &reply));
	err = km_trust_take_timestamp(f->client, reply.bytes, reply.size, km_agent_now(f->root), NULL);
	km_http_reply_free(&reply);
	if (err)
		return km_error_add(err, "%s", path);
	KM_TRY(get_named(f, KM_DOC_INDEX));
	return get_named(f, KM_DOC_ROLLOUT);
}

km_error *fetch_documents(struct fetch *f, const struct km_checkin_answer *answer)
{
	const struct km_timestamp *t;
	struct km_named named;

	KM_TRY(get_roots(f, answer->root));
	t = km_trust_timestamp(f->client); /* a new root may have ended it */
	if (!answer->timestamp || (t && answer->timestamp <= t->version && !km_trust_wants(f->client, KM_DOC_INDEX, &named) &&
				   !km_trust_wants(f->client, KM_DOC_ROLLOUT, &named)))
		return NULL;
	return fetch_timestamp(f);
}

/* What a token's severity does not allow is no error, and neither is a release that has gone meanwhile. */
static km_error *get_release(struct fetch *f, const char *id)
{
	KM_AUTOFREE char *path = km_printf("/v1/releases/%s", id);
	struct km_http_reply reply;
	km_error *err = get(f, KM_DOC_RELEASE, id, path, &reply);

	if (!err)
		km_http_reply_free(&reply);
	else if (err->code == KM_NOTHING) {
		km_error_free(err);
		err = NULL;
	}
	return err;
}

km_error *fetch_releases(struct fetch *f)
{
	const struct km_index *index = km_trust_index(f->client);
	km_held_list held = {0};
	km_error *err = NULL;

	KM_TRY(km_held_list_read(f->root, f->spool, f->client, &held));
	for (size_t i = 0; index && i < index->n_releases && !err; i++)
		if (!index->releases[i].withdrawn && !km_held_find(&held, index->releases[i].id))
			err = get_release(f, index->releases[i].id);
	km_held_list_free(&held);
	return err;
}
