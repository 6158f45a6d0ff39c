/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * part.c - references between parts, and what kind of part each is.
 */
#include "part.h"

/* ---- references ------------------------------------------------------------------------------ */

const struct km_rel *km_rels_in(const struct km_sec *sec, uint64_t start, uint64_t end, size_t *n)
{
	size_t low = 0, high = sec->rels.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (sec->rels.at[mid].offset < start)
			low = mid + 1;
		else
			high = mid;
	}
	size_t last = low;

	while (last < sec->rels.n && sec->rels.at[last].offset < end)
		last++;
	*n = last - low;
	return *n ? &sec->rels.at[low] : NULL;
}

bool km_rel_is_branch(const struct km_sec *sec, const struct km_rel *rel)
{
	const uint8_t *code = sec->data;
	uint64_t at = rel->offset;

	/* Before an absolute field may stand a displacement that looks like an opcode: movq $f,-0x18(%rdi). */
	if (!(sec->flags & SHF_EXECINSTR) || !code || at < 1 ||
	    (rel->type != R_X86_64_PC32 && rel->type != R_X86_64_PLT32))
		return false;
	return code[at - 1] == 0xe8 || code[at - 1] == 0xe9 ||
	       (at >= 2 && code[at - 2] == 0x0f && (code[at - 1] & 0xf0) == 0x80);
}

unsigned km_pc_bias(const struct km_side *side, const struct km_sec *sec, const struct km_rel *rel)
{
	const struct km_rel_type *type = km_rel_type(side->elf->machine, rel->type);

	if (!type || !type->pcrel || !(sec->flags & SHF_EXECINSTR))
		return 0;
	if (km_rel_is_branch(sec, rel))
		return type->size;
	return km_operand_tail(sec->data, sec->size, rel->offset, type->size);
}

struct km_part *km_part_at(const struct km_side *side, const struct km_sec *sec, int64_t pos)
{
	const struct km_secinfo *info = km_info_of(side, sec);
	size_t low = 0, high = info->parts.n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if ((int64_t)info->parts.at[mid]->start <= pos)
			low = mid + 1;
		else
			high = mid;
	}
	if (!info->parts.n)
		return NULL;
	return info->parts.at[low ? low - 1 : 0];
}

static int64_t part_origin(const struct km_part *p)
{
	return p->sym ? p->sym->value : p->start;
}

struct km_target km_target_of(const struct km_side *side, const struct km_sec *sec, const struct km_rel *rel)
{
	struct km_target t = {.sym = rel->sym, .offset = (int64_t)((uint64_t)rel->addend + km_pc_bias(side, sec, rel))};

	if (!rel->sym->sec)
		return t;
	int64_t pos = (int64_t)(rel->sym->value + (uint64_t)t.offset);

	t.part = side->by_sym[rel->sym->index];
	if (!t.part)
		t.part = km_part_at(side, rel->sym->sec, pos);
	if (t.part)
		t.offset = (int64_t)((uint64_t)pos - (uint64_t)part_origin(t.part));
	return t;
}

bool km_ref_is_direct(const struct km_part *from, const struct km_ref *ref)
{
	return km_rel_is_branch(from->sec, ref->rel) && ref->to.offset == 0;
}

bool km_callers_stand_in(const struct km_part *p)
{
	if (p->sym->bind != STB_LOCAL || !p->users.n)
		return false;
	for (size_t i = 0; i < p->users.n; i++) {
		const struct km_part *user = p->users.at[i].part;

		if (!p->users.at[i].direct || user->kind != KM_PART_FUNC || user->init)
			return false;
	}
	return true;
}

const char *km_part_name(const struct km_part *part)
{
	return part->sym ? part->sym->name : "";
}

static void add_user(struct km_part *to, struct km_part *from, bool direct)
{
	if (to->users.n && to->users.at[to->users.n - 1].part == from) {
		to->users.at[to->users.n - 1].direct &= direct;
		return;
	}
	km_vec_push(&to->users, (struct km_user){from, direct});
}

static bool same_family(const struct km_part *a, const struct km_part *b)
{
	return a == b || a->parent == b || b->parent == a;
}

static void resolve_refs(struct km_side *side, struct km_part *p)
{
	const struct km_rel *rels = km_rels_in(p->sec, p->start, p->end, &p->n_refs);

	p->refs = p->n_refs ? km_arena_alloc(side->arena, p->n_refs * sizeof(*p->refs)) : NULL;
	for (size_t i = 0; i < p->n_refs; i++) {
		p->refs[i] = (struct km_ref){&rels[i], km_target_of(side, p->sec, &rels[i])};
		if (p->refs[i].to.part && !same_family(p->refs[i].to.part, p))
			add_user(p->refs[i].to.part, p, km_ref_is_direct(p, &p->refs[i]));
	}
}

static void entry_users(struct km_side *side)
{
	for (size_t i = 0; i < side->entries.n; i++) {
		struct km_entry *e = side->entries.at[i];

		for (size_t r = 0; r < e->n_rels; r++) {
			struct km_part *to = km_target_of(side, e->sec, &e->rels[r]).part;

			if (e->owner && to && !same_family(to, e->owner))
				add_user(to, e->owner, false);
		}
	}
}

/* ---- what parts are -------------------------------------------------------------------------- */

