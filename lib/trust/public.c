/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A publisher's directory: DIR/keys, DIR/public. */
#include <ctype.h>

#include "internal.h"

km_error *public_lock(const char *dir, int *fd)
{
	KM_AUTOFREE char *path = km_path(dir, ".lock");

	return km_lock(path, true, fd);
}

km_error *public_names(const char *dir, const char *suffix, km_strv *ret)
{
	km_strv all = {0}, some = {0};

	if (!km_is_dir(dir))
		return NULL;
	KM_TRY(km_listdir(dir, &all));
	for (size_t i = 0; i < all.n; i++)
		if (km_ends(all.at[i], suffix) && all.at[i][0] != '.')
			km_strv_push(&some, all.at[i]);
	km_strv_free(&all);
	*ret = some;
	return NULL;
}

void key_list_free(key_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		km_key_destroy(list->at[i]);
	km_vec_free(list);
}

void passphrase_free(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static bool has_signed(const km_envelope *envelope, const struct km_public_key *key)
{
	for (size_t i = 0; envelope && i < envelope->signatures.n; i++)
		if (km_signature_good(envelope, &envelope->signatures.at[i], key))
			return true;
	return false;
}

static km_error *load_key(const char *path, const struct key_asker *asker, km_private_key **ret)
{
	char *passphrase = NULL;
	km_error *err = NULL;

	if (km_key_encrypted(path)) {
		if (!asker || !asker->passphrase)
			return NULL;
		KM_TRY(asker->passphrase(asker->ctx, path, false, &passphrase));
		if (!passphrase)
			return NULL;
	}
	err = km_key_load(path, passphrase, NULL, ret);
	passphrase_free(passphrase);
	return err;
}

km_error *public_keys(const char *dir, enum km_role role, const struct key_asker *asker, key_list *ret)
{
	KM_AUTOFREE char *keys = km_path(dir, "keys");
	km_strv names = {0};
	key_list list = {0};
	km_error *err = public_names(keys, ".key", &names);

	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *path = km_path(keys, names.at[i]);
		struct km_public_key public;
		km_private_key *key = NULL;

		err = km_public_load(path, &public);
		if (!err && public.role == role && !has_signed(asker ? asker->skip : NULL, &public))
			err = load_key(path, asker, &key);
		if (key)
			km_vec_push(&list, key);
	}
	km_strv_free(&names);
	if (err) {
		key_list_free(&list);
		return err;
	}
	*ret = list;
	return NULL;
}

/* N of "N.root", or 0. */
static int64_t root_number(const char *name)
{
	char *end;
	long long n = isdigit((unsigned char)*name) ? strtoll(name, &end, 10) : 0;

	return n > 0 && n < KM_VERSION_MAX && !strcmp(end, ".root") ? n : 0;
}

static km_error *load_root(const char *dir, int64_t number, km_envelope **ret)
{
	KM_AUTOFREE char *path = km_printf("%s/%lld.root", dir, (long long)number);

	return km_envelope_load(KM_DOC_ROOT, path, ret);
}

static bool have_root(const char *dir, int64_t number)
{
	KM_AUTOFREE char *path = km_printf("%s/%lld.root", dir, (long long)number);

	return km_exists(path);
}

km_error *km_public_root(const char *dir, struct km_root *ret)
{
	km_strv names = {0};
	int64_t first = 0;
	struct km_root root = {0};
	km_envelope *envelope = NULL;
	km_error *err;

	KM_TRY(public_names(dir, ".root", &names));
	for (size_t i = 0; i < names.n; i++) {
		int64_t n = root_number(names.at[i]);

		first = n && (!first || n < first) ? n : first;
	}
	km_strv_free(&names);
	if (!first)
		return km_error_hint(km_error_new(KM_ENV, "there is no root in %s", dir),
				     "kmend key ceremony makes the first one");
	err = load_root(dir, first, &envelope);
	if (!err)
		err = km_verify_first_root(envelope, NULL, &root, NULL);
	km_envelope_destroy(envelope);
	for (int64_t n = first + 1; !err && have_root(dir, n); n++) {
		struct km_root next;

		envelope = NULL;
		err = load_root(dir, n, &envelope);
		if (!err)
			err = km_verify_next_root(envelope, &root, &next, NULL);
		km_envelope_destroy(envelope);
		if (!err) {
			km_root_free(&root);
			root = next;
		}
	}
	if (err) {
		km_root_free(&root);
		return km_error_add(err, "the roots in %s do not make a chain", dir);
	}
	*ret = root;
	return NULL;
}

