/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <sodium.h>

#include "limit.h"

enum { SETS = 2048, WAYS = 8 };

struct bucket {
	uint64_t key; /* 0: free */
	double left, at;
};
struct limit {
	pthread_mutex_t lock; /* for sets */
	double rate, burst;
	uint8_t seed[crypto_shorthash_KEYBYTES]; /* nobody outside can aim at a set */
	struct bucket sets[SETS][WAYS];
};

struct limit *limit_create(double rate, double burst)
{
	struct limit *limit = km_calloc(1, sizeof(*limit));

	pthread_mutex_init(&limit->lock, NULL);
	limit->rate = rate;
	limit->burst = burst < 1 ? 1 : burst;
	randombytes_buf(limit->seed, sizeof(limit->seed));
	return limit;
}

void limit_destroy(struct limit *limit)
{
	if (!limit)
		return;
	pthread_mutex_destroy(&limit->lock);
	free(limit);
}

/* The key's bucket, or the one of its set that was idle longest, filled. */
static struct bucket *find(struct limit *limit, const char *key, double now)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash;
	struct bucket *set, *oldest;

	crypto_shorthash(out, (const uint8_t *)key, strlen(key), limit->seed);
	memcpy(&hash, out, sizeof(hash));
	hash |= 1;
	set = oldest = limit->sets[(hash >> 1) % SETS];
	for (int i = 0; i < WAYS; i++) {
		if (set[i].key == hash)
			return &set[i];
		if (set[i].at < oldest->at)
			oldest = &set[i];
	}
	*oldest = (struct bucket){hash, limit->burst, now};
	return oldest;
}

static struct bucket *fill(struct limit *limit, const char *key, double now)
{
	struct bucket *b = find(limit, key, now);

	if (now > b->at) {
		b->left += (now - b->at) * limit->rate;
		b->at = now;
	}
	if (b->left > limit->burst)
		b->left = limit->burst;
	return b;
}

unsigned limit_take(struct limit *limit, const char *key, double now)
{
	struct bucket *b;
	unsigned wait = 0;

	if (limit->rate <= 0)
		return 0;
	pthread_mutex_lock(&limit->lock);
	b = fill(limit, key, now);
	if (b->left >= 1)
		b->left -= 1;
	else
		wait = 1 + (unsigned)((1 - b->left) / limit->rate);
	pthread_mutex_unlock(&limit->lock);
	return wait;
}

bool limit_has(struct limit *limit, const char *key, double now)
{
	bool has;

	if (limit->rate <= 0)
		return true;
	pthread_mutex_lock(&limit->lock);
	has = fill(limit, key, now)->left >= 1;
	pthread_mutex_unlock(&limit->lock);
	return has;
}
