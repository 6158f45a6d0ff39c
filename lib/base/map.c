/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A hash table of indices (open addressing, linear probing) over a vector of entries in order of insertion. */
#include <kmend/base.h>

struct entry {
	const char *key;
	void *value;
	uint32_t hash;
};

struct km_map {
	km_vec(struct entry) entries;
	uint32_t *slots; /* index into entries plus one; 0 is free */
	size_t n_slots;  /* a power of two, at least twice the entries */
	km_arena *keys;
};

km_map *km_map_create(void)
{
	km_map *map = km_calloc(1, sizeof(*map));

	map->n_slots = 16;
	map->slots = km_calloc(map->n_slots, sizeof(*map->slots));
	map->keys = km_arena_create();
	return map;
}

void km_map_destroy(km_map *map)
{
	if (!map)
		return;
	km_arena_destroy(map->keys);
	km_vec_free(&map->entries);
	free(map->slots);
	free(map);
}

/* FNV-1a, and a last mixing, since only the low bits choose the slot. */
static uint32_t hash_of(const char *key)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *key; key++)
		h = (h ^ (uint8_t)*key) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds key, or the free one where it belongs. */
static uint32_t *find(const km_map *map, const char *key, uint32_t hash)
{
	for (size_t i = hash & (map->n_slots - 1);; i = (i + 1) & (map->n_slots - 1)) {
		uint32_t *slot = &map->slots[i];
		const struct entry *e = *slot ? &map->entries.at[*slot - 1] : NULL;

		if (!e || (e->hash == hash && !strcmp(e->key, key)))
			return slot;
	}
}

static void grow(km_map *map)
{
	free(map->slots);
	map->n_slots *= 2;
	map->slots = km_calloc(map->n_slots, sizeof(*map->slots));
	for (size_t i = 0; i < map->entries.n; i++)
		*find(map, map->entries.at[i].key, map->entries.at[i].hash) = (uint32_t)i + 1;
}

void *km_map_get(const km_map *map, const char *key)
{
	uint32_t slot = *find(map, key, hash_of(key));

	return slot ? map->entries.at[slot - 1].value : NULL;
}

bool km_map_has(const km_map *map, const char *key)
{
	return *find(map, key, hash_of(key)) != 0;
}

void km_map_put(km_map *map, const char *key, void *value)
{
	uint32_t hash = hash_of(key), *slot = find(map, key, hash);

	if (*slot) {
		map->entries.at[*slot - 1].value = value;
		return;
	}
	km_vec_push(&map->entries, (struct entry){km_arena_strdup(map->keys, key), value, hash});
	*slot = (uint32_t)map->entries.n;
	if (2 * map->entries.n > map->n_slots)
		grow(map);
}

size_t km_map_count(const km_map *map)
{
	return map->entries.n;
}

const char *km_map_at(const km_map *map, size_t i, void **value)
{
	if (value)
		*value = map->entries.at[i].value;
	return map->entries.at[i].key;
}
