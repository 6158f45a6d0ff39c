/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A region: chunks that grow with what was asked so far, freed together. */
#include <kmend/base.h>
#include <stdalign.h>

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20 };

struct chunk {
	struct chunk *next;
	size_t used, size;
	alignas(max_align_t) uint8_t bytes[];
};

struct km_arena {
	struct chunk *chunks; /* the first is the one that is filled */
	size_t next_size;
};

km_arena *km_arena_create(void)
{
	km_arena *arena = km_calloc(1, sizeof(*arena));

	arena->next_size = FIRST_CHUNK;
	return arena;
}

void km_arena_destroy(km_arena *arena)
{
	if (!arena)
		return;
	for (struct chunk *c = arena->chunks, *next; c; c = next) {
		next = c->next;
		free(c);
	}
	free(arena);
}

static struct chunk *chunk_new(size_t size)
{
	struct chunk *c;
	size_t whole;

	if (__builtin_add_overflow(sizeof(*c), size, &whole))
		km_oom();
	c = km_calloc(1, whole);
	c->size = size;
	return c;
}

static void *alloc_aligned(km_arena *arena, size_t size, size_t align)
{
	struct chunk *c = arena->chunks;
	size_t start = c ? (c->used + align - 1) & ~(align - 1) : 0;

	if (c && start <= c->size && size <= c->size - start) {
		c->used = start + size;
		return c->bytes + start;
	}
	if (size > arena->next_size / 4 && c) {
		/* Large: a chunk of its own behind the first, which stays the one that is filled. */
		struct chunk *own = chunk_new(size);

		own->used = size;
		own->next = c->next;
		c->next = own;
		return own->bytes;
	}
	c = chunk_new(size > arena->next_size ? size : arena->next_size);
	if (arena->next_size < LARGEST_CHUNK)
		arena->next_size *= 2;
	c->next = arena->chunks;
	arena->chunks = c;
	c->used = size;
	return c->bytes;
}

void *km_arena_alloc(km_arena *arena, size_t size)
{
	return alloc_aligned(arena, size, alignof(max_align_t));
}

void *km_arena_copy(km_arena *arena, const void *from, size_t size)
{
	void *to = km_arena_alloc(arena, size);

	if (size)
		memcpy(to, from, size);
	return to;
}

char *km_arena_strndup(km_arena *arena, const char *s, size_t n)
{
	n = strnlen(s, n);
	char *copy = alloc_aligned(arena, n + 1, 1);

	memcpy(copy, s, n);
	return copy;
}

char *km_arena_strdup(km_arena *arena, const char *s)
{
	return km_arena_strndup(arena, s, strlen(s));
}

char *km_arena_printf(km_arena *arena, const char *fmt, ...)
{
	KM_AUTOFREE char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	s = km_vprintf(fmt, ap);
	va_end(ap);
	return km_arena_strdup(arena, s);
}
