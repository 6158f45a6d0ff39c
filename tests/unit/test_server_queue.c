/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "call.h"
#include "check.h"
#include "queue.h"

struct seen {
	pthread_mutex_t gate; /* held: the thread waits before it works */
	sem_t begun;
	km_vec(int64_t) order;
	size_t largest;
	atomic_uint idle;
};

static void work(void *ctx, struct call *calls)
{
	struct seen *seen = ctx;
	size_t n = 0;

	if (!calls) {
		seen->idle++;
		return;
	}
	sem_post(&seen->begun);
	pthread_mutex_lock(&seen->gate);
	for (; calls; calls = calls->next, n++)
		km_vec_push(&seen->order, calls->now);
	seen->largest = n > seen->largest ? n : seen->largest;
	pthread_mutex_unlock(&seen->gate);
}

static struct seen *seen_create(void)
{
	struct seen *seen = km_calloc(1, sizeof(*seen));

	pthread_mutex_init(&seen->gate, NULL);
	sem_init(&seen->begun, 0, 0);
	return seen;
}

static void seen_destroy(struct seen *seen)
{
	pthread_mutex_destroy(&seen->gate);
	sem_destroy(&seen->begun);
	km_vec_free(&seen->order);
	free(seen);
}

static void test_order(void **state)
{
	struct seen *seen = seen_create();
	struct queue_options options = {.threads = 1, .batch = 3, .bound = 6, .work = work, .ctx = seen};
	struct queue *q = queue_create(&options);
	struct call calls[9] = {0};
	static const int64_t want[] = {0, 7, 1, 2, 3, 4, 5, 6};

	(void)state;
	pthread_mutex_lock(&seen->gate);
	for (int i = 0; i < 9; i++)
		calls[i].now = i;
	assert_true(queue_put(q, &calls[0], false));
	sem_wait(&seen->begun); /* the first one is being worked on, the others wait */
	for (int i = 1; i < 7; i++)
		assert_true(queue_put(q, &calls[i], false));
	assert_false(queue_put(q, &calls[8], false)); /* too many wait … */
	assert_true(queue_put(q, &calls[7], true));   /* … but not for this one */
	assert_int_equal(queue_length(q), 7);
	pthread_mutex_unlock(&seen->gate);
	queue_destroy(q); /* works off what waits */
	assert_int_equal(seen->order.n, KM_COUNT(want));
	for (size_t i = 0; i < KM_COUNT(want); i++)
		assert_int_equal(seen->order.at[i], want[i]);
	assert_int_equal(seen->largest, 3);
	seen_destroy(seen);
}

static void test_period(void **state)
{
	struct seen *seen = seen_create();
	struct queue_options options = {.threads = 1, .batch = 1, .bound = 1, .period = 1, .work = work, .ctx = seen};
	struct queue *q = queue_create(&options);

	(void)state;
	for (int i = 0; i < 100 && !seen->idle; i++)
		usleep(50000);
	assert_true(seen->idle);
	queue_destroy(q);
	seen_destroy(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_order), cmocka_unit_test(test_period)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