static bool has_fentry(const struct km_side *side, const struct km_part *p)
{
	uint64_t code = p->sym ? p->sym->value : p->start;

	for (size_t i = 0; i < p->n_refs && p->refs[i].rel->offset < code + 9; i++)
		if (!p->refs[i].to.part && !strcmp(p->refs[i].to.sym->name, "__fentry__"))
			return true;
	for (size_t i = 0; i < p->entries.n; i++) {
		const struct km_entry *e = p->entries.at[i];

		/* On x86 the latter are mere padding. */
		if (strcmp(e->kind->name, "__mcount_loc") &&
		    (side->elf->machine == EM_X86_64 || strcmp(e->kind->name, "__patchable_function_entries")))
			continue;
		/* ENDBR64 may stand before it, padding before the symbol. */
		if (e->n_rels && km_target_of(side, e->sec, &e->rels[0]).offset <= 4)
			return true;
	}
	return false;
}

static bool is_label_table(const struct km_part *p)
{
	if (p->kind != KM_PART_DATA || p->writable || !p->n_refs || p->sym->bind != STB_LOCAL)
		return false;
	for (size_t i = 0; i < p->n_refs; i++) {
		const struct km_part *to = p->refs[i].to.part;

		if (!to || to->kind != KM_PART_FUNC || to != p->refs[0].to.part || p->refs[i].to.offset == 0)
			return false;
	}
	return true;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ at[i]) * 0x100000001b3;
	return h;
}

static uint64_t hash_ref(uint64_t h, const struct km_part *from, const struct km_ref *ref)
{
	uint64_t facts[3] = {ref->rel->offset - from->start, ref->rel->type, (uint64_t)ref->to.offset};
	const struct km_part *to = ref->to.part;
	const char *name = to ? to->key : ref->to.sym->name;

	if (to && (to->kind == KM_PART_STRING || to->kind == KM_PART_CONST) && to->sec->data)
		return mix(mix(h, facts, 2 * sizeof(*facts)), to->sec->data + to->start, to->end - to->start);
	return mix(mix(h, facts, sizeof(facts)), name, strlen(name));
}

static uint64_t hash_part(const struct km_side *side, const struct km_part *p)
{
	uint64_t h = 0xcbf29ce484222325, at = p->start;

	for (size_t i = 0; i < p->n_refs; i++) {
		const struct km_rel *rel = p->refs[i].rel;
		const struct km_rel_type *type = km_rel_type(side->elf->machine, rel->type);

		if (p->sec->data && rel->offset > at)
			h = mix(h, p->sec->data + at, rel->offset - at);
		at = rel->offset + (type ? type->size : 0);
		h = hash_ref(h, p, &p->refs[i]);
	}
	if (p->sec->data && p->end > at)
		h = mix(h, p->sec->data + at, p->end - at);
	return h;
}

/* foo.cold belongs to foo, and foo.part.0.cold to foo.part.0. */
static void find_fragments(struct km_side *side)
{
	km_map *by_name = km_map_create();

	for (size_t i = 0; i < side->parts.n; i++)
		if (side->parts.at[i]->kind == KM_PART_FUNC)
			km_map_put(by_name, side->parts.at[i]->sym->name, side->parts.at[i]);
	for (size_t i = 0; i < side->parts.n; i++) {
		struct km_part *p = side->parts.at[i];
		const char *cold = p->kind == KM_PART_FUNC ? strstr(p->sym->name, ".cold") : NULL;

		if (!cold || cold == p->sym->name)
			continue;
		char *name KM_AUTOFREE = km_strndup(p->sym->name, cold - p->sym->name);

		p->parent = km_map_get(by_name, name);
		if (p->parent)
			p->parent->cold = p;
	}
	km_map_destroy(by_name);
}

static int by_order(const void *pa, const void *pb)
{
	const struct km_part *a = *(struct km_part *const *)pa, *b = *(struct km_part *const *)pb;

	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->sec != b->sec)
		return a->sec->index < b->sec->index ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

km_error *km_side_init(struct km_side *side, const km_elf *elf, const char *path)
{
	*side = (struct km_side){.elf = elf, .path = path, .arena = km_arena_create()};
	side->secs = km_calloc(elf->secs.n + 1, sizeof(*side->secs));
	side->by_sym = km_calloc(elf->syms.n + 1, sizeof(*side->by_sym));
	km_cut(side);
	find_fragments(side);
	for (size_t i = 0; i < side->parts.n; i++)
		resolve_refs(side, side->parts.at[i]);
	for (size_t i = 0; i < elf->secs.n; i++)
		if (side->secs[i].class == KM_CLASS_TABLE)
			KM_TRY(km_special_entries(side, elf->secs.at[i]));
	entry_users(side);
	for (size_t i = 0; i < side->parts.n; i++) {
		struct km_part *p = side->parts.at[i];

		p->fentry = p->kind == KM_PART_FUNC && has_fentry(side, p);
		p->tracing = p->kind == KM_PART_FUNC && !p->fentry && km_name_is_tracing(p->sym->name);
		p->labels = is_label_table(p);
		p->by_content |= p->labels;
		p->hash = hash_part(side, p);
	}
	if (side->parts.n)
		qsort(side->parts.at, side->parts.n, sizeof(*side->parts.at), by_order);
	return NULL;
}

void km_side_free(struct km_side *side)
{
	for (size_t i = 0; i < side->parts.n; i++) {
		km_vec_free(&side->parts.at[i]->users);
		km_vec_free(&side->parts.at[i]->entries);
	}
	for (size_t i = 0; side->elf && i < side->elf->secs.n; i++)
		km_vec_free(&side->secs[i].parts);
	free(side->secs);
	free(side->by_sym);
	km_vec_free(&side->parts);
	km_vec_free(&side->entries);
	km_dwarf_free(side->dwarf);
	km_arena_destroy(side->arena);
	*side = (struct km_side){0};
}