/* ---- days to expiry ---- */

static unsigned missing(const km_envelope *envelope, const struct km_root *root)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KM_ROLES; i++) {
		unsigned good;

		if (!root || !(trust_roles(envelope->doc) & 1u << i))
			continue;
		good = km_verify_count(envelope, root, (enum km_role)i);
		n += good < root->threshold[i] ? root->threshold[i] - good : 0;
	}
	return n;
}

static km_error *dates(const km_envelope *envelope, struct km_expiry *ret)
{
	struct km_root root;
	struct km_index index;
	struct km_rollout rollout;
	struct km_timestamp timestamp;

	switch (envelope->doc) {
	case KM_DOC_ROOT:
		KM_TRY(km_root_parse(envelope, &root));
		ret->version = root.version, ret->issued = root.issued, ret->expires = root.expires;
		km_root_free(&root);
		return NULL;
	case KM_DOC_INDEX:
		KM_TRY(km_index_parse(envelope, &index));
		ret->version = index.version, ret->issued = index.issued, ret->expires = index.expires;
		km_index_free(&index);
		return NULL;
	case KM_DOC_ROLLOUT:
		KM_TRY(km_rollout_parse(envelope, &rollout));
		ret->version = rollout.version, ret->issued = rollout.issued, ret->expires = rollout.expires;
		km_rollout_free(&rollout);
		return NULL;
	default:
		KM_TRY(km_timestamp_parse(envelope, &timestamp));
		ret->version = timestamp.version, ret->issued = timestamp.issued, ret->expires = timestamp.expires;
		km_timestamp_free(&timestamp);
		return NULL;
	}
}

static km_error *add_status(const char *dir, enum km_doc doc, const char *name, const struct km_root *root,
			    km_expiries *ret)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *path = km_path(dir, name);
	struct km_expiry e = {.doc = doc};
	km_error *err;

	KM_TRY(km_envelope_load(doc, path, &envelope));
	err = dates(envelope, &e);
	if (err)
		return km_error_add(err, "%s", path);
	snprintf(e.name, sizeof(e.name), "%s", name);
	e.missing = missing(envelope, root);
	km_vec_push(ret, e);
	return NULL;
}

static km_error *add_all(const char *dir, enum km_doc doc, const struct km_root *root, km_expiries *ret)
{
	KM_AUTOFREE char *suffix = km_printf(".%s", km_doc_name(doc));
	km_strv names = {0};
	km_error *err = public_names(dir, suffix, &names);

	for (size_t i = 0; i < names.n && !err; i++)
		err = add_status(dir, doc, names.at[i], root, ret);
	km_strv_free(&names);
	return err;
}

/* Of roots only the newest; one that is not signed yet is told as such, and the others are measured by none. */
static km_error *add_root(const char *dir, km_expiries *ret)
{
	km_strv names = {0};
	int64_t newest = 0;
	KM_AUTOFREE char *name = NULL;
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_root root;
	km_error *err;

	KM_TRY(public_names(dir, ".root", &names));
	for (size_t i = 0; i < names.n; i++)
		newest = root_number(names.at[i]) > newest ? root_number(names.at[i]) : newest;
	km_strv_free(&names);
	if (!newest)
		return NULL;
	name = km_printf("%lld.root", (long long)newest);
	KM_TRY(load_root(dir, newest, &envelope));
	KM_TRY(km_root_parse(envelope, &root));
	err = add_status(dir, KM_DOC_ROOT, name, &root, ret);
	km_root_free(&root);
	return err;
}

km_error *km_public_status(const char *dir, km_expiries *ret)
{
	static const enum km_doc docs[] = {KM_DOC_INDEX, KM_DOC_ROLLOUT, KM_DOC_TIMESTAMP};
	km_expiries list = {0};
	struct km_root root = {0};
	km_error *err = add_root(dir, &list), *none = NULL;
	bool have;

	if (!err)
		none = km_public_root(dir, &root);
	have = !err && !none;
	km_error_free(none);
	for (size_t i = 0; i < KM_COUNT(docs) && !err; i++)
		err = add_all(dir, docs[i], have ? &root : NULL, &list);
	km_root_free(&root);
	if (err) {
		km_vec_free(&list);
		return err;
	}
	if (!list.n)
		return km_error_hint(km_error_new(KM_NOTHING, "there is no document in %s", dir),
				     "kmend key ceremony makes the first ones");
	*ret = list;
	return NULL;
}
