/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A publisher in memory: keys of every role, and documents that can be made, bent and signed by anyone. */
#ifndef KMEND_TESTS_TOY_TRUST_H
#define KMEND_TESTS_TOY_TRUST_H

#include <kmend/trust.h>

#include "check.h"

enum { TOY_KEYS = 3, TOY_NOW = 1800000000 };

/* Bytes of a signed document. */
struct toy_doc {
	char *at;
	size_t n;
	char id[KM_SHA256_HEX];
};

struct toy {
	km_private_key *keys[KM_ROLES][TOY_KEYS];
	struct km_public_key public[KM_TRUST_KEYS]; /* of the root under way */
	struct km_root root;			    /* version 1: one key a role, but root 2 of 3 */
	struct toy_doc root_doc, release, index, rollout, timestamp;
	uint8_t payload[64];
	int64_t index_life, rollout_life; /* seconds, 0: 365 and 30 days */
};

/* The threshold of root is 2 of 3; release 1, index 1, rollout 1 and timestamp 1 of the channel "stable" are whole and
 * belong together. */
void toy_setup(struct toy *t);
void toy_end(struct toy *t);

/* Makes a document of an envelope, signed by those keys, and lets go of the envelope. */
struct toy_doc toy_sign(km_envelope *envelope, size_t n, km_private_key *const *keys);
void toy_free(struct toy_doc *doc);
/* Any body as a document of that type. */
struct toy_doc toy_raw(enum km_doc doc, const char *body, size_t n, km_private_key *const *keys);

/* Documents that differ in the one thing; signed by their right keys. */
struct toy_doc toy_root(struct toy *t, int64_t version, size_t n_signers, km_private_key *const *signers);
struct toy_doc toy_index(struct toy *t, int64_t version, const char *channel, const struct km_index_entry *entry);
struct toy_doc toy_rollout(struct toy *t, int64_t version, const struct km_rollout_entry *entry, const char *halt);
struct toy_doc toy_timestamp(struct toy *t, int64_t version, int64_t issued, const struct toy_doc *index,
			     int64_t index_version, const struct toy_doc *rollout, int64_t rollout_version);
/* Version n of all three, with that index entry and rollout entry (NULL: none), taken by the client. */
void toy_publish(struct toy *t, km_trust_client *client, int64_t version, const struct km_index_entry *index,
		 const struct km_rollout_entry *rollout, const char *halt);

/* The entry of an index that lists the release. */
struct km_index_entry toy_entry(const struct toy *t);
/* The host that the release is for. */
struct km_trust_host toy_host(void);
/* A client with root 1, and one that has taken everything. */
km_trust_client *toy_fresh(struct toy *t);
km_trust_client *toy_client(struct toy *t);
/* km_trust_allows() for the toy's release, host and now. */
km_error *toy_allows(struct toy *t, km_trust_client *client, enum km_trust_why *why);
/* Fails unless err is there and *why is the reason; frees it. */
void toy_refused(km_error *err, const enum km_trust_why *why, enum km_trust_why want);

#endif
