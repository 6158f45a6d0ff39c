/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "publish.h"
#include "blobs.h"
#include "call.h"
#include "documents.h"
#include "engine.h"
#include "sign.h"

/* ---- what all have in common ---- */

static void changed(struct call *call)
{
	documents_changed(call->server);
	engine_kick(call->server->engine);
}

/* The body as an envelope; NULL when call->response says why not. */
static km_envelope *envelope_of(struct call *call, enum km_doc doc)
{
	size_t size;
	const void *body = km_http_request_body(call->request, &size);
	km_envelope *envelope = NULL;
	km_error *err = km_envelope_parse(doc, body ? body : "", size, &envelope, NULL);

	if (!err)
		return envelope;
	call->response = km_http_fail_error(400, "bad-document", err);
	return NULL;
}

/* It is well-formed and not signed as it should be, or does not follow: somebody tries, or erred. */
static km_error *forged(struct call *call, const km_envelope *envelope, enum km_trust_why why, km_error *err)
{
	if (err->code == KM_ENV || err->code == KM_BUG)
		return err;
	call_note(call, "document.refused", envelope->id, "%s: %s", km_doc_name(envelope->doc), err->message);
	return call_error(call, why == KM_WHY_SIGNATURES ? 403 : 422, km_trust_why_name(why), err);
}

static km_error *newest_root(struct call *call, struct km_root *ret, bool *have)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_store_document stored;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_document(call->server->store, "", KM_DOC_ROOT, 0, call_arena(call), &stored, &why);

	*have = !err;
	if (err && why == KM_STORE_ABSENT) {
		km_error_free(err);
		return NULL;
	}
	if (err)
		return err;
	KM_TRY(km_envelope_parse(KM_DOC_ROOT, stored.bytes, stored.size, &envelope, NULL));
	return km_root_parse(envelope, ret);
}

static km_error *no_root(struct call *call)
{
	return call_fail(call, 409, "no-root", "this server has no root yet: send it first");
}

static km_error *add(struct call *call, const km_envelope *envelope, const char *channel, int64_t version,
		     const struct km_index *index, enum km_store_why *why)
{
	struct km_store_document document = {
		.channel = channel, .doc = envelope->doc, .version = version, .stored = call->now};

	memcpy(document.sha256, envelope->id, sizeof(document.sha256));
	document.bytes = km_http_request_body(call->request, &document.size);
	return km_store_document_add(call->server->store, &document, index, why);
}

/* Sent again, as after a lost answer: it is there already, and that is fine. */
static km_error *is_there(struct call *call, const km_envelope *envelope, const char *channel, bool *ret)
{
	struct km_store_document stored;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_document_by_sum(call->server->store, envelope->id, call_arena(call), &stored, &why);

	*ret = !err && stored.doc == envelope->doc && !strcmp(stored.channel, channel);
	if (err && why == KM_STORE_ABSENT) {
		km_error_free(err);
		return NULL;
	}
	return err;
}

/* ---- roots ---- */

static km_error *root_answer(struct call *call, int status, const km_envelope *envelope)
{
	struct km_root root;

	KM_TRY(km_root_parse(envelope, &root));
	call_json(call, status,
		  json_pack("{s:I, s:s, s:I}", "version", (json_int_t)root.version, "sha256", envelope->id, "expires",
			    (json_int_t)root.expires));
	km_root_free(&root);
	return NULL;
}

static km_error *resign_all(struct call *call)
{
	struct km_store_channel *channels;
	size_t n;

	KM_TRY(km_store_channels(call->server->store, call_arena(call), &channels, &n));
	for (size_t i = 0; i < n; i++) {
		km_error *err;

		KM_TRY(km_store_begin(call->server->store));
		err = sign_channel(call, channels[i].name, false);
		if (!err) {
			KM_TRY(km_store_commit(call->server->store));
			continue;
		}
		km_store_rollback(call->server->store);
		/* The new root may name keys that are not here yet: health says so, and the engine tries on. */
		if (err->code != KM_REFUSED)
			return err;
		server_warn_error(err, "a new root");
	}
	return NULL;
}

