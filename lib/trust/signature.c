/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signatures, and the files in which they travel from the machine with the key to the one with the document:
 *
 *	kmend signature 1
 *	document: release
 *	body: 77ab…              SHA-256 of what is signed
 *	role: builder
 *	key: 5f0c…
 *	signature: 9a77…
 */
#include <sodium.h>

#include "internal.h"

/* The domain stands before the body, so that no signature means anything elsewhere: not for another document, not in
 * another role. */
static uint8_t *message(const km_envelope *envelope, enum km_role role, size_t *size)
{
	km_str s = {0};

	km_str_printf(&s, "kmend/1 %s %s\n", km_doc_name(envelope->doc), km_role_name(role));
	km_str_addn(&s, envelope->body, envelope->size);
	*size = s.n;
	return (uint8_t *)s.at;
}

km_error *km_envelope_sign(const km_envelope *envelope, const km_private_key *key, struct km_signature *ret)
{
	struct km_signature signature = {.role = key->public.role};
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	if (!(trust_roles(envelope->doc) & 1u << key->public.role))
		return km_error_hint(km_error_new(KM_REFUSED, "the key %s is a %s key, and those do not sign a %s",
						  key->public.name, km_role_name(key->public.role),
						  km_doc_name(envelope->doc)),
				     "a key has one role for life; kmend key show tells it");
	trust_sodium();
	bytes = message(envelope, key->public.role, &size);
	memcpy(signature.key, key->public.id, sizeof(signature.key));
	crypto_sign_detached(signature.bytes, NULL, bytes, size, key->secret);
	*ret = signature;
	return NULL;
}

km_error *km_envelope_sign_with(km_envelope *envelope, const km_private_key *key)
{
	struct km_signature signature;

	KM_TRY(km_envelope_sign(envelope, key, &signature));
	return km_envelope_add(envelope, &signature);
}

bool km_signature_good(const km_envelope *envelope, const struct km_signature *signature,
		       const struct km_public_key *key)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	if (key->role != signature->role || strcmp(key->id, signature->key))
		return false;
	trust_sodium();
	bytes = message(envelope, signature->role, &size);
	return crypto_sign_verify_detached(signature->bytes, bytes, size, key->key) == 0;
}

char *km_signature_text(const km_envelope *envelope, const struct km_signature *signature)
{
	char hex[2 * KM_SIGNATURE_LEN + 1];

	km_hex(signature->bytes, sizeof(signature->bytes), hex);
	return km_printf("kmend signature 1\ndocument: %s\nbody: %s\nrole: %s\nkey: %s\nsignature: %s\n",
			 km_doc_name(envelope->doc), envelope->id, km_role_name(signature->role), signature->key, hex);
}

/* The value between "<name>: " and the end of the line; *at moves behind it. NULL when another line stands there. */
static char *value(const char **at, const char *name)
{
	KM_AUTOFREE char *prefix = km_printf("%s: ", name);
	const char *begin = *at + strlen(prefix), *end;

	if (!km_starts(*at, prefix) || !(end = strchr(begin, '\n')))
		return NULL;
	*at = end + 1;
	return km_strndup(begin, (size_t)(end - begin));
}

km_error *km_signature_parse(const km_envelope *envelope, const void *bytes, size_t size, struct km_signature *ret)
{
	static const char first[] = "kmend signature 1\n";
	KM_AUTOFREE char *text = km_strndup(bytes, size), *doc = NULL, *body = NULL, *role = NULL, *key = NULL,
			 *sum = NULL;
	struct km_signature signature = {0};
	const char *at = text + sizeof(first) - 1;

	if (!km_starts(text, first) || !(doc = value(&at, "document")) || !(body = value(&at, "body")) ||
	    !(role = value(&at, "role")) || !(key = value(&at, "key")) || !(sum = value(&at, "signature")) || *at ||
	    strlen(text) != size || !km_role_of(role, &signature.role) || strlen(key) != KM_SHA256_HEX - 1 ||
	    !km_hex_ok(key, KM_SHA256_HEX - 1) || !km_hex_read(sum, strlen(sum), signature.bytes, sizeof(signature.bytes)))
		return km_error_new(KM_INPUT, "this is no signature file of kmend");
	if (strcmp(doc, km_doc_name(envelope->doc)) || strcmp(body, envelope->id) ||
	    !(trust_roles(envelope->doc) & 1u << signature.role))
		return km_error_hint(km_error_new(KM_REFUSED, "the signature is for another document"),
				     "it signs the %s with SHA-256 %s; this %s has %s", doc, body,
				     km_doc_name(envelope->doc), envelope->id);
	memcpy(signature.key, key, sizeof(signature.key));
	*ret = signature;
	return NULL;
}
