/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An object of the kernel, vmlinux or a module, and the look-ups in its symbols. */
#include "image.h"

#include <elf.h>

km_object *km_object_create(const char *name, const char *path)
{
	km_object *obj = km_calloc(1, sizeof(*obj));

	obj->name = km_strdup(name);
	obj->path = km_strdup(path);
	obj->priv = km_calloc(1, sizeof(struct km_image));
	return obj;
}

static void index_free(struct km_index *index)
{
	free(index->in_order);
	free(index->by_name);
	free(index->group_of);
	free(index->slots);
	km_vec_free(&index->groups);
}

void km_object_destroy(km_object *obj)
{
	struct km_image *image;

	if (!obj)
		return;
	image = km_image_of(obj);
	index_free(&image->index);
	km_vec_free(&image->segments);
	free(image->strings);
	free(image->bytes);
	free(image->release);
	free(image->banner);
	free(image);
	km_elf_destroy(obj->elf);
	km_vec_free(&obj->syms);
	free((char *)obj->name);
	free((char *)obj->path);
	free(obj);
}

/* FNV-1a, and a last mixing, since only the low bits choose the slot. */
static uint32_t hash_of(const char *name)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3;
	return (uint32_t)(h ^ h >> 32);
}

/* The slot of that name's group, or the free one where it belongs. Any symbol of a group stands for its name: while
 * groups are made, km_group.first is the index of the group's first symbol, afterwards it leads there. */
static uint32_t *find_slot(const km_object *obj, const char *name, uint32_t hash, bool making)
{
	const struct km_index *index = &km_image_of(obj)->index;
	size_t mask = index->n_slots - 1;

	for (size_t i = hash & mask;; i = (i + 1) & mask) {
		uint32_t *slot = &index->slots[i];
		const struct km_group *g = *slot ? &index->groups.at[*slot - 1] : NULL;
		const struct km_ksym *sym;

		if (!g)
			return slot;
		if (g->hash != hash)
			continue;
		sym = making ? &obj->syms.at[g->first] : index->by_name[g->first];
		if (!strcmp(sym->name, name))
			return slot;
	}
}

static void make_groups(km_object *obj)
{
	struct km_index *index = &km_image_of(obj)->index;

	for (size_t i = 0; i < obj->syms.n; i++) {
		uint32_t hash = hash_of(obj->syms.at[i].name);
		uint32_t *slot = find_slot(obj, obj->syms.at[i].name, hash, true);

		if (!*slot) {
			km_vec_push(&index->groups, (struct km_group){hash, (uint32_t)i, 0});
			*slot = (uint32_t)index->groups.n;
		}
		index->group_of[i] = *slot - 1;
		index->groups.at[*slot - 1].n++;
	}
}

void km_object_index(km_object *obj)
{
	struct km_index *index = &km_image_of(obj)->index;
	size_t n = obj->syms.n;
	uint32_t first = 0;

	for (index->n_slots = 16; index->n_slots < 2 * n; index->n_slots *= 2)
		;
	index->slots = km_calloc(index->n_slots, sizeof(*index->slots));
	index->in_order = km_calloc(n + 1, sizeof(*index->in_order));
	index->by_name = km_calloc(n + 1, sizeof(*index->by_name));
	index->group_of = km_calloc(n + 1, sizeof(*index->group_of));
	make_groups(obj);
	for (size_t g = 0; g < index->groups.n; g++) {
		index->groups.at[g].first = first;
		first += index->groups.at[g].n;
		index->groups.at[g].n = 0;
	}
	for (size_t i = 0; i < n; i++) {
		struct km_group *g = &index->groups.at[index->group_of[i]];

		index->in_order[i] = &obj->syms.at[i];
		index->by_name[g->first + g->n++] = &obj->syms.at[i];
		obj->syms.at[i].sympos = g->n;
	}
	for (size_t i = 0; i < n; i++)
		if (index->groups.at[index->group_of[i]].n == 1)
			obj->syms.at[i].sympos = 0;
	for (size_t i = 0; i < n && obj->is_vmlinux; i++)
		obj->syms.at[i].sympos_coming = obj->syms.at[i].sympos;
}

const struct km_ksym *const *km_ksyms_named(const km_object *obj, const char *name, size_t *n)
{
	const struct km_index *index = &km_image_of(obj)->index;
	uint32_t slot = *find_slot(obj, name, hash_of(name), false);

	*n = slot ? index->groups.at[slot - 1].n : 0;
	return slot ? &index->by_name[index->groups.at[slot - 1].first] : index->by_name;
}

/* The index of the first symbol at addr or above. */
static size_t lower_bound(const km_object *obj, uint64_t addr)
{
	size_t low = 0, high = obj->syms.n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (obj->syms.at[mid].addr < addr)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct km_ksym *const *km_ksyms_at(const km_object *obj, uint64_t addr, size_t *n)
{
	size_t first, end;

	*n = 0;
	if (!obj->is_vmlinux)
		return km_image_of(obj)->index.in_order;
	first = end = lower_bound(obj, addr);
	while (end < obj->syms.n && obj->syms.at[end].addr == addr)
		end++;
	*n = end - first;
	return &km_image_of(obj)->index.in_order[first];
}

const struct km_ksym *km_ksym_covering(const km_object *obj, uint64_t addr)
{
	const struct km_ksym *sym;
	size_t i;

	if (!obj->is_vmlinux)
		return NULL;
	i = lower_bound(obj, addr);
	if (i < obj->syms.n && obj->syms.at[i].addr == addr)
		return &obj->syms.at[i];
	if (!i)
		return NULL;
	/* Of aliases the first, as the kernel prints them. */
	sym = &obj->syms.at[lower_bound(obj, obj->syms.at[i - 1].addr)];
	return addr - sym->addr < sym->size ? sym : NULL;
}

void km_object_build_id(km_object *obj, const uint8_t *notes, size_t size)
{
	km_cursor c = km_cursor_of(notes, size);

	while (!c.failed && km_left(&c) >= sizeof(Elf64_Nhdr)) {
		uint32_t name_size = km_get32(&c), desc_size = km_get32(&c), type = km_get32(&c);
		const char *name = km_get(&c, ((size_t)name_size + 3) & ~(size_t)3);
		const uint8_t *desc = km_get(&c, desc_size);

		if (desc && type == NT_GNU_BUILD_ID && name_size == 4 && !memcmp(name, "GNU", 4) && desc_size &&
		    desc_size <= sizeof(obj->build_id)) {
			memcpy(obj->build_id, desc, desc_size);
			obj->build_id_len = desc_size;
			return;
		}
		if (-desc_size & 3)
			km_get(&c, -desc_size & 3);
	}
}
