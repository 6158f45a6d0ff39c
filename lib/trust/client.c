/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a host takes, in the order root, timestamp, index, rollout. Each step looks at size and frame, then at
 * signatures, and only then at the body; nothing is kept before all of it holds.
 */
#include "internal.h"

km_error *km_trust_create(const void *root, size_t size, const char *channel, const char *fingerprint,
			  km_trust_client **ret, enum km_trust_why *why)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	km_trust_client *client;
	struct km_root first;

	if (!km_trust_name_ok(channel))
		return km_error_new(KM_USAGE, "'%s' cannot be the name of a channel", channel);
	KM_TRY(km_envelope_parse(KM_DOC_ROOT, root, size, &envelope, why));
	KM_TRY(km_verify_first_root(envelope, fingerprint, &first, why));
	client = km_calloc(1, sizeof(*client));
	client->channel = km_strdup(channel);
	client->root = first;
	client->envelopes[KM_DOC_ROOT] = envelope;
	envelope = NULL;
	*ret = client;
	return NULL;
}

static void forget(km_trust_client *client, enum km_doc doc)
{
	km_envelope_destroy(client->envelopes[doc]);
	client->envelopes[doc] = NULL;
	switch (doc) {
	case KM_DOC_ROOT: km_root_free(&client->root); break;
	case KM_DOC_INDEX: km_index_free(&client->index); break;
	case KM_DOC_ROLLOUT: km_rollout_free(&client->rollout); break;
	case KM_DOC_TIMESTAMP: km_timestamp_free(&client->timestamp); break;
	default: break;
	}
}

void km_trust_destroy(km_trust_client *client)
{
	if (!client)
		return;
	for (unsigned i = 0; i < KM_DOCS; i++)
		forget(client, (enum km_doc)i);
	free(client->channel);
	free(client);
}

void km_trust_destroyp(km_trust_client **client)
{
	km_trust_destroy(*client);
}

int64_t client_now(const km_trust_client *client, int64_t now)
{
	return now > client->floor ? now : client->floor;
}

km_error *client_hold(km_trust_client *client, km_envelope **envelope)
{
	enum km_doc doc = (*envelope)->doc;
	struct km_index index;
	struct km_rollout rollout;
	struct km_timestamp timestamp;

	if (doc == KM_DOC_INDEX)
		KM_TRY(km_index_parse(*envelope, &index));
	else if (doc == KM_DOC_ROLLOUT)
		KM_TRY(km_rollout_parse(*envelope, &rollout));
	else
		KM_TRY(km_timestamp_parse(*envelope, &timestamp));
	forget(client, doc);
	if (doc == KM_DOC_INDEX)
		client->index = index;
	else if (doc == KM_DOC_ROLLOUT)
		client->rollout = rollout;
	else
		client->timestamp = timestamp;
	client->envelopes[doc] = *envelope;
	*envelope = NULL;
	return NULL;
}

/* ---- root ---- */

static bool has_key(const struct km_root *root, const struct km_public_key *key)
{
	for (size_t i = 0; i < root->n_keys; i++)
		if (root->keys[i].role == key->role && !strcmp(root->keys[i].id, key->id))
			return true;
	return false;
}

static bool lost_a_key(const struct km_root *old, const struct km_root *new, enum km_role role)
{
	for (size_t i = 0; i < old->n_keys; i++)
		if (old->keys[i].role == role && !has_key(new, &old->keys[i]))
			return true;
	return false;
}

/* A thief can have used up a role's version numbers, or a clock's years. Without his key they can start again. */
static void forgive(km_trust_client *client, const struct km_root *old)
{
	if (lost_a_key(old, &client->root, KM_ROLE_INDEX)) {
		forget(client, KM_DOC_INDEX);
		client->seen_index = 0;
	}
	if (lost_a_key(old, &client->root, KM_ROLE_ROLLOUT)) {
		forget(client, KM_DOC_ROLLOUT);
		client->seen_rollout = 0;
	}
	if (lost_a_key(old, &client->root, KM_ROLE_TIMESTAMP)) {
		forget(client, KM_DOC_TIMESTAMP);
		client->seen_timestamp = 0;
		client->floor = 0;
	}
	/* What is named is the timestamp's word; for a role that starts again it would be a floor of the old numbers.
	 */
	if (!client->seen_timestamp || !client->seen_index)
		client->named_index = (struct km_named){0};
	if (!client->seen_timestamp || !client->seen_rollout)
		client->named_rollout = (struct km_named){0};
}

/* A threshold that rose must hold for what is kept as well. */
static void drop_unsigned(km_trust_client *client)
{
	for (unsigned i = KM_DOC_INDEX; i < KM_DOCS; i++) {
		km_error *err = client->envelopes[i] ? km_verify(client->envelopes[i], &client->root, NULL) : NULL;

		if (err)
			forget(client, (enum km_doc)i);
		km_error_free(err);
	}
}