static km_error *take_root(struct call *call, const km_envelope *envelope, const struct km_root *old)
{
	enum km_trust_why why = KM_WHY_NONE;
	enum km_store_why stored = KM_STORE_FINE;
	struct km_root root;
	km_error *err = old ? km_verify_next_root(envelope, old, &root, &why)
			    : km_verify_first_root(envelope, NULL, &root, &why);

	if (err)
		return forged(call, envelope, why, err);
	err = add(call, envelope, "", root.version, NULL, &stored);
	km_root_free(&root);
	if (err)
		return call_store(call, err, stored, "root");
	KM_TRY(call_audit(call, "root.publish", envelope->id,
			  km_arena_printf(call_arena(call), "version %lld", old ? (long long)old->version + 1 : 1LL)));
	KM_TRY(resign_all(call));
	call->after = changed;
	return root_answer(call, 201, envelope);
}

static km_error *root(struct call *call)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = envelope_of(call, KM_DOC_ROOT);
	struct km_root old = {0};
	bool have, there;
	km_error *err;

	if (!envelope)
		return NULL;
	KM_TRY(is_there(call, envelope, "", &there));
	if (there)
		return root_answer(call, 200, envelope);
	KM_TRY(newest_root(call, &old, &have));
	err = take_root(call, envelope, have ? &old : NULL);
	km_root_free(&old);
	return err;
}

km_http_response *publish_root(km_http_request *request, void *ctx)
{
	(void)ctx;
	return call_write(call_of(request), root);
}

/* ---- releases ---- */

static km_error *verified(struct call *call, const km_envelope *envelope, bool *ok)
{
	struct km_root root = {0};
	enum km_trust_why why = KM_WHY_NONE;
	bool have;
	km_error *err;

	*ok = false;
	KM_TRY(newest_root(call, &root, &have));
	if (!have)
		return no_root(call);
	err = km_verify(envelope, &root, &why);
	km_root_free(&root);
	*ok = !err;
	return err ? forged(call, envelope, why, err) : NULL;
}

/* The first blob that a release names and the server lacks, or NULL. */
static const char *lacking(struct call *call, const struct km_release *release)
{
	if (!blobs_have(call->server, release->source_sha256, release->source_size))
		return km_arena_printf(call_arena(call), "the source diff %s of %llu bytes", release->source_sha256,
				       (unsigned long long)release->source_size);
	for (size_t i = 0; i < release->n_kernels; i++)
		for (size_t j = 0; j < release->kernels[i].n_payloads; j++) {
			const struct km_payload *p = &release->kernels[i].payloads[j];

			if (!blobs_have(call->server, p->sha256, p->size))
				return km_arena_printf(call_arena(call), "the payload %s of %llu bytes", p->sha256,
						       (unsigned long long)p->size);
		}
	return NULL;
}

static km_error *take_release(struct call *call, const km_envelope *envelope, const struct km_release *release)
{
	const char *lacks = lacking(call, release);
	enum km_store_why why = KM_STORE_FINE;
	size_t size;
	const void *bytes = km_http_request_body(call->request, &size);
	km_error *err;

	if (lacks)
		return call_fail(call, 409, "blob-absent", "send its blobs first: %s is not here", lacks);
	err = km_store_release_add(call->server->store, envelope->id, release, bytes, size, call->now, &why);
	if (err && why == KM_STORE_EXISTS) {
		km_error_free(err);
		return call_json(call, 200, json_pack("{s:s}", "id", envelope->id));
	}
	if (err)
		return call_store(call, err, why, "release");
	KM_TRY(call_audit(call, "release.publish", envelope->id,
			  km_arena_printf(call_arena(call), "%s %s", release->name, release->version)));
	return call_json(call, 201, json_pack("{s:s}", "id", envelope->id));
}

static km_error *release(struct call *call)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = envelope_of(call, KM_DOC_RELEASE);
	struct km_release body;
	km_error *err;
	bool ok;

	if (!envelope)
		return NULL;
	KM_TRY(verified(call, envelope, &ok));
	if (!ok)
		return NULL;
	err = km_release_parse(envelope, &body);
	if (err)
		return forged(call, envelope, KM_WHY_MALFORMED, err);
	err = take_release(call, envelope, &body);
	km_release_free(&body);
	return err;
}

