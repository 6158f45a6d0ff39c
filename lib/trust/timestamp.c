/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The body of a timestamp: which index and rollout are the current ones. */
#include "internal.h"

static void read_named(struct km_fields *timestamp, const char *key, struct km_named *ret)
{
	struct km_fields f = km_fields_in(timestamp, key);

	ret->version = km_fields_int(&f, "version", 1, KM_VERSION_MAX - 1);
	km_fields_sha256(&f, "sha256", ret->sha256);
	km_fields_done(&f);
}

static void read_timestamp(struct km_fields *f, struct km_timestamp *ret)
{
	ret->channel = km_fields_text(f, "channel", km_trust_name_ok);
	ret->version = km_fields_int(f, "version", 1, KM_VERSION_MAX - 1);
	ret->issued = km_fields_int(f, "issued", 0, TIME_MAX);
	/* Short-lived by its nature: one that is signed for years by mistake would let a frozen server pass for a
	 * living one. */
	ret->expires = km_fields_int(f, "expires", ret->issued, ret->issued + KM_TIMESTAMP_MAX);
	read_named(f, "index", &ret->index);
	read_named(f, "rollout", &ret->rollout);
	km_fields_done(f);
}

km_error *km_timestamp_parse(const km_envelope *envelope, struct km_timestamp *ret)
{
	struct km_timestamp timestamp = {.arena = km_arena_create()};
	struct km_json json = {.arena = timestamp.arena};
	struct km_fields f = fields_body(envelope, &json);
	km_error *err;

	read_timestamp(&f, &timestamp);
	err = km_json_end(&json);
	if (err) {
		km_timestamp_free(&timestamp);
		return km_error_add(err, "this timestamp is not well-formed");
	}
	*ret = timestamp;
	return NULL;
}

static json_t *named_json(const struct km_named *named)
{
	return json_pack("{s:I, s:s}", "version", (json_int_t)named->version, "sha256", named->sha256);
}

km_error *km_timestamp_make(const struct km_timestamp *timestamp, km_envelope **ret)
{
	json_t *o = body_begin(KM_DOC_TIMESTAMP);

	json_object_set_new(o, "channel", json_string(timestamp->channel));
	json_object_set_new(o, "version", json_integer(timestamp->version));
	json_object_set_new(o, "issued", json_integer(timestamp->issued));
	json_object_set_new(o, "expires", json_integer(timestamp->expires));
	json_object_set_new(o, "index", named_json(&timestamp->index));
	json_object_set_new(o, "rollout", named_json(&timestamp->rollout));
	return body_end(KM_DOC_TIMESTAMP, o, ret);
}

void km_timestamp_free(struct km_timestamp *timestamp)
{
	km_arena_destroy(timestamp->arena);
	*timestamp = (struct km_timestamp){0};
}

km_error *km_timestamp_for(const km_envelope *index, const km_envelope *rollout, int64_t version, int64_t now,
			   int64_t lifetime, const km_private_key *key, km_envelope **ret)
{
	struct km_index i = {0};
	struct km_rollout r = {0};
	km_envelope *envelope = NULL;
	km_error *err = km_index_parse(index, &i);

	if (!err)
		err = km_rollout_parse(rollout, &r);
	if (!err && strcmp(i.channel, r.channel))
		err = km_error_new(KM_USAGE, "the index is of the channel %s, the rollout of %s", i.channel, r.channel);
	if (!err) {
		struct km_timestamp t = {
			.channel = i.channel, .version = version, .issued = now, .expires = now + lifetime};

		t.index.version = i.version;
		t.rollout.version = r.version;
		memcpy(t.index.sha256, index->id, sizeof(t.index.sha256));
		memcpy(t.rollout.sha256, rollout->id, sizeof(t.rollout.sha256));
		err = km_timestamp_make(&t, &envelope);
	}
	if (!err)
		err = km_envelope_sign_with(envelope, key);
	km_index_free(&i);
	km_rollout_free(&r);
	if (err)
		km_envelope_destroy(envelope);
	else
		*ret = envelope;
	return err;
}
