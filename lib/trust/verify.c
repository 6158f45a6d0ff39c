/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signatures against a root's thresholds, and one root against the one before. */
#include "internal.h"

unsigned km_verify_count(const km_envelope *envelope, const struct km_root *root, enum km_role role)
{
	unsigned good = 0;

	/* By key and not by signature: however often a key has signed, it counts once. */
	for (size_t i = 0; i < root->n_keys; i++) {
		const struct km_public_key *key = &root->keys[i];
		bool found = false;

		for (size_t j = 0; j < envelope->signatures.n && key->role == role && !found; j++)
			found = km_signature_good(envelope, &envelope->signatures.at[j], key);
		good += found;
	}
	return good;
}

km_error *km_verify(const km_envelope *envelope, const struct km_root *root, enum km_trust_why *why)
{
	for (unsigned i = 0; i < KM_ROLES; i++) {
		enum km_role role = (enum km_role)i;
		unsigned good;

		if (!(trust_roles(envelope->doc) & 1u << i))
			continue;
		good = km_verify_count(envelope, root, role);
		if (good < root->threshold[i])
			return trust_refuse(why, KM_WHY_SIGNATURES,
					    "the %s has %u of %u good signatures by %s keys of root %lld",
					    km_doc_name(envelope->doc), good, root->threshold[i], km_role_name(role),
					    (long long)root->version);
	}
	return NULL;
}

static km_error *malformed(km_error *err, enum km_trust_why *why)
{
	if (err && why)
		*why = KM_WHY_MALFORMED;
	return err;
}

/* A root names the keys that must have signed it, so that it has to be read before it can be verified by them. This is
 * safe for a root whose bytes were verified by the root before, or are those that a person was told; else no more than
 * its own word is claimed. */
static km_error *read_self_signed(const km_envelope *envelope, struct km_root *ret, enum km_trust_why *why)
{
	struct km_root root;
	km_error *err;

	KM_TRY(malformed(km_root_parse(envelope, &root), why));
	err = km_verify(envelope, &root, why);
	if (err)
		km_root_free(&root);
	else
		*ret = root;
	return err;
}

km_error *km_verify_first_root(const km_envelope *envelope, const char *fingerprint, struct km_root *ret,
			       enum km_trust_why *why)
{
	if (fingerprint && strcmp(fingerprint, envelope->id))
		return trust_refuse(why, KM_WHY_MIXED, "this root has the fingerprint %s, not %s", envelope->id,
				    fingerprint);
	return read_self_signed(envelope, ret, why);
}

km_error *km_verify_next_root(const km_envelope *envelope, const struct km_root *old, struct km_root *ret,
			      enum km_trust_why *why)
{
	struct km_root root;

	KM_TRY(km_verify(envelope, old, why));
	KM_TRY(read_self_signed(envelope, &root, why));
	if (root.version == old->version + 1) {
		*ret = root;
		return NULL;
	}

	km_error *err =
		trust_refuse(why, root.version <= old->version ? KM_WHY_ROLLBACK : KM_WHY_GAP,
			     "root %lld cannot follow root %lld", (long long)root.version, (long long)old->version);

	km_root_free(&root);
	return err;
}
