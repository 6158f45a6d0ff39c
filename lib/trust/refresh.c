/* SPDX-License-Identifier: GPL-2.0-or-later */
/* New dates on what is online: timestamps each time, rollouts in their second half. */
#include "internal.h"

struct refresh {
	const char *dir;
	char *public;
	int64_t now;
	const struct km_lifetimes *lifetimes;
	struct km_root root;
	km_private_key *rollout, *timestamp;
	struct km_refreshed done;
};

static km_error *load(const struct refresh *r, const char *channel, enum km_doc doc, km_envelope **ret)
{
	KM_AUTOFREE char *path = km_printf("%s/%s.%s", r->public, channel, km_doc_name(doc));

	return km_envelope_load(doc, path, ret);
}

static km_error *save(const struct refresh *r, const char *channel, const km_envelope *envelope)
{
	KM_AUTOFREE char *path = km_printf("%s/%s.%s", r->public, channel, km_doc_name(envelope->doc));

	/* What hosts would refuse must not take the place of what they accept. */
	KM_TRY(km_verify(envelope, &r->root, NULL));
	return km_envelope_save(envelope, path);
}

static km_error *renew_rollout(struct refresh *r, const char *channel, km_envelope **envelope)
{
	struct km_rollout rollout;
	km_envelope *new = NULL;
	km_error *err;

	KM_TRY(km_rollout_parse(*envelope, &rollout));
	if (rollout.expires - r->now >= (rollout.expires - rollout.issued) / 2) {
		km_rollout_free(&rollout);
		return NULL;
	}
	rollout.version++;
	rollout.issued = r->now;
	rollout.expires = r->now + r->lifetimes->rollout;
	err = r->rollout
		      ? km_rollout_make(&rollout, &new)
		      : km_error_hint(km_error_new(KM_REFUSED,
						   "the rollout of %s runs out, and there is no rollout key", channel),
				      "its key belongs into %s/keys, without a passphrase", r->dir);
	km_rollout_free(&rollout);
	if (!err)
		err = km_envelope_sign_with(new, r->rollout);
	if (!err)
		err = save(r, channel, new);
	if (err) {
		km_envelope_destroy(new);
		return err;
	}
	km_envelope_destroy(*envelope);
	*envelope = new;
	r->done.rollouts++;
	return NULL;
}

static km_error *next_version(const struct refresh *r, const char *channel, int64_t *ret)
{
	KM_AUTOFREE char *path = km_printf("%s/%s.timestamp", r->public, channel);
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_timestamp t;

	*ret = 1;
	if (!km_exists(path))
		return NULL;
	KM_TRY(load(r, channel, KM_DOC_TIMESTAMP, &envelope));
	KM_TRY(km_timestamp_parse(envelope, &t));
	*ret = t.version + 1;
	km_timestamp_free(&t);
	return NULL;
}

static km_error *renew_channel(struct refresh *r, const char *channel)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *index = NULL, *rollout = NULL, *timestamp = NULL;
	int64_t version;

	KM_TRY(load(r, channel, KM_DOC_INDEX, &index));
	KM_TRY(km_verify(index, &r->root, NULL));
	KM_TRY(load(r, channel, KM_DOC_ROLLOUT, &rollout));
	KM_TRY(km_verify(rollout, &r->root, NULL));
	KM_TRY(renew_rollout(r, channel, &rollout));
	KM_TRY(next_version(r, channel, &version));
	KM_TRY(km_timestamp_for(index, rollout, version, r->now, r->lifetimes->timestamp, r->timestamp, &timestamp));
	KM_TRY(save(r, channel, timestamp));
	r->done.timestamps++;
	return NULL;
}

/* The first key of the role that is at hand and in the root. */
static km_error *online_key(const struct refresh *r, enum km_role role, km_private_key **ret)
{
	key_list keys = {0};

	KM_TRY(public_keys(r->dir, role, NULL, &keys));
	for (size_t i = 0; i < keys.n && !*ret; i++)
		for (size_t j = 0; j < r->root.n_keys && keys.at[i]; j++)
			if (r->root.keys[j].role == role && !strcmp(r->root.keys[j].id, keys.at[i]->public.id)) {
				*ret = keys.at[i];
				keys.at[i] = NULL;
			}
	key_list_free(&keys);
	return NULL;
}

static km_error *renew_all(struct refresh *r)
{
	km_strv names = {0};
	km_error *err = NULL;

	KM_TRY(km_public_root(r->public, &r->root));
	KM_TRY(online_key(r, KM_ROLE_ROLLOUT, &r->rollout));
	KM_TRY(online_key(r, KM_ROLE_TIMESTAMP, &r->timestamp));
	if (!r->timestamp)
		return km_error_hint(km_error_new(KM_REFUSED, "there is no timestamp key of root %lld in %s/keys",
						  (long long)r->root.version, r->dir),
				     "an online key has no passphrase; kmend key show FILE tells a key's role");
	KM_TRY(public_names(r->public, ".index", &names));
	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *channel = km_strndup(names.at[i], strlen(names.at[i]) - strlen(".index"));

		err = renew_channel(r, channel);
		if (err)
			err = km_error_add(err, "channel %s", channel);
	}
	if (!names.n)
		err = km_error_new(KM_NOTHING, "there is no channel in %s", r->public);
	km_strv_free(&names);
	return err;
}

km_error *km_refresh(const char *dir, int64_t now, const struct km_lifetimes *lifetimes, struct km_refreshed *ret)
{
	KM_AUTOCLOSE int lock = -1;
	KM_AUTOFREE char *public = km_path(dir, "public");
	struct refresh r = {dir, public, now, lifetimes ? lifetimes : &km_lifetimes_default};
	km_error *err;

	KM_TRY(public_lock(dir, &lock));
	err = renew_all(&r);
	km_key_destroy(r.rollout);
	km_key_destroy(r.timestamp);
	km_root_free(&r.root);
	if (!err)
		*ret = r.done;
	return err;
}
