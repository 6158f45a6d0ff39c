/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root after this one. */
#include "internal.h"

static bool is_key(const struct km_public_key *key, const char *word)
{
	return !strcmp(key->id, word) || !strcmp(key->name, word);
}

static km_error *remove_key(struct km_root *root, const char *word)
{
	size_t at = 0, found = 0;

	for (size_t i = 0; i < root->n_keys; i++)
		if (is_key(&root->keys[i], word)) {
			at = i;
			found++;
		}
	if (!found)
		return km_error_hint(
			km_error_new(KM_REFUSED, "root %lld has no key '%s'", (long long)root->version, word),
			"kmend sign --show tells the keys of a root");
	if (found > 1)
		return km_error_hint(km_error_new(KM_REFUSED, "%zu keys of root %lld are named '%s'", found,
						  (long long)root->version, word),
				     "take the key's id; kmend sign --show tells it");
	memmove(&root->keys[at], &root->keys[at + 1], (root->n_keys - at - 1) * sizeof(root->keys[0]));
	root->n_keys--;
	return NULL;
}

km_error *km_root_next(const struct km_root *old, const struct km_root_change *change, int64_t now, int64_t lifetime,
		       km_envelope **ret)
{
	KM_AUTOFREE struct km_public_key *keys = km_calloc(old->n_keys + change->n_add, sizeof(*keys));
	struct km_root root = *old;

	root.keys = keys;
	memcpy(keys, old->keys, old->n_keys * sizeof(*keys));
	root.issued = now;
	root.expires = now + lifetime;
	for (size_t i = 0; i < change->n_remove; i++)
		KM_TRY(remove_key(&root, change->remove[i]));
	for (size_t i = 0; i < change->n_add; i++)
		keys[root.n_keys++] = change->add[i];
	for (unsigned i = 0; i < KM_ROLES; i++)
		if (change->threshold[i])
			root.threshold[i] = change->threshold[i];
	root.version++;
	return km_root_make(&root, ret);
}
