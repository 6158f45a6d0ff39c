/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One loop, spread over threads. */
#include <kmend/base.h>
#include <pthread.h>

struct loop {
	pthread_mutex_t lock; /* over what follows */
	size_t next, n;
	size_t failed_at; /* the index that err belongs to */
	km_error *err;
	km_error *(*work)(void *ctx, size_t i);
	void *ctx;
};

static bool take(struct loop *loop, size_t *i)
{
	bool more;

	pthread_mutex_lock(&loop->lock);
	more = loop->next < loop->n && !loop->err;
	if (more)
		*i = loop->next++;
	pthread_mutex_unlock(&loop->lock);
	return more;
}

static void note(struct loop *loop, size_t i, km_error *err)
{
	km_error *drop = err;

	pthread_mutex_lock(&loop->lock);
	if (!loop->err || i < loop->failed_at) {
		drop = loop->err;
		loop->err = err;
		loop->failed_at = i;
	}
	pthread_mutex_unlock(&loop->lock);
	km_error_free(drop);
}

static void *thread(void *arg)
{
	struct loop *loop = arg;
	size_t i;

	while (take(loop, &i)) {
		km_error *err = loop->work(loop->ctx, i);

		if (err)
			note(loop, i, err);
	}
	return NULL;
}

km_error *km_parallel(size_t n, unsigned jobs, km_error *(*work)(void *ctx, size_t i), void *ctx)
{
	struct loop loop = {.n = n, .work = work, .ctx = ctx};
	size_t extra = jobs > n ? n : jobs, started = 0;
	KM_AUTOFREE pthread_t *threads = NULL;

	/* This thread works too: there is progress even when no thread can be made. */
	extra = extra ? extra - 1 : 0;
	threads = km_calloc(extra, sizeof(*threads));
	pthread_mutex_init(&loop.lock, NULL);
	while (started < extra && pthread_create(&threads[started], NULL, thread, &loop) == 0)
		started++;
	thread(&loop);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&loop.lock);
	return loop.err;
}
