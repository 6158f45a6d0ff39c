/* SPDX-License-Identifier: GPL-2.0-or-later */
/* config.h - what a person may set: a file of KEY = VALUE lines, and flags of the same names over it. All of it is
 * checked before anything starts. */
#ifndef KMEND_SERVER_CONFIG_H
#define KMEND_SERVER_CONFIG_H

#include <kmend/trust.h>

#define CONFIG_PATH "/etc/kmend/server.conf"

struct config {
	char *listen;	     /* ADDR:PORT */
	char *data;	     /* the data directory: state.db, blobs, keys */
	char *database;	     /* a postgres:// URL; NULL: SQLite in data */
	char *cert, *key;    /* files in PEM, or NULL: no TLS */
	char *payload_base;  /* a URL with its last '/', or NULL */
	char *metrics;	     /* a file whose content is the bearer that /metrics asks for; NULL: anyone may read it */
	km_strv proxies;     /* whose X-Forwarded-For is believed */
	int64_t threads;     /* 0: one for each CPU */
	int64_t connections; /* at once; others wait in the kernel's queue */
	int64_t interval;    /* seconds between two check-ins of a host */
	int64_t queue;	     /* writes that may wait; beyond it hosts are told to come later */
	int64_t rate_host, rate_token, rate_address, rate_failed; /* requests a second; 0: any number */
	struct km_lifetimes lifetimes;				  /* rollout and timestamp are looked at */
	bool verbose;
};

/* The defaults. */
void config_default(struct config *ret);
/* Takes one value; `where` ("server.conf:3", "--listen") is for messages. KM_USAGE. */
KM_CHECKED km_error *config_set(struct config *config, const char *where, const char *name, const char *value);
/* Whether the flag of that name has a value; false for --verbose. KM_USAGE for one that is not there. */
KM_CHECKED km_error *config_flag(const char *name, bool *has_value);
/* Reads a file; each key at most once. KM_INPUT names the line. */
KM_CHECKED km_error *config_read(struct config *config, const char *path);
/* What no single value shows: a certificate without its key. KM_USAGE. */
KM_CHECKED km_error *config_check(const struct config *config);
/* The names with their values' names and meanings, for --help. */
void config_help(FILE *f);
void config_free(struct config *config);
/* For KM_CLEANUP. */
void config_freep(struct config *config);

#endif
