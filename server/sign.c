/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sign.h"

/* ---- keys ---- */

static bool in_root(const struct km_root *root, const struct km_public_key *key)
{
	for (size_t i = 0; i < root->n_keys; i++)
		if (root->keys[i].role == key->role && !strcmp(root->keys[i].id, key->id))
			return true;
	return false;
}

/* The file's private key if it is one of that role and root. */
static km_error *try_key(const char *path, const struct km_root *root, enum km_role role, km_private_key **ret)
{
	struct km_public_key public;

	KM_TRY(km_public_load(path, &public));
	if (public.role != role || !in_root(root, &public) || km_key_encrypted(path))
		return NULL;
	return km_key_load(path, NULL, NULL, ret);
}

static km_error *find_key(const char *data, const struct km_root *root, enum km_role role, km_private_key **ret)
{
	KM_AUTOFREE char *dir = km_path(data, "keys");
	km_private_key *key = NULL;
	km_strv names = {0};
	km_error *err = NULL;

	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n && !key && !err; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (km_ends(names.at[i], ".key"))
			err = try_key(path, root, role, &key);
	}
	km_strv_free(&names);
	if (err)
		return err;
	if (!key)
		return km_error_hint(km_error_new(KM_REFUSED, "there is no %s key of root %lld on the server",
						  km_role_name(role), (long long)root->version),
				     "its file belongs into %s, without a passphrase", dir);
	*ret = key;
	return NULL;
}

bool sign_can(const struct server *server, const struct km_root *root, enum km_role role)
{
	km_private_key *key = NULL;
	km_error *err = find_key(server->config->data, root, role, &key);

	km_error_free(err);
	km_key_destroy(key);
	return !err;
}

/* ---- documents in the transaction ---- */

struct signing {
	struct call *call;
	const char *channel;
	struct km_root root;
	km_envelope *index, *rollout, *timestamp;
	int64_t rollout_version, timestamp_version; /* of what is stored; 0: none */
};

/* The newest one, or NULL and version 0. */
static km_error *newest(struct call *call, const char *channel, enum km_doc doc, km_envelope **ret, int64_t *version)
{
	struct km_store_document stored;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err = km_store_document(call->server->store, channel, doc, 0, call_arena(call), &stored, &why);

	*version = 0;
	if (err && why == KM_STORE_ABSENT) {
		km_error_free(err);
		return NULL;
	}
	if (err)
		return err;
	*version = stored.version;
	return km_envelope_parse(doc, stored.bytes, stored.size, ret, NULL);
}

static km_error *load(struct signing *s)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *root = NULL;
	int64_t version;

	KM_TRY(newest(s->call, "", KM_DOC_ROOT, &root, &version));
	if (!root)
		return km_error_new(KM_REFUSED, "the server has no root yet");
	KM_TRY(km_root_parse(root, &s->root));
	KM_TRY(newest(s->call, s->channel, KM_DOC_INDEX, &s->index, &version));
	if (!s->index)
		return km_error_new(KM_REFUSED, "the channel %s has no index yet", s->channel);
	KM_TRY(newest(s->call, s->channel, KM_DOC_ROLLOUT, &s->rollout, &s->rollout_version));
	return newest(s->call, s->channel, KM_DOC_TIMESTAMP, &s->timestamp, &s->timestamp_version);
}

/* Signs, makes sure that hosts would take it, and stores it as the successor. */
static km_error *keep(struct signing *s, km_envelope *envelope, enum km_role role, int64_t version)
{
	km_private_key *key = NULL;
	KM_AUTOFREE char *text = NULL;
	struct km_store_document document = {
		.channel = s->channel, .doc = envelope->doc, .version = version, .stored = s->call->now};
	km_error *err;

	KM_TRY(find_key(s->call->server->config->data, &s->root, role, &key));
	err = km_envelope_sign_with(envelope, key);
	km_key_destroy(key);
	if (!err)
		err = km_verify(envelope, &s->root, NULL);
	if (err)
		return km_error_add(err, "cannot sign the %s of %s", km_doc_name(envelope->doc), s->channel);
	memcpy(document.sha256, envelope->id, sizeof(document.sha256));
	text = km_envelope_text(envelope, &document.size);
	document.bytes = text;
	return km_store_document_add(s->call->server->store, &document, NULL, NULL);
}

/* ---- the rollout document ---- */

static bool listed(const struct km_index *index, const char *release)
{
	for (size_t i = 0; i < index->n_releases; i++)
		if (!strcmp(index->releases[i].id, release))
			return true;
	return false;
}

