/* SPDX-License-Identifier: GPL-2.0-or-later */
/* writer.h - group commit: the calls that wait become one transaction, and are answered when it is durable. It also
 * takes the contacts of hosts to the store. */
#ifndef KMEND_SERVER_WRITER_H
#define KMEND_SERVER_WRITER_H

#include "queue.h"
#include "server.h"

enum {
	WRITER_BATCH = 1000,	/* calls in one transaction */
	WRITER_SEEN = 4000,	/* contacts in one, */
	WRITER_SEEN_BUSY = 500, /* … while other calls wait */
	WRITER_SEEN_EVERY = 20, /* seconds */
};

struct writer *writer_create(struct server *server);
void writer_destroy(struct writer *writer);
/* For the queue. */
void writer_work(void *writer, struct call *calls);
/* Writes all contacts; before the end. */
void writer_flush(struct writer *writer);
/* Transactions that failed since the start. */
uint64_t writer_errors(const struct writer *writer);

/* Seconds for which the transaction under way has been so; 0: there is none. */
double writer_busy(const struct writer *writer);

/* For the queue of readers. */
void reader_work(void *server, struct call *calls);

#endif
