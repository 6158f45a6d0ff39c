/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first set-up, in steps that each look at what is there already: stopped anywhere, the next run goes on. */
#include <sys/stat.h>

#include "internal.h"

struct ceremony {
	const struct km_ceremony *spec;
	char *keys, *public;
	key_list made; /* in this run: their passphrases need not be asked for again */
	struct km_ceremony_done done;
};

KM_PRINTF(2, 3) static void say(const struct ceremony *c, const char *fmt, ...)
{
	KM_AUTOFREE char *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	line = km_vprintf(fmt, ap);
	va_end(ap);
	if (c->spec->say)
		c->spec->say(c->spec->ctx, line);
}

/* ---- keys ---- */

/* The public halves of DIR/keys. */
static km_error *all_public(const struct ceremony *c, struct km_public_key *keys, size_t *n)
{
	km_strv names = {0};
	km_error *err = public_names(c->keys, ".pub", &names);

	*n = 0;
	if (!err && names.n > KM_TRUST_KEYS)
		err = km_error_new(KM_REFUSED, "%s has more than %d keys", c->keys, KM_TRUST_KEYS);
	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *path = km_path(c->keys, names.at[i]);

		err = km_public_load(path, &keys[(*n)++]);
	}
	km_strv_free(&names);
	return err;
}

static char *free_name(const struct ceremony *c, enum km_role role)
{
	for (unsigned i = 1;; i++) {
		KM_AUTOFREE char *name = km_printf("%s-%u", km_role_name(role), i);
		KM_AUTOFREE char *key = km_printf("%s/%s.key", c->keys, name),
				 *pub = km_printf("%s/%s.pub", c->keys, name);

		if (!km_exists(key) && !km_exists(pub)) {
			char *found = name;

			name = NULL;
			return found;
		}
	}
}

static km_error *save_key(const struct ceremony *c, const km_private_key *key, const char *name)
{
	KM_AUTOFREE char *path = km_printf("%s/%s.key", c->keys, name), *public = km_printf("%s/%s.pub", c->keys, name);
	bool online = km_role_online(key->public.role);
	char *passphrase = NULL;
	km_error *err = NULL;

	if (!online && c->spec->passphrase)
		KM_TRY(c->spec->passphrase(c->spec->ctx, name, true, &passphrase));
	err = km_key_save(key, path, passphrase, &c->spec->cost);
	if (!err)
		say(c, "made the %s key %s%s", km_role_name(key->public.role), path,
		    online	 ? ", for the server"
		    : passphrase ? ", encrypted"
				 : ", NOT encrypted");
	passphrase_free(passphrase);
	/* The public half last: it is what the next run counts. */
	return err ? err : km_public_save(&key->public, public);
}

static km_error *make_key(struct ceremony *c, enum km_role role)
{
	KM_CLEANUP(km_key_destroyp) km_private_key *key = NULL;
	KM_AUTOFREE char *name = free_name(c, role);

	KM_TRY(km_key_create(role, name, &key));
	KM_TRY(save_key(c, key, name));
	km_vec_push(&c->made, key);
	key = NULL;
	return NULL;
}

static km_error *make_keys(struct ceremony *c)
{
	struct km_public_key keys[KM_TRUST_KEYS];
	size_t n;

	KM_TRY(all_public(c, keys, &n));
	for (unsigned role = 0; role < KM_ROLES; role++) {
		unsigned have = 0;

		for (size_t i = 0; i < n; i++)
			have += keys[i].role == (enum km_role)role;
		for (; have < c->spec->keys[role]; have++)
			KM_TRY(make_key(c, (enum km_role)role));
	}
	return NULL;
}

/* ---- signing with what is at hand ---- */

static unsigned lacks(const km_envelope *envelope, const struct km_root *root, enum km_role role)
{
	unsigned good = km_verify_count(envelope, root, role);

	return good < root->threshold[role] ? root->threshold[role] - good : 0;
}

