/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Roots and keys of the publisher's own directory: what the server says is measured by them. */
#include "admin.h"

km_error *keys_root(const struct setup *setup, struct km_root *ret, char id[KM_SHA256_HEX])
{
	KM_AUTOFREE char *public = NULL, *path = NULL;
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_root root;
	km_error *err;

	if (!setup->trust)
		return km_error_hint(km_error_new(KM_USAGE, "it is not said where the publisher's root is"),
				     "--trust DIR, KMEND_TRUST or trust in ~/.config/kmend/admin.conf names the "
				     "directory that kmend "
				     "key ceremony made");
	public = km_path(setup->trust, "public");
	KM_TRY(km_public_root(public, &root));
	path = km_printf("%s/%lld.root", public, (long long)root.version);
	err = km_envelope_load(KM_DOC_ROOT, path, &envelope);
	if (err) {
		km_root_free(&root);
		return err;
	}
	if (id)
		memcpy(id, envelope->id, KM_SHA256_HEX);
	*ret = root;
	return NULL;
}

/* ---- signing ---- */

static km_error *sign_with(km_envelope *envelope, const char *path, const char *passphrase_file)
{
	KM_CLEANUP(km_key_destroyp) km_private_key *key = NULL;
	KM_AUTOFREE char *prompt = km_printf("the passphrase of %s", path);
	char *secret = NULL;
	km_error *err;

	if (km_key_encrypted(path))
		KM_TRY(secret_read(passphrase_file, prompt, false, &secret));
	err = km_key_load(path, secret, NULL, &key);
	secret_free(secret);
	return err ? err : km_envelope_sign_with(envelope, key);
}

km_error *keys_sign(km_envelope *envelope, const char *files, const char *passphrase_file)
{
	km_strv paths = {0};
	km_error *err = NULL;

	trust_words(files, &paths);
	for (size_t i = 0; i < paths.n && !err; i++)
		err = sign_with(envelope, paths.at[i], passphrase_file);
	km_strv_free(&paths);
	return err;
}

static bool signs(const char *path, enum km_doc doc)
{
	struct km_public_key key;
	km_error *err = km_public_load(path, &key);
	bool yes = !err && km_role_doc(key.role) == doc;

	km_error_free(err);
	return yes;
}

km_error *keys_sign_as(const struct setup *setup, km_envelope *envelope, const char *files, const char *passphrase_file)
{
	KM_AUTOFREE char *dir = setup->trust ? km_path(setup->trust, "keys") : NULL;
	km_strv names = {0};
	km_error *err = NULL;
	size_t n = 0;

	if (files)
		return keys_sign(envelope, files, passphrase_file);
	if (dir && km_is_dir(dir))
		KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (!km_ends(path, ".key") || !signs(path, envelope->doc))
			continue;
		err = sign_with(envelope, path, passphrase_file);
		n++;
	}
	km_strv_free(&names);
	if (!err && !n)
		err = km_error_hint(km_error_new(KM_USAGE, "there is no %s key at hand", km_doc_name(envelope->doc)),
				    "--key FILE names one; --output FILE writes the document, to be signed elsewhere "
				    "with kmend sign");
	return err;
}

/* ---- signatures of others ---- */

static km_error *add_file(km_envelope *envelope, const struct km_root *root, const char *path)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_signature signature;
	size_t size;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	err = km_signature_parse(envelope, bytes, size, &signature);
	if (err)
		return km_error_add(err, "%s", path);
	for (size_t i = 0; i < root->n_keys; i++)
		if (root->keys[i].role == signature.role && !strcmp(root->keys[i].id, signature.key))
			return km_signature_good(envelope, &signature, &root->keys[i])
				       ? km_envelope_add(envelope, &signature)
				       : km_error_new(KM_REFUSED, "%s: the signature by %s is not good", path,
						      root->keys[i].name);
	return km_error_new(KM_REFUSED, "%s: the key %s is not in root %lld", path, signature.key,
			    (long long)root->version);
}

km_error *keys_add(km_envelope *envelope, const struct km_root *root, const char *files)
{
	km_strv paths = {0};
	km_error *err = NULL;

	trust_words(files, &paths);
	for (size_t i = 0; i < paths.n && !err; i++)
		err = add_file(envelope, root, paths.at[i]);
	km_strv_free(&paths);
	return err;
}
