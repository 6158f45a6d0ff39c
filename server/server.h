/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - what the parts of kmend-server share.
 *
 *	polling threads (lib/http)   authenticate, answer from memory; else make a call wait
 *	the writer (one thread)      runs calls that change something, many in one transaction, and answers after the
 *commit readers (two threads)        run calls that read much the engine (one thread)      looks at rollouts and dates
 *each second, and puts calls before the writer
 */
#ifndef KMEND_SERVER_SERVER_H
#define KMEND_SERVER_SERVER_H

#include <kmend/http.h>
#include <kmend/store.h>

#include "config.h"
#include "limit.h"
#include "queue.h"
#include "table.h"

struct documents;
struct engine;
struct metrics;

struct server {
	const struct config *config;
	bool shared; /* other servers may be on the same state */
	km_store *store;
	km_http_server *http;
	struct table *table;
	struct documents *documents;
	struct metrics *metrics;
	struct engine *engine;
	struct queue *writer, *readers;
	struct limit *hosts, *tokens, *addresses, *failures;
	struct limit *notes, *all_notes; /* records of refusals: by address, and of all */
	struct writer *writes;
	int64_t started;
	int lock; /* on DIR/.server, against a second server; -1: shared */
};

/* Opens, loads, starts all parts and listens. Whatever fails leaves nothing running. fd: a socket that systemd gave, or
 * -1. */
KM_CHECKED km_error *server_start(const struct config *config, int fd, struct server *ret);
/* Takes no more connections, lets what is under way end, writes what waits, and frees all. */
void server_stop(struct server *server);

/* Seconds since 1970. */
int64_t server_now(void);
/* A line on stderr, with the level that systemd understands ("<4>") where it listens. */
void server_log(const char *fmt, ...) KM_PRINTF(1, 2);
void server_warn(const char *fmt, ...) KM_PRINTF(1, 2);
/* Takes the error; prints what was being done and what came of it. */
void server_warn_error(km_error *err, const char *fmt, ...) KM_PRINTF(2, 3);

#endif