/* Signs until the threshold is reached or the keys are used up; *missing is what then lacks. */
static km_error *sign(const struct ceremony *c, km_envelope *envelope, const struct km_root *root, enum km_role role,
		      unsigned *missing)
{
	struct key_asker asker = {c->spec->passphrase, c->spec->ctx, envelope};
	key_list keys = {0};
	km_error *err = NULL;

	for (size_t i = 0; i < c->made.n && lacks(envelope, root, role); i++)
		if (c->made.at[i]->public.role == role)
			KM_TRY(km_envelope_sign_with(envelope, c->made.at[i]));
	if (lacks(envelope, root, role))
		KM_TRY(public_keys(c->spec->dir, role, &asker, &keys));
	for (size_t i = 0; i < keys.n && !err && lacks(envelope, root, role); i++)
		err = km_envelope_sign_with(envelope, keys.at[i]);
	key_list_free(&keys);
	*missing = lacks(envelope, root, role);
	return err;
}

/* ---- the root ---- */

static km_error *new_root(const struct ceremony *c, km_envelope **ret)
{
	const struct km_ceremony *spec = c->spec;
	struct km_public_key keys[KM_TRUST_KEYS];
	struct km_root root = {
		.version = 1, .issued = spec->now, .expires = spec->now + spec->lifetimes.root, .keys = keys};

	KM_TRY(all_public(c, keys, &root.n_keys));
	memcpy(root.threshold, spec->threshold, sizeof(root.threshold));
	return km_root_make(&root, ret);
}

static km_error *sign_root(struct ceremony *c, struct km_root *ret)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *path = km_path(c->public, "1.root");
	struct km_root root;
	bool is_new = !km_exists(path);
	km_error *err;

	if (is_new)
		KM_TRY(new_root(c, &envelope));
	else
		KM_TRY(km_envelope_load(KM_DOC_ROOT, path, &envelope));
	KM_TRY(km_root_parse(envelope, &root));
	memcpy(c->done.fingerprint, envelope->id, sizeof(c->done.fingerprint));
	err = sign(c, envelope, &root, KM_ROLE_ROOT, &c->done.root_missing);
	if (!err)
		err = km_envelope_save(envelope, path);
	if (err) {
		km_root_free(&root);
		return err;
	}
	say(c, "%s %s, signed by %u of %u", is_new ? "made" : "found", path,
	    root.threshold[KM_ROLE_ROOT] - c->done.root_missing, root.threshold[KM_ROLE_ROOT]);
	*ret = root;
	return NULL;
}

/* ---- channels ---- */

static km_error *new_empty(const struct ceremony *c, enum km_doc doc, const char *channel, km_envelope **ret)
{
	int64_t now = c->spec->now;

	if (doc == KM_DOC_INDEX)
		return km_index_make(&(struct km_index){.channel = channel,
							.version = 1,
							.issued = now,
							.expires = now + c->spec->lifetimes.index},
				     ret);
	return km_rollout_make(
		&(struct km_rollout){
			.channel = channel, .version = 1, .issued = now, .expires = now + c->spec->lifetimes.rollout},
		ret);
}

static km_error *sign_empty(struct ceremony *c, const struct km_root *root, enum km_doc doc, enum km_role role,
			    const char *channel, km_envelope **ret)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *path = km_printf("%s/%s.%s", c->public, channel, km_doc_name(doc));
	unsigned missing;

	if (km_exists(path))
		KM_TRY(km_envelope_load(doc, path, &envelope));
	else
		KM_TRY(new_empty(c, doc, channel, &envelope));
	KM_TRY(sign(c, envelope, root, role, &missing));
	KM_TRY(km_envelope_save(envelope, path));
	if (missing) {
		say(c, "%s lacks %u signature%s", path, missing, missing == 1 ? "" : "s");
		c->done.complete = false;
	}
	*ret = envelope;
	envelope = NULL;
	return NULL;
}

