/* SPDX-License-Identifier: GPL-2.0-or-later */
/* queue.h - calls that wait for a thread of their own: those that write (in batches, one commit for many) and those
 * that read much. */
#ifndef KMEND_SERVER_QUEUE_H
#define KMEND_SERVER_QUEUE_H

#include <kmend/base.h>

struct call;
struct queue;

/* What its threads do with up to `batch` calls, linked by call->next, in the order in which they came. Called with NULL
 * when none came for `period` seconds (0: never). */
typedef void queue_work(void *ctx, struct call *calls);

struct queue_options {
	unsigned threads;
	size_t batch, bound; /* calls at once; calls that may wait */
	unsigned period;     /* seconds */
	queue_work *work;
	void *ctx;
};
struct queue *queue_create(const struct queue_options *options);
/* Takes the call; false when too many wait, or it is being stopped. first: before all others, and beyond the bound. */
bool queue_put(struct queue *queue, struct call *call, bool first);
/* Calls that wait. */
size_t queue_length(struct queue *queue);
/* Works off what waits, ends the threads and frees it. NULL is fine. */
void queue_destroy(struct queue *queue);

#endif
