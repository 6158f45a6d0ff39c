/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One array of hosts, and two open hash tables of slots into it: by secret and by id. A host chooses its id: the hash
 * is keyed, so that nobody can fill one place of the table. */
#include <openssl/crypto.h>
#include <pthread.h>
#include <sodium.h>

#include "table.h"

enum { HASH = KM_SHA256_LEN, KERNELS_MAX = 1 << 16, TAGS_MAX = 1 << 20, SLICE = 128 };

struct host {
	uint8_t secret[HASH], id[HASH];
	int64_t n, digest, seen;
	uint32_t token, kernel;
	const char *tags;
	uint32_t load;	  /* the last table_load_begin() before the store had it */
	bool gone, moved; /* moved: seen is newer than the store's */
};

struct token {
	struct table_token public;
	uint8_t secret[HASH];
};

struct index {
	uint32_t *at; /* slot + 1; 0: free */
	size_t cap, used;
	size_t key; /* offset in struct host */
};

struct table {
	pthread_mutex_t lock; /* for all of it */
	km_arena *arena;      /* of what stays for good */
	km_map *texts, *kernel_of, *token_of;
	km_vec(struct host) hosts;
	km_vec(struct token) tokens;
	km_vec(struct table_kernel *) kernels;
	struct index by_secret, by_id;
	size_t count, seen_at; /* hosts; where the next table_take_seen() begins */
	uint32_t load;
	uint8_t seed[crypto_shorthash_KEYBYTES];
};

struct table *table_create(void)
{
	struct table *t = km_calloc(1, sizeof(*t));

	pthread_mutex_init(&t->lock, NULL);
	randombytes_buf(t->seed, sizeof(t->seed));
	t->arena = km_arena_create();
	t->texts = km_map_create();
	t->kernel_of = km_map_create();
	t->token_of = km_map_create();
	km_vec_push(&t->kernels, km_arena_new(t->arena, struct table_kernel));
	*t->kernels.at[0] = (struct table_kernel){"", "", ""};
	t->by_secret.key = offsetof(struct host, secret);
	t->by_id.key = offsetof(struct host, id);
	return t;
}

void table_destroy(struct table *t)
{
	if (!t)
		return;
	km_vec_free(&t->hosts);
	km_vec_free(&t->tokens);
	km_vec_free(&t->kernels);
	free(t->by_secret.at);
	free(t->by_id.at);
	km_map_destroy(t->texts);
	km_map_destroy(t->kernel_of);
	km_map_destroy(t->token_of);
	km_arena_destroy(t->arena);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* ---- the two indexes ---- */

static const uint8_t *key_of(const struct table *t, const struct index *ix, uint32_t slot)
{
	return (const uint8_t *)&t->hosts.at[slot] + ix->key;
}

static size_t home(const struct table *t, const struct index *ix, const uint8_t *key)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t h;

	crypto_shorthash(out, key, HASH, t->seed);
	memcpy(&h, out, sizeof(h));
	return h & (ix->cap - 1);
}

/* The place of the key, or the free place where it would stand. cap > used. */
static size_t place(const struct table *t, const struct index *ix, const uint8_t *key)
{
	size_t i = home(t, ix, key);

	while (ix->at[i] && CRYPTO_memcmp(key_of(t, ix, ix->at[i] - 1), key, HASH))
		i = (i + 1) & (ix->cap - 1);
	return i;
}

static void insert(struct table *t, struct index *ix, uint32_t slot)
{
	if (2 * (ix->used + 1) > ix->cap) {
		struct index old = *ix;

		ix->cap = old.cap ? 2 * old.cap : 1024;
		ix->at = km_calloc(ix->cap, sizeof(*ix->at));
		for (size_t i = 0; i < old.cap; i++)
			if (old.at[i])
				ix->at[place(t, ix, key_of(t, ix, old.at[i] - 1))] = old.at[i];
		free(old.at);
	}
	ix->at[place(t, ix, key_of(t, ix, slot))] = slot + 1;
	ix->used++;
}

/* Takes the key out and moves those behind it up, so that no search ends too early. */
static void take_out(struct table *t, struct index *ix, const uint8_t *key)
{
	size_t hole, i;

	if (!ix->cap)
		return;
	hole = place(t, ix, key);
	if (!ix->at[hole])
		return;
	ix->at[hole] = 0;
	ix->used--;
	for (i = (hole + 1) & (ix->cap - 1); ix->at[i]; i = (i + 1) & (ix->cap - 1)) {
		size_t want = home(t, ix, key_of(t, ix, ix->at[i] - 1));

		if (((i - want) & (ix->cap - 1)) < ((i - hole) & (ix->cap - 1)))
			continue;
		ix->at[hole] = ix->at[i];
		ix->at[i] = 0;
		hole = i;
	}
}

static struct host *find(struct table *t, const struct index *ix, const char *hex)
{
	uint8_t key[HASH];
	size_t i;