km_http_response *publish_release(km_http_request *request, void *ctx)
{
	(void)ctx;
	return call_write(call_of(request), release);
}

/* ---- indexes ---- */

static km_error *version_of(struct call *call, const char *channel, enum km_doc doc, json_t *o)
{
	struct km_store_document *list;
	size_t n;

	KM_TRY(km_store_documents(call->server->store, channel, doc, 1, call_arena(call), &list, &n));
	json_object_set_new(o, km_doc_name(doc), json_integer(n ? list[0].version : 0));
	return NULL;
}

km_error *channel_answer(struct call *call, int status, const char *name)
{
	static const enum km_doc docs[] = {KM_DOC_INDEX, KM_DOC_ROLLOUT, KM_DOC_TIMESTAMP};
	struct km_store_channel channel;
	json_t *o;

	KM_TRY(km_store_channel(call->server->store, name, call_arena(call), &channel, NULL));
	o = json_pack("{s:s, s:s?}", "channel", name, "halt", channel.halt);
	for (size_t i = 0; i < KM_COUNT(docs); i++) {
		km_error *err = version_of(call, name, docs[i], o);

		if (err) {
			json_decref(o);
			return err;
		}
	}
	return call_json(call, status, o);
}

/* Every release that it lists is here: hosts could not get it elsewhere. */
static km_error *releases_here(struct call *call, const struct km_index *index, const char **lacks)
{
	*lacks = NULL;
	for (size_t i = 0; i < index->n_releases && !*lacks; i++) {
		struct km_store_release stored;
		enum km_store_why why = KM_STORE_FINE;
		km_error *err =
			km_store_release(call->server->store, index->releases[i].id, call_arena(call), &stored, &why);

		if (err && why != KM_STORE_ABSENT)
			return err;
		if (err)
			*lacks = index->releases[i].id;
		km_error_free(err);
	}
	return NULL;
}

static km_error *store_index(struct call *call, const km_envelope *envelope, const struct km_index *index)
{
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = add(call, envelope, index->channel, index->version, index, &why);

	if (err)
		return call_store(call, err, why, "index");
	KM_TRY(call_audit(call, "index.publish", index->channel,
			  km_arena_printf(call_arena(call), "version %lld, %zu releases", (long long)index->version,
					  index->n_releases)));
	/* A release that has left the channel leaves the rollout document, too. */
	err = sign_channel(call, index->channel, true);
	if (err)
		return call_error(call, 409, "no-key", err);
	call->after = changed;
	return channel_answer(call, 201, index->channel);
}

static km_error *take_index(struct call *call, const km_envelope *envelope, const struct km_index *index)
{
	const char *channel = call_param(call, "channel"), *lacks;

	if (strcmp(index->channel, channel))
		return forged(call, envelope, KM_WHY_CHANNEL,
			      km_error_new(KM_REFUSED, "this index is of the channel %s", index->channel));
	if (index->expires <= call->now)
		return forged(call, envelope, KM_WHY_EXPIRED, km_error_new(KM_REFUSED, "this index has expired"));
	if (index->issued > call->now + KM_TRUST_SKEW)
		return forged(call, envelope, KM_WHY_CLOCK,
			      km_error_new(KM_REFUSED, "this index comes from the future"));
	KM_TRY(releases_here(call, index, &lacks));
	if (lacks)
		return call_fail(call, 409, "release-absent", "send its releases first: %s is not here", lacks);
	return store_index(call, envelope, index);
}

static km_error *index_of(struct call *call)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = envelope_of(call, KM_DOC_INDEX);
	const char *channel = call_param(call, "channel");
	struct km_index body;
	bool ok, there;
	km_error *err;

	if (!envelope)
		return NULL;
	KM_TRY(verified(call, envelope, &ok));
	if (!ok)
		return NULL;
	KM_TRY(is_there(call, envelope, channel, &there));
	if (there)
		return channel_answer(call, 200, channel);
	err = km_index_parse(envelope, &body);
	if (err)
		return forged(call, envelope, KM_WHY_MALFORMED, err);
	err = take_index(call, envelope, &body);
	km_index_free(&body);
	return err;
}

km_http_response *publish_index(km_http_request *request, void *ctx)
{
	(void)ctx;
	return call_write(call_of(request), index_of);
}
