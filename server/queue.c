/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "call.h"
#include "queue.h"

struct queue {
	struct queue_options options;
	pthread_mutex_t lock; /* for what stands below */
	pthread_cond_t come;
	struct call *first, **end;
	size_t length;
	bool stopped;
	pthread_t *threads;
};

static struct call *take(struct queue *q)
{
	struct call *calls = q->first, **last = &calls;
	size_t n = 0;

	while (*last && n < q->options.batch) {
		last = &(*last)->next;
		n++;
	}
	q->first = *last;
	if (!q->first)
		q->end = &q->first;
	*last = NULL;
	q->length -= n;
	return calls;
}

/* Waits for a call, a stop, or the end of the period. */
static void await(struct queue *q)
{
	struct timespec until;

	if (!q->options.period) {
		pthread_cond_wait(&q->come, &q->lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += q->options.period;
	pthread_cond_timedwait(&q->come, &q->lock, &until);
}

static void *run(void *ctx)
{
	struct queue *q = ctx;

	pthread_mutex_lock(&q->lock);
	while (q->first || !q->stopped) {
		struct call *calls;

		if (!q->first)
			await(q);
		calls = take(q);
		pthread_mutex_unlock(&q->lock);
		if (calls || q->options.period)
			q->options.work(q->options.ctx, calls);
		pthread_mutex_lock(&q->lock);
	}
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

struct queue *queue_create(const struct queue_options *options)
{
	struct queue *q = km_calloc(1, sizeof(*q));
	pthread_condattr_t attr;

	q->options = *options;
	q->end = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->come, &attr);
	pthread_condattr_destroy(&attr);
	q->threads = km_calloc(options->threads, sizeof(*q->threads));
	for (unsigned i = 0; i < options->threads; i++)
		if (pthread_create(&q->threads[i], NULL, run, q))
			km_oom();
	return q;
}

bool queue_put(struct queue *q, struct call *call, bool first)
{
	bool taken;

	pthread_mutex_lock(&q->lock);
	taken = !q->stopped && (first || q->length < q->options.bound);
	if (taken && first) {
		call->next = q->first;
		if (!q->first)
			q->end = &call->next;
		q->first = call;
	} else if (taken) {
		call->next = NULL;
		*q->end = call;
		q->end = &call->next;
	}
	q->length += taken;
	if (taken)
		pthread_cond_signal(&q->come);
	pthread_mutex_unlock(&q->lock);
	return taken;
}

size_t queue_length(struct queue *q)
{
	size_t n;

	pthread_mutex_lock(&q->lock);
	n = q->length;
	pthread_mutex_unlock(&q->lock);
	return n;
}

void queue_destroy(struct queue *q)
{
	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	q->stopped = true;
	pthread_cond_broadcast(&q->come);
	pthread_mutex_unlock(&q->lock);
	for (unsigned i = 0; i < q->options.threads; i++)
		pthread_join(q->threads[i], NULL);
	pthread_cond_destroy(&q->come);
	pthread_mutex_destroy(&q->lock);
	free(q->threads);
	free(q);
}