	if (!ix->cap || !km_hex_read(hex, strlen(hex), key, HASH))
		return NULL;
	i = place(t, ix, key);
	return ix->at[i] ? &t->hosts.at[ix->at[i] - 1] : NULL;
}

/* ---- what hosts have in common ---- */

static const char *text(struct table *t, const char *s)
{
	char *kept = km_map_get(t->texts, s);

	if (!kept) {
		/* Many hosts share few sets of tags; where they do not, the memory has an end. */
		if (km_map_count(t->texts) >= TAGS_MAX)
			return "";
		kept = km_arena_strdup(t->arena, s);
		km_map_put(t->texts, s, kept);
	}
	return kept;
}

/* Its number; 0, which no release is for, when hosts have named too many. */
static uint32_t kernel(struct table *t, const char *arch, const char *release, const char *build_id)
{
	KM_AUTOFREE char *key = km_printf("%s\n%s\n%s", arch, release, build_id);
	uintptr_t n = (uintptr_t)km_map_get(t->kernel_of, key);
	struct table_kernel *new;

	if (n || t->kernels.n >= KERNELS_MAX)
		return (uint32_t)n;
	n = t->kernels.n;
	new = km_arena_new(t->arena, struct table_kernel);
	new->arch = km_arena_strdup(t->arena, arch);
	new->release = km_arena_strdup(t->arena, release);
	new->build_id = km_arena_strdup(t->arena, build_id);
	km_vec_push(&t->kernels, new);
	km_map_put(t->kernel_of, key, (void *)n);
	return (uint32_t)n;
}

void table_token_put(struct table *t, const struct km_store_token *from)
{
	struct token token = {.public = {.min_severity = from->min_severity,
					 .expires = from->expires,
					 .revoked = from->revoked,
					 .limit = from->limit}};
	uintptr_t n;

	snprintf(token.public.id, sizeof(token.public.id), "%s", from->id);
	snprintf(token.public.channel, sizeof(token.public.channel), "%s", from->channel);
	km_hex_read(from->secret, strlen(from->secret), token.secret, HASH);
	pthread_mutex_lock(&t->lock);
	n = (uintptr_t)km_map_get(t->token_of, from->id);
	if (n) {
		t->tokens.at[n - 1] = token;
	} else {
		km_vec_push(&t->tokens, token);
		km_map_put(t->token_of, from->id, (void *)t->tokens.n);
	}
	pthread_mutex_unlock(&t->lock);
}

bool table_token_find(struct table *t, const char *secret_hash, struct table_token *ret)
{
	uint8_t key[HASH];
	bool found = false;

	if (!km_hex_read(secret_hash, strlen(secret_hash), key, HASH))
		return false;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->tokens.n && !found; i++)
		if (!CRYPTO_memcmp(t->tokens.at[i].secret, key, HASH)) {
			*ret = t->tokens.at[i].public;
			found = true;
		}
	pthread_mutex_unlock(&t->lock);
	return found;
}

/* ---- hosts ---- */

static void view(const struct table *t, const struct host *h, struct table_host *ret)
{
	ret->slot = (size_t)(h - t->hosts.at);
	ret->n = h->n;
	ret->seen = h->seen;
	ret->digest = h->digest;
	km_hex(h->id, HASH, ret->id);
	ret->token = t->tokens.at[h->token].public;
	ret->tags = h->tags;
	ret->kernel = t->kernels.at[h->kernel];
}

static bool put(struct table *t, const struct km_store_host *from)
{
	uintptr_t token = (uintptr_t)km_map_get(t->token_of, from->token);
	struct host *h = find(t, &t->by_id, from->id), new = {.n = from->n, .digest = from->digest, .seen = from->seen};
	uint32_t slot;

	if (!token || !km_hex_read(from->id, strlen(from->id), new.id, HASH) ||
	    !km_hex_read(from->secret, strlen(from->secret), new.secret, HASH))
		return false;
	new.token = (uint32_t)token - 1;
	new.kernel = kernel(t, from->arch, from->kernel, from->build_id);
	new.tags = text(t, from->tags);
	new.load = t->load;
	if (h) {
		take_out(t, &t->by_secret, h->secret);
		new.moved = h->moved;
		if (h->seen > new.seen)
			new.seen = h->seen;
		*h = new;
		insert(t, &t->by_secret, (uint32_t)(h - t->hosts.at));
		return true;
	}
	slot = (uint32_t)t->hosts.n;
	km_vec_push(&t->hosts, new);
	insert(t, &t->by_id, slot);
	insert(t, &t->by_secret, slot);
	t->count++;
	return true;
}

bool table_put(struct table *t, const struct km_store_host *host)
{
	bool done;

	pthread_mutex_lock(&t->lock);
	done = put(t, host);
	pthread_mutex_unlock(&t->lock);
	return done;
}

