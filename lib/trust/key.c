/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Key pairs in memory, wiped when they go. */
#include <sodium.h>

#include "internal.h"

const struct km_key_cost km_key_cost_default = {3, (uint64_t)256 << 20};

void key_id(const uint8_t key[static KM_KEY_LEN], char out[static KM_SHA256_HEX])
{
	static const char domain[] = "kmend/1 key\n";
	uint8_t sum[KM_SHA256_LEN];
	km_sha256 *h = km_sha256_create();

	km_sha256_add(h, domain, sizeof(domain) - 1);
	km_sha256_add(h, key, KM_KEY_LEN);
	km_sha256_end(h, sum);
	km_hex(sum, sizeof(sum), out);
}

km_private_key *key_of_seed(enum km_role role, const char *name, const uint8_t seed[static KM_KEY_LEN])
{
	km_private_key *key = km_calloc(1, sizeof(*key));

	trust_sodium();
	sodium_mlock(key, sizeof(*key));
	memcpy(key->seed, seed, KM_KEY_LEN);
	key->public.role = role;
	snprintf(key->public.name, sizeof(key->public.name), "%s", name);
	crypto_sign_seed_keypair(key->public.key, key->secret, seed);
	key_id(key->public.key, key->public.id);
	return key;
}

km_error *km_key_create(enum km_role role, const char *name, km_private_key **ret)
{
	uint8_t seed[KM_KEY_LEN];

	if (!text_key_name(name))
		return km_error_hint(km_error_new(KM_USAGE, "'%s' cannot be the name of a key", name),
				     "letters, digits and . _ @ - are allowed, %d at most", KM_TRUST_NAME_MAX);
	trust_sodium();
	randombytes_buf(seed, sizeof(seed));
	*ret = key_of_seed(role, name, seed);
	sodium_memzero(seed, sizeof(seed));
	return NULL;
}

void km_key_destroy(km_private_key *key)
{
	if (!key)
		return;
	sodium_munlock(key, sizeof(*key)); /* which wipes it, too */
	free(key);
}

void km_key_destroyp(km_private_key **key)
{
	km_key_destroy(*key);
}

const struct km_public_key *km_key_public(const km_private_key *key)
{
	return &key->public;
}
