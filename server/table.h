/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table.h - the hosts in memory: who a secret belongs to, when a host was last heard of and what it last said, so that
 * a check-in that says nothing new touches no database. About 130 bytes a host. The store has the truth; this is a
 * copy, made at the start and kept up after each commit. Any thread.
 */
#ifndef KMEND_SERVER_TABLE_H
#define KMEND_SERVER_TABLE_H

#include <kmend/store.h>

struct table;

/* A token as hosts of it are seen; stays valid as long as the table, and is replaced as a whole. */
struct table_token {
	char id[KM_TOKEN_ID_LEN + 1];
	char channel[KM_TRUST_NAME_MAX + 1];
	enum km_severity min_severity;
	int64_t expires, revoked; /* as in km_store_token */
	int64_t limit;
};

struct table_kernel { /* one that hosts run; stays valid as long as the table */
	const char *arch, *release, *build_id;
};

/* A host as it is now: a copy, but for what the table keeps for good. */
struct table_host {
	size_t slot; /* its place, never another host's */
	int64_t n, seen, digest;
	char id[KM_SHA256_HEX];
	struct table_token token;
	const char *tags; /* with a space between each */
	const struct table_kernel *kernel;
};

struct table *table_create(void);
/* NULL is fine. */
void table_destroy(struct table *table);

/* Enters a token or takes its new state. */
void table_token_put(struct table *table, const struct km_store_token *token);
/* The token with that km_fleet_secret_hash(). */
bool table_token_find(struct table *table, const char *secret_hash, struct table_token *ret);

/* Enters a host or takes its new state; `seen` never goes back. Its token must be there, else false. */
bool table_put(struct table *table, const struct km_store_host *host);
/* Forgets it; a host that is not there is fine. */
void table_remove(struct table *table, const char *id);
/* Around the entering of every host that the store has: whoever was not entered in between is forgotten. */
void table_load_begin(struct table *table);
void table_load_end(struct table *table);
/* How many hosts there are. */
size_t table_count(struct table *table);
/* The host with that km_fleet_secret_hash(). Compares in constant time. */
bool table_find(struct table *table, const char *secret_hash, struct table_host *ret);
bool table_find_id(struct table *table, const char *id, struct table_host *ret);
/* The host was heard of. */
void table_contact(struct table *table, size_t slot, int64_t now);
/* The host has said this; what it said before does not count any more. A digest of 0: not known. */
void table_said(struct table *table, const char *id, const struct km_fleet_kernel *kernel, int64_t digest, int64_t now);
void table_tag(struct table *table, const char *id, const char *tags);
/* Takes up to max contacts that the store does not know yet, with their slots; how many. */
size_t table_take_seen(struct table *table, struct km_store_seen *rows, size_t *slots, size_t max);
/* They could not be stored: they are to be taken again. */
void table_seen_failed(struct table *table, const struct km_store_seen *rows, const size_t *slots, size_t n);
/* Reads the answers of km_store_seen(): who is gone is forgotten, and who has another digest says all of it at the next
 * check-in. */
void table_seen_done(struct table *table, const struct km_store_seen *rows, const size_t *slots, size_t n);
/* Gives every host, slice by slice: check-ins go on meanwhile, and each() may take its time. */
void table_each(struct table *table, void (*each)(void *ctx, const struct table_host *host), void *ctx);

#endif
