/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host's view in a file: {"format":1, "channel", "floor", "seen":{"timestamp","index","rollout"},
 * "named":{"index":{…},"rollout":{…}}, "documents":{"root": text, …}}. Only root can write it; what can be verified in
 * it is verified again, so that a file that was damaged or put together by hand is no way around a signature.
 */
#include "internal.h"

static json_t *named_json(const struct km_named *named)
{
	return json_pack("{s:I, s:s}", "version", (json_int_t)named->version, "sha256", named->sha256);
}

static json_t *documents_json(const km_trust_client *client)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < KM_DOCS; i++) {
		KM_AUTOFREE char *text = NULL;
		size_t size;

		if (!client->envelopes[i])
			continue;
		text = km_envelope_text(client->envelopes[i], &size);
		json_object_set_new(o, km_doc_name((enum km_doc)i), json_stringn(text, size));
	}
	return o;
}

char *km_trust_text(const km_trust_client *client)
{
	json_t *o = json_pack("{s:i, s:s, s:I, s:{s:I, s:I, s:I}, s:{s:o, s:o}, s:o}", "format", FORMAT, "channel",
			      client->channel, "floor", (json_int_t)client->floor, "seen", "timestamp",
			      (json_int_t)client->seen_timestamp, "index", (json_int_t)client->seen_index, "rollout",
			      (json_int_t)client->seen_rollout, "named", "index", named_json(&client->named_index),
			      "rollout", named_json(&client->named_rollout), "documents", documents_json(client));
	char *text = json_dumps(o, JSON_SORT_KEYS | JSON_INDENT(1));

	json_decref(o);
	if (!text)
		km_oom();
	return text;
}

km_error *km_trust_save(const km_trust_client *client, const char *path)
{
	KM_AUTOFREE char *text = km_trust_text(client);
	km_error *err = km_file_write(path, text, strlen(text));

	return err ? km_error_add(err, "cannot keep what was verified") : NULL;
}

static bool sha256_or_none(const char *s)
{
	return !*s || km_hex_ok(s, KM_SHA256_HEX - 1);
}

static void read_named(struct km_fields *all, const char *key, struct km_named *ret)
{
	struct km_fields f = km_fields_in(all, key);

	ret->version = km_fields_int(&f, "version", 0, KM_VERSION_MAX - 1);
	snprintf(ret->sha256, sizeof(ret->sha256), "%s", km_fields_text(&f, "sha256", sha256_or_none));
	km_fields_done(&f);
}

static void read_numbers(struct km_fields *f, km_trust_client *client)
{
	struct km_fields seen, named;

	if (km_fields_int(f, "format", 1, INT32_MAX) != FORMAT)
		km_fields_fail(f, "another version of kmend has made it");
	client->channel = km_strdup(km_fields_text(f, "channel", km_trust_name_ok));
	client->floor = km_fields_int(f, "floor", 0, TIME_MAX);
	seen = km_fields_in(f, "seen");
	client->seen_timestamp = km_fields_int(&seen, "timestamp", 0, KM_VERSION_MAX - 1);
	client->seen_index = km_fields_int(&seen, "index", 0, KM_VERSION_MAX - 1);
	client->seen_rollout = km_fields_int(&seen, "rollout", 0, KM_VERSION_MAX - 1);
	km_fields_done(&seen);
	named = km_fields_in(f, "named");
	read_named(&named, "index", &client->named_index);
	read_named(&named, "rollout", &client->named_rollout);
	km_fields_done(&named);
}

static km_error *read_document(km_trust_client *client, enum km_doc doc, json_t *text)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	const char *bytes = json_string_value(text) ? json_string_value(text) : "";

	KM_TRY(km_envelope_parse(doc, bytes, json_string_length(text), &envelope, NULL));
	if (doc == KM_DOC_ROOT) {
		KM_TRY(km_verify_first_root(envelope, NULL, &client->root, NULL));
		client->envelopes[doc] = envelope;
		envelope = NULL;
		return NULL;
	}
	KM_TRY(km_verify(envelope, &client->root, NULL));
	return client_hold(client, &envelope);
}

static km_error *read_documents(struct km_fields *f, km_trust_client *client)
{
	struct km_fields documents = km_fields_in(f, "documents");

	for (unsigned i = 0; i < KM_DOCS && !km_fields_failed(f); i++) {
		const char *name = km_doc_name((enum km_doc)i);

		/* The root is first, and must be there: all others are verified by it. */
		if (i == KM_DOC_RELEASE || (i != KM_DOC_ROOT && !km_fields_has(&documents, name)))
			continue;
		json_t *text = km_fields_take(&documents, name);

		if (text)
			KM_TRY(read_document(client, (enum km_doc)i, text));
	}
	km_fields_done(&documents);
	km_fields_done(f);
	return NULL;
}

static bool one_channel(const km_trust_client *client)
{
	const char *channels[] = {client->envelopes[KM_DOC_INDEX] ? client->index.channel : client->channel,
				  client->envelopes[KM_DOC_ROLLOUT] ? client->rollout.channel : client->channel,
				  client->envelopes[KM_DOC_TIMESTAMP] ? client->timestamp.channel : client->channel};

	for (size_t i = 0; i < KM_COUNT(channels); i++)
		if (strcmp(channels[i], client->channel))
			return false;
	return true;
}

km_error *km_trust_parse(const void *bytes, size_t size, km_trust_client **ret)
{
	KM_CLEANUP(km_trust_destroyp) km_trust_client *client = km_calloc(1, sizeof(*client));
	km_arena *arena = km_arena_create();
	struct km_json json = {.arena = arena};
	struct km_fields f = km_fields_begin(&json, bytes, size);
	km_error *err, *deeper;

	read_numbers(&f, client);
	deeper = read_documents(&f, client);
	if (!km_fields_failed(&f) && !deeper && !one_channel(client))
		km_fields_fail(&f, "its documents are of different channels");
	err = km_json_end(&json);
	km_arena_destroy(arena);
	if (deeper)
		err = deeper;
	if (err) {
		err->code = KM_INPUT;
		return err;
	}
	*ret = client;
	client = NULL;
	return NULL;
}

km_error *km_trust_load(const char *path, km_trust_client **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	err = km_trust_parse(bytes, size, ret);
	return err ? km_error_hint(km_error_add(err, "%s is damaged", path), "attach this host anew") : NULL;
}