struct entries {
	km_vec(struct km_rollout_entry) list;
	km_vec(struct km_plan) plans; /* what the entries point into: their arenas, which do not move */
};

/* Of several rollouts of one release, the newest counts: they come in this order. */
static bool have_entry(const struct entries *e, const char *release)
{
	for (size_t i = 0; i < e->list.n; i++)
		if (!strcmp(e->list.at[i].id, release))
			return true;
	return false;
}

static km_error *add_entry(struct entries *e, const struct km_store_rollout *rollout)
{
	struct km_rollout_entry entry;
	struct km_plan plan;

	KM_TRY(km_plan_parse(rollout->plan, strlen(rollout->plan), &plan));
	km_vec_push(&e->plans, plan);
	km_rollout_entry_of(&e->plans.at[e->plans.n - 1], &rollout->at, rollout->reason, &entry);
	km_vec_push(&e->list, entry);
	return NULL;
}

static km_error *collect(struct signing *s, const struct km_index *index, struct entries *e)
{
	enum { PAGE = 500 };
	struct km_store_rollout *rollouts;
	int64_t before = 0;
	size_t n;

	do {
		KM_TRY(km_store_rollouts(s->call->server->store, s->channel, false, before, PAGE, call_arena(s->call),
					 &rollouts, &n));
		for (size_t i = 0; i < n; i++) {
			/* Who has a release must take it back even after the index has dropped it. */
			bool counts =
				rollouts[i].at.state == KM_ROLLOUT_TAKEN_BACK || listed(index, rollouts[i].release);

			if (counts && !have_entry(e, rollouts[i].release))
				KM_TRY(add_entry(e, &rollouts[i]));
			before = rollouts[i].id;
		}
	} while (n == PAGE);
	return NULL;
}

static km_error *make_rollout(struct signing *s, struct entries *e, km_envelope **ret)
{
	struct km_store_channel channel;
	struct km_rollout rollout = {.channel = s->channel,
				     .version = s->rollout_version + 1,
				     .issued = s->call->now,
				     .expires = s->call->now + s->call->server->config->lifetimes.rollout};
	struct km_index index;
	km_error *err;

	KM_TRY(km_store_channel(s->call->server->store, s->channel, call_arena(s->call), &channel, NULL));
	KM_TRY(km_index_parse(s->index, &index));
	err = collect(s, &index, e);
	rollout.halt = channel.halt;
	rollout.releases = e->list.at;
	rollout.n_releases = e->list.n;
	if (!err)
		err = km_rollout_make(&rollout, ret);
	km_index_free(&index);
	return err;
}

static km_error *sign_rollout(struct signing *s)
{
	struct entries e = {0};
	km_envelope *made = NULL;
	km_error *err = make_rollout(s, &e, &made);

	for (size_t i = 0; i < e.plans.n; i++)
		km_plan_free(&e.plans.at[i]);
	km_vec_free(&e.plans);
	km_vec_free(&e.list);
	if (!err)
		err = keep(s, made, KM_ROLE_ROLLOUT, s->rollout_version + 1);
	if (err) {
		km_envelope_destroy(made);
		return err;
	}
	km_envelope_destroy(s->rollout);
	s->rollout = made;
	return NULL;
}

static km_error *sign_timestamp(struct signing *s)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *made = NULL;
	const struct km_lifetimes *lifetimes = &s->call->server->config->lifetimes;
	km_private_key *key = NULL;
	km_error *err;

	KM_TRY(find_key(s->call->server->config->data, &s->root, KM_ROLE_TIMESTAMP, &key));
	err = km_timestamp_for(s->index, s->rollout, s->timestamp_version + 1, s->call->now, lifetimes->timestamp, key,
			       &made);
	km_key_destroy(key);
	return err ? err : keep(s, made, KM_ROLE_TIMESTAMP, s->timestamp_version + 1);
}

km_error *sign_channel(struct call *call, const char *channel, bool rollout)
{
	struct signing s = {.call = call, .channel = channel};
	km_error *err = load(&s), *old = NULL;

	/* What the newest root does not stand for any more is of no use to hosts. */
	if (!err && s.rollout)
		old = km_verify(s.rollout, &s.root, NULL);
	if (!err && (rollout || !s.rollout || old))
		err = sign_rollout(&s);
	if (!err)
		err = sign_timestamp(&s);
	km_error_free(old);
	km_root_free(&s.root);
	km_envelope_destroy(s.index);
	km_envelope_destroy(s.rollout);
	km_envelope_destroy(s.timestamp);
	return err;
}