static km_error *first_timestamp(struct ceremony *c, const struct km_root *root, const char *channel,
				 const km_envelope *index, const km_envelope *rollout)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *path = km_printf("%s/%s.timestamp", c->public, channel);
	struct key_asker asker = {0};
	key_list keys = {0};
	km_error *err;

	if (km_exists(path))
		return NULL;
	KM_TRY(public_keys(c->spec->dir, KM_ROLE_TIMESTAMP, &asker, &keys));
	if (!keys.n) {
		say(c, "%s waits for a timestamp key", path);
		c->done.complete = false;
		return NULL;
	}
	err = km_timestamp_for(index, rollout, 1, c->spec->now, c->spec->lifetimes.timestamp, keys.at[0], &envelope);
	for (size_t i = 1; i < keys.n && !err; i++)
		err = km_envelope_sign_with(envelope, keys.at[i]);
	if (!err)
		err = km_verify(envelope, root, NULL);
	if (!err)
		err = km_envelope_save(envelope, path);
	key_list_free(&keys);
	return err;
}

static km_error *make_channel(struct ceremony *c, const struct km_root *root, const char *channel)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *index = NULL, *rollout = NULL;
	km_error *incomplete;

	KM_TRY(sign_empty(c, root, KM_DOC_INDEX, KM_ROLE_INDEX, channel, &index));
	KM_TRY(sign_empty(c, root, KM_DOC_ROLLOUT, KM_ROLE_ROLLOUT, channel, &rollout));
	incomplete = km_verify(index, root, NULL);
	if (!incomplete)
		incomplete = km_verify(rollout, root, NULL);
	if (incomplete) {
		km_error_free(incomplete);
		c->done.complete = false;
		return NULL;
	}
	KM_TRY(first_timestamp(c, root, channel, index, rollout));
	say(c, "the channel %s stands", channel);
	return NULL;
}

static km_error *check(const struct km_ceremony *spec)
{
	for (unsigned i = 0; i < KM_ROLES; i++)
		if (!spec->threshold[i] || spec->threshold[i] > spec->keys[i] ||
		    spec->keys[i] > KM_TRUST_SIGNATURES / 2)
			return km_error_hint(km_error_new(KM_USAGE, "%u of %u %s keys cannot sign", spec->threshold[i],
							  spec->keys[i], km_role_name((enum km_role)i)),
					     "from 1 to %d keys, and no more must sign than there are",
					     KM_TRUST_SIGNATURES / 2);
	for (size_t i = 0; i < spec->n_channels; i++)
		if (!km_trust_name_ok(spec->channels[i]))
			return km_error_hint(
				km_error_new(KM_USAGE, "'%s' cannot be the name of a channel", spec->channels[i]),
				"a-z, 0-9, and - _ . inside");
	return NULL;
}

static km_error *run(struct ceremony *c)
{
	struct km_root root;
	km_error *err = NULL;

	KM_TRY(km_mkdirs(c->keys));
	KM_TRY(km_mkdirs(c->public));
	chmod(c->keys, 0700);
	KM_TRY(make_keys(c));
	KM_TRY(sign_root(c, &root));
	c->done.complete = !c->done.root_missing;
	/* Under a root that is no root yet nothing can be verified. */
	for (size_t i = 0; i < c->spec->n_channels && !c->done.root_missing && !err; i++)
		err = make_channel(c, &root, c->spec->channels[i]);
	km_root_free(&root);
	return err;
}

km_error *km_ceremony_run(const struct km_ceremony *spec, struct km_ceremony_done *ret)
{
	KM_AUTOCLOSE int lock = -1;
	KM_AUTOFREE char *keys = km_path(spec->dir, "keys"), *public = km_path(spec->dir, "public");
	struct ceremony c = {.spec = spec, .keys = keys, .public = public};
	km_error *err;

	KM_TRY(check(spec));
	KM_TRY(km_mkdirs(spec->dir));
	KM_TRY(public_lock(spec->dir, &lock));
	err = run(&c);
	key_list_free(&c.made);
	if (!err)
		*ret = c.done;
	return err;
}