km_error *km_trust_take_root(km_trust_client *client, const void *bytes, size_t size, enum km_trust_why *why)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_root next, old = client->root;

	KM_TRY(km_envelope_parse(KM_DOC_ROOT, bytes, size, &envelope, why));
	if (!strcmp(envelope->id, client->envelopes[KM_DOC_ROOT]->id))
		return NULL;
	KM_TRY(km_verify_next_root(envelope, &client->root, &next, why));
	client->root = next;
	km_envelope_destroy(client->envelopes[KM_DOC_ROOT]);
	client->envelopes[KM_DOC_ROOT] = envelope;
	envelope = NULL;
	forgive(client, &old);
	drop_unsigned(client);
	km_root_free(&old);
	return NULL;
}

/* ---- what is signed under the root ---- */

static km_error *expired(const km_trust_client *client, const char *what, int64_t expires, int64_t now,
			 enum km_trust_why *why)
{
	int64_t over = client_now(client, now) - expires;

	if (over < 0)
		return NULL;
	return km_error_hint(
		trust_refuse(why, KM_WHY_EXPIRED, "the %s has expired %lld hours ago", what, (long long)(over / 3600)),
		"the server is out of date or kept from us, or this host's clock is ahead");
}

static km_error *from_the_future(int64_t issued, int64_t now, const char *what, enum km_trust_why *why)
{
	if (issued <= now + KM_TRUST_SKEW)
		return NULL;
	return km_error_hint(trust_refuse(why, KM_WHY_CLOCK, "the %s was signed %lld hours from now", what,
					  (long long)((issued - now) / 3600)),
			     "this host's clock is behind: set it, and try again");
}

static km_error *of_channel(const km_trust_client *client, const char *what, const char *channel,
			    enum km_trust_why *why)
{
	if (!strcmp(channel, client->channel))
		return NULL;
	return trust_refuse(why, KM_WHY_CHANNEL, "the %s is of the channel %s; this host follows %s", what, channel,
			    client->channel);
}

static km_error *not_older(const char *what, int64_t version, int64_t seen, enum km_trust_why *why)
{
	if (version >= seen)
		return NULL;
	return trust_refuse(why, KM_WHY_ROLLBACK, "the %s %lld is older than %lld, which this host has seen", what,
			    (long long)version, (long long)seen);
}

/* The frame, then the signatures. */
static km_error *open_signed(const km_trust_client *client, enum km_doc doc, const void *bytes, size_t size,
			     km_envelope **ret, enum km_trust_why *why)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

	KM_TRY(km_envelope_parse(doc, bytes, size, &envelope, why));
	KM_TRY(km_verify(envelope, &client->root, why));
	*ret = envelope;
	envelope = NULL;
	return NULL;
}

/* What a timestamp says of another document must not go back, and one version has one content. */
static km_error *check_named(const char *what, const struct km_named *new, const struct km_named *old, int64_t seen,
			     enum km_trust_why *why)
{
	KM_TRY(not_older(what, new->version, old->version > seen ? old->version : seen, why));
	if (new->version == old->version && strcmp(new->sha256, old->sha256))
		return trust_refuse(why, KM_WHY_TWO_FACED, "the timestamp names two different contents for %s %lld",
				    what, (long long)new->version);
	return NULL;
}

static km_error *check_timestamp(const km_trust_client *client, const km_envelope *envelope,
				 const struct km_timestamp *t, int64_t now, enum km_trust_why *why)
{
	const km_envelope *old = client->envelopes[KM_DOC_TIMESTAMP];

	KM_TRY(of_channel(client, "timestamp", t->channel, why));
	KM_TRY(not_older("timestamp", t->version, client->seen_timestamp, why));
	if (old && t->version == client->timestamp.version && strcmp(old->id, envelope->id))
		return trust_refuse(why, KM_WHY_TWO_FACED, "there are two different timestamps %lld",
				    (long long)t->version);
	KM_TRY(from_the_future(t->issued, now, "timestamp", why));
	KM_TRY(expired(client, "root", client->root.expires, now, why));
	KM_TRY(expired(client, "timestamp", t->expires, now, why));
	KM_TRY(check_named("index", &t->index, &client->named_index, client->seen_index, why));
	return check_named("rollout", &t->rollout, &client->named_rollout, client->seen_rollout, why);
}

km_error *km_trust_take_timestamp(km_trust_client *client, const void *bytes, size_t size, int64_t now,
				  enum km_trust_why *why)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_timestamp t;
	km_error *err;

	KM_TRY(open_signed(client, KM_DOC_TIMESTAMP, bytes, size, &envelope, why));
	err = km_timestamp_parse(envelope, &t);
	if (err) {
		if (why)
			*why = KM_WHY_MALFORMED;
		return err;
	}
	err = check_timestamp(client, envelope, &t, now, why);
	if (err) {
		km_timestamp_free(&t);
		return err;
	}
	forget(client, KM_DOC_TIMESTAMP);
	client->timestamp = t;
	client->envelopes[KM_DOC_TIMESTAMP] = envelope;
	envelope = NULL;
	client->seen_timestamp = t.version;
	client->named_index = t.index;
	client->named_rollout = t.rollout;
	if (t.issued > client->floor)
		client->floor = t.issued;
	return NULL;
}

