/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The nodes of the model: made, changed, dropped. */
#include "model.h"

km_elf *km_elf_create(uint16_t machine)
{
	km_elf *elf = km_calloc(1, sizeof(*elf));

	elf->arena = km_arena_create();
	elf->machine = machine;
	elf->type = ET_REL;
	elf->sec_names = km_map_create();
	elf->sym_names = km_map_create();
	km_model_sym(elf, "");
	return elf;
}

static void sec_free(struct km_sec *sec)
{
	km_vec_free(&sec->rels);
	km_vec_free(&sec->spans);
}

void km_elf_destroy(km_elf *elf)
{
	if (!elf)
		return;
	for (size_t i = 0; i < elf->secs.n; i++)
		sec_free(elf->secs.at[i]);
	for (size_t i = 0; i < elf->extras.n; i++)
		km_vec_free(&elf->extras.at[i]->rels);
	km_vec_free(&elf->secs);
	km_vec_free(&elf->syms);
	km_vec_free(&elf->extras);
	km_map_destroy(elf->sec_names);
	km_map_destroy(elf->sym_names);
	km_arena_destroy(elf->arena);
	free(elf);
}

struct km_sec *km_model_sec(km_elf *elf, const char *name)
{
	struct km_sec *sec = km_arena_new(elf->arena, struct km_sec);

	sec->name = name;
	sec->index = (unsigned)elf->secs.n;
	km_vec_push(&elf->secs, sec);
	return sec;
}

struct km_sym *km_model_sym(km_elf *elf, const char *name)
{
	struct km_sym *sym = km_arena_new(elf->arena, struct km_sym);

	sym->name = name;
	sym->index = (unsigned)elf->syms.n;
	km_vec_push(&elf->syms, sym);
	return sym;
}

static void name_first(km_map *map, const char *name, void *node)
{
	if (*name && !km_map_has(map, name))
		km_map_put(map, name, node);
}

struct km_sec *km_elf_add_sec(km_elf *elf, const char *name, uint32_t type, uint64_t flags, uint64_t align)
{
	struct km_sec *sec = km_model_sec(elf, km_arena_strdup(elf->arena, name));

	sec->type = type;
	sec->flags = flags;
	sec->align = align;
	name_first(elf->sec_names, sec->name, sec);
	return sec;
}

void km_sec_append(km_elf *elf, struct km_sec *sec, const void *bytes, size_t n)
{
	uint64_t size;

	if (__builtin_add_overflow(sec->size, n, &size))
		km_oom();
	if (sec->type != SHT_NOBITS && n) {
		if (size > sec->cap) {
			/* The old bytes stay in the arena: doubling bounds that waste by the size. */
			size_t cap = size > 2 * sec->size ? size : 2 * sec->size;
			uint8_t *data = km_arena_alloc(elf->arena, cap);

			if (sec->size)
				memcpy(data, sec->data, sec->size);
			sec->data = data;
			sec->cap = cap;
		}
		memcpy(sec->data + sec->size, bytes, n);
	}
	sec->size = size;
}

void km_sec_set(km_elf *elf, struct km_sec *sec, const void *bytes, size_t n)
{
	sec->size = n;
	sec->data = sec->type == SHT_NOBITS ? NULL : km_arena_copy(elf->arena, bytes, n);
	sec->cap = sec->data ? n : 0;
}

struct km_sym *km_elf_add_sym(km_elf *elf, const char *name, uint8_t bind, uint8_t type, struct km_sec *sec,
			      uint64_t value, uint64_t size)
{
	struct km_sym *sym = km_model_sym(elf, km_arena_strdup(elf->arena, name));

	sym->bind = bind;
	sym->type = type;
	sym->shndx = sec ? SHN_XINDEX : SHN_UNDEF;
	sym->sec = sec;
	sym->value = value;
	sym->size = size;
	km_model_span(sym);
	if (type != STT_SECTION)
		name_first(elf->sym_names, sym->name, sym);
	else if (sec && !sec->secsym && value == 0)
		sec->secsym = sym;
	return sym;
}

struct km_sym *km_elf_secsym(km_elf *elf, struct km_sec *sec)
{
	return sec->secsym ? sec->secsym : km_elf_add_sym(elf, sec->name, STB_LOCAL, STT_SECTION, sec, 0, 0);
}

void km_sec_add_rel(struct km_sec *sec, uint64_t offset, uint32_t type, struct km_sym *sym, int64_t addend)
{
	struct km_rel rel = {offset, type, addend, sym};
	size_t at = sec->rels.n;

	km_vec_push(&sec->rels, rel);
	for (; at > 0 && sec->rels.at[at - 1].offset > offset; at--)
		sec->rels.at[at] = sec->rels.at[at - 1];
	sec->rels.at[at] = rel;
}

struct km_rela_extra *km_elf_add_rela(km_elf *elf, struct km_sec *target, const char *name, uint64_t flags)
{
	struct km_rela_extra *extra = km_arena_new(elf->arena, struct km_rela_extra);

	extra->name = km_arena_strdup(elf->arena, name);
	extra->flags = flags;
	extra->target = target;
	km_vec_push(&elf->extras, extra);
	return extra;
}

void km_elf_reindex(km_elf *elf)
{
	km_map_destroy(elf->sec_names);
	km_map_destroy(elf->sym_names);
	elf->sec_names = km_map_create();
	elf->sym_names = km_map_create();
	for (size_t i = 0; i < elf->secs.n; i++) {
		elf->secs.at[i]->spans.n = 0;
		name_first(elf->sec_names, elf->secs.at[i]->name, elf->secs.at[i]);
	}
	for (size_t i = 1; i < elf->syms.n; i++) {
		struct km_sym *sym = elf->syms.at[i];

		km_model_enter(sym);
		if (sym->type != STT_SECTION)
			name_first(elf->sym_names, sym->name, sym);
	}
	for (size_t i = 0; i < elf->secs.n; i++)
		km_model_sort_spans(elf->secs.at[i]);
}