static void forget(struct table *t, struct host *h)
{
	take_out(t, &t->by_id, h->id);
	take_out(t, &t->by_secret, h->secret);
	h->gone = true;
	h->moved = false;
	t->count--;
}

void table_remove(struct table *t, const char *id)
{
	struct host *h;

	pthread_mutex_lock(&t->lock);
	h = find(t, &t->by_id, id);
	if (h)
		forget(t, h);
	pthread_mutex_unlock(&t->lock);
}

void table_load_begin(struct table *t)
{
	pthread_mutex_lock(&t->lock);
	t->load++;
	pthread_mutex_unlock(&t->lock);
}

void table_load_end(struct table *t)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < t->hosts.n; i++)
		if (!t->hosts.at[i].gone && t->hosts.at[i].load != t->load)
			forget(t, &t->hosts.at[i]);
	pthread_mutex_unlock(&t->lock);
}

size_t table_count(struct table *t)
{
	size_t n;

	pthread_mutex_lock(&t->lock);
	n = t->count;
	pthread_mutex_unlock(&t->lock);
	return n;
}

static bool view_of(struct table *t, const struct index *ix, const char *hex, struct table_host *ret)
{
	struct host *h;

	pthread_mutex_lock(&t->lock);
	h = find(t, ix, hex);
	if (h)
		view(t, h, ret);
	pthread_mutex_unlock(&t->lock);
	return h;
}

bool table_find(struct table *t, const char *secret_hash, struct table_host *ret)
{
	return view_of(t, &t->by_secret, secret_hash, ret);
}

bool table_find_id(struct table *t, const char *id, struct table_host *ret)
{
	return view_of(t, &t->by_id, id, ret);
}

void table_contact(struct table *t, size_t slot, int64_t now)
{
	struct host *h;

	pthread_mutex_lock(&t->lock);
	h = &t->hosts.at[slot];
	if (!h->gone && now > h->seen) {
		h->seen = now;
		h->moved = true;
	}
	pthread_mutex_unlock(&t->lock);
}

void table_said(struct table *t, const char *id, const struct km_fleet_kernel *said, int64_t digest, int64_t now)
{
	struct host *h;

	pthread_mutex_lock(&t->lock);
	h = find(t, &t->by_id, id);
	if (h) {
		h->kernel = kernel(t, said->arch, said->release, said->build_id);
		h->digest = digest;
		h->seen = now > h->seen ? now : h->seen;
	}
	pthread_mutex_unlock(&t->lock);
}

void table_tag(struct table *t, const char *id, const char *tags)
{
	struct host *h;

	pthread_mutex_lock(&t->lock);
	h = find(t, &t->by_id, id);
	if (h)
		h->tags = text(t, tags);
	pthread_mutex_unlock(&t->lock);
}

/* ---- contacts on their way to the store ---- */

size_t table_take_seen(struct table *t, struct km_store_seen *rows, size_t *slots, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (size_t i = 0, all = t->hosts.n, begin = t->seen_at; i < all && n < max; i++) {
		size_t slot = (begin + i) % all;
		struct host *h = &t->hosts.at[slot];

		if (!h->moved)
			continue;
		rows[n] = (struct km_store_seen){.host = h->n, .at = h->seen, .digest = h->digest};
		slots[n++] = slot;
		h->moved = false;
		t->seen_at = slot + 1;
	}
	pthread_mutex_unlock(&t->lock);
	return n;
}

void table_seen_failed(struct table *t, const struct km_store_seen *rows, const size_t *slots, size_t n)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < n; i++)
		if (t->hosts.at[slots[i]].n == rows[i].host && !t->hosts.at[slots[i]].gone)
			t->hosts.at[slots[i]].moved = true;
	pthread_mutex_unlock(&t->lock);
}

void table_seen_done(struct table *t, const struct km_store_seen *rows, const size_t *slots, size_t n)
{
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; i < n; i++) {
		struct host *h = &t->hosts.at[slots[i]];

		/* A host that has come again meanwhile has another number. */
		if (h->gone || h->n != rows[i].host)
			continue;
		if (rows[i].gone)
			forget(t, h);
		else if (rows[i].other && h->digest == rows[i].digest)
			h->digest = 0;
	}
	pthread_mutex_unlock(&t->lock);
}

void table_each(struct table *t, void (*each)(void *ctx, const struct table_host *host), void *ctx)
{
	struct table_host hosts[SLICE];
	size_t n, slot = 0, all;

	do {
		n = 0;
		pthread_mutex_lock(&t->lock);
		all = t->hosts.n;
		for (; slot < all && n < SLICE; slot++)
			if (!t->hosts.at[slot].gone)
				view(t, &t->hosts.at[slot], &hosts[n++]);
		pthread_mutex_unlock(&t->lock);
		for (size_t i = 0; i < n; i++)
			each(ctx, &hosts[i]);
	} while (slot < all);
}