/* What index and rollout have in common, for one way through both. */
struct versioned {
	const char *channel;
	int64_t version, issued, expires;
};

static km_error *look(const km_envelope *envelope, struct versioned *ret, km_arena *arena)
{
	struct km_index index;
	struct km_rollout rollout;

	if (envelope->doc == KM_DOC_INDEX) {
		KM_TRY(km_index_parse(envelope, &index));
		*ret = (struct versioned){km_arena_strdup(arena, index.channel), index.version, index.issued,
					  index.expires};
		km_index_free(&index);
	} else {
		KM_TRY(km_rollout_parse(envelope, &rollout));
		*ret = (struct versioned){km_arena_strdup(arena, rollout.channel), rollout.version, rollout.issued,
					  rollout.expires};
		km_rollout_free(&rollout);
	}
	return NULL;
}

static km_error *check_versioned(const km_trust_client *client, const char *what, const struct versioned *v,
				 const struct km_named *named, int64_t seen, int64_t now, enum km_trust_why *why)
{
	KM_TRY(of_channel(client, what, v->channel, why));
	KM_TRY(not_older(what, v->version, seen, why));
	if (v->version != named->version)
		return trust_refuse(why, KM_WHY_MIXED, "this is %s %lld, and the timestamp names %lld", what,
				    (long long)v->version, (long long)named->version);
	KM_TRY(from_the_future(v->issued, now, what, why));
	return expired(client, what, v->expires, now, why);
}

static km_error *take_versioned(km_trust_client *client, enum km_doc doc, const void *bytes, size_t size, int64_t now,
				enum km_trust_why *why)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	const struct km_named *named = doc == KM_DOC_INDEX ? &client->named_index : &client->named_rollout;
	int64_t *seen = doc == KM_DOC_INDEX ? &client->seen_index : &client->seen_rollout;
	struct versioned v = {0};
	km_arena *arena;
	km_error *err;

	if (!client->envelopes[KM_DOC_TIMESTAMP])
		return trust_refuse(why, KM_WHY_INCOMPLETE, "the timestamp comes before the %s", km_doc_name(doc));
	KM_TRY(open_signed(client, doc, bytes, size, &envelope, why));
	if (strcmp(envelope->id, named->sha256))
		return trust_refuse(why, KM_WHY_MIXED, "this is not the %s that the timestamp names", km_doc_name(doc));
	arena = km_arena_create();
	err = look(envelope, &v, arena);
	if (err && why)
		*why = KM_WHY_MALFORMED;
	if (!err)
		err = check_versioned(client, km_doc_name(doc), &v, named, *seen, now, why);
	if (!err)
		err = client_hold(client, &envelope);
	if (!err)
		*seen = v.version;
	km_arena_destroy(arena);
	return err;
}

km_error *km_trust_take_index(km_trust_client *client, const void *bytes, size_t size, int64_t now,
			      enum km_trust_why *why)
{
	return take_versioned(client, KM_DOC_INDEX, bytes, size, now, why);
}

km_error *km_trust_take_rollout(km_trust_client *client, const void *bytes, size_t size, int64_t now,
				enum km_trust_why *why)
{
	return take_versioned(client, KM_DOC_ROLLOUT, bytes, size, now, why);
}

bool km_trust_wants(const km_trust_client *client, enum km_doc doc, struct km_named *ret)
{
	const struct km_named *named = doc == KM_DOC_INDEX ? &client->named_index : &client->named_rollout;
	const km_envelope *held = client->envelopes[doc];

	if ((doc != KM_DOC_INDEX && doc != KM_DOC_ROLLOUT) || !client->envelopes[KM_DOC_TIMESTAMP] ||
	    (held && !strcmp(held->id, named->sha256)))
		return false;
	*ret = *named;
	return true;
}

const struct km_root *km_trust_root(const km_trust_client *client)
{
	return &client->root;
}

const struct km_index *km_trust_index(const km_trust_client *client)
{
	return client->envelopes[KM_DOC_INDEX] ? &client->index : NULL;
}

const struct km_rollout *km_trust_rollout(const km_trust_client *client)
{
	return client->envelopes[KM_DOC_ROLLOUT] ? &client->rollout : NULL;
}

const struct km_timestamp *km_trust_timestamp(const km_trust_client *client)
{
	return client->envelopes[KM_DOC_TIMESTAMP] ? &client->timestamp : NULL;
}

const char *km_trust_channel(const km_trust_client *client)
{
	return client->channel;
}
