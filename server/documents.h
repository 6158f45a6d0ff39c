/* SPDX-License-Identifier: GPL-2.0-or-later */
/* documents.h - the newest signed documents in memory, as one snapshot that never changes: a new one takes its place
 * after a commit. */
#ifndef KMEND_SERVER_DOCUMENTS_H
#define KMEND_SERVER_DOCUMENTS_H

#include "server.h"

struct held { /* a document; version 0: there is none */
	int64_t version, issued, expires;
	char sha256[KM_SHA256_HEX];
	const void *bytes;
	size_t size;
	bool is_signed; /* well enough under the newest root */
};
struct held_channel {
	const char *name, *halt; /* halt: the reason, or NULL */
	struct held index, rollout, timestamp;
};
struct snapshot {
	struct held root;
	struct km_root keys; /* its body */
	struct held_channel *channels;
	size_t n_channels;
	km_arena *arena;
	unsigned refs; /* documents.c's */
};

struct documents *documents_create(void);
void documents_destroy(struct documents *documents);
/* Reads the newest ones from the store. What cannot be read leaves the snapshot as it is. */
KM_CHECKED km_error *documents_load(struct server *server);
/* The same for after() of a call: a failure is a line in the log, and the engine tries again. */
void documents_changed(struct server *server);
/* The snapshot, until documents_release(); never NULL, but without a root and channels until there are some. */
struct snapshot *documents_get(struct server *server);
void documents_release(struct server *server, struct snapshot *snapshot);
const struct held_channel *snapshot_channel(const struct snapshot *snapshot, const char *name);
/* How it stands with each document: calls each() for those that there are. */
void snapshot_each(const struct snapshot *snapshot,
		   void (*each)(void *ctx, enum km_doc doc, const char *channel, const struct held *held), void *ctx);

km_http_response *documents_get_root(km_http_request *request, void *server);
km_http_response *documents_get_timestamp(km_http_request *request, void *server);
km_http_response *documents_get_version(km_http_request *request, void *server);
km_http_response *documents_get_release(km_http_request *request, void *server);

#endif
