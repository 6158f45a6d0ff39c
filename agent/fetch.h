/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-fetch: what its files share. It has the network and no privileges; nobody believes what it brings. */
#ifndef KMEND_AGENT_FETCH_H
#define KMEND_AGENT_FETCH_H

#include <kmend/agent.h>
#include <kmend/http.h>

/* Everything for one contact. */
struct fetch {
	const char *root;
	struct km_agent_config config;
	struct km_identity identity;
	struct km_fleet_kernel kernel;
	km_trust_client *client; /* a copy: what it takes saves useless downloads, and decides nothing */
	km_http_client *http;
	km_source *spool;
	km_host *host;
	bool payload_came;
};

/* Becomes the user kmend without any capability; in a tree of files nothing is left to lose. */
KM_CHECKED km_error *fetch_drop(const char *root);

/* ---- spool.c: writing ---- */
char *fetch_spool_path(const char *root, const char *name);
KM_CHECKED km_error *fetch_put(const char *root, const char *name, const void *bytes, size_t size);
/* When to come again: spool/next, by the interval (seconds), jittered; retry_after -1: none. */
void fetch_put_next(const char *root, int64_t interval, int64_t retry_after);
/* Removes what kmend-apply has taken. keep: names that stay. */
void fetch_clean(const struct fetch *f, const km_strv *keep);

/* ---- documents.c ---- */
/* Brings what is newer than the host has, by the versions of the answer. */
KM_CHECKED km_error *fetch_documents(struct fetch *f, const struct km_checkin_answer *answer);
/* The timestamp once more, and what it names. */
KM_CHECKED km_error *fetch_timestamp(struct fetch *f);
/* Releases that the index lists and that are not here. */
KM_CHECKED km_error *fetch_releases(struct fetch *f);

/* ---- payloads.c ---- */
/* Payloads that kmend-apply would load now. base: another place to fetch them from, or NULL. Adds their names to keep. */
KM_CHECKED km_error *fetch_payloads(struct fetch *f, const char *base, km_strv *keep);

/* ---- verbs ---- */
KM_CHECKED km_error *fetch_checkin(const char *root, char **words, int *status);
KM_CHECKED km_error *fetch_attach(const char *root, char **words, int *status);
KM_CHECKED km_error *fetch_detach(const char *root, char **words, int *status);

#endif
