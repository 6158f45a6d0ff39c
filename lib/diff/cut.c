/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cut.c - cuts an object's sections into parts.
 */
#include "part.h"

static const char *const data_prefixes[] = {
	".data",     ".rodata", ".bss",	  ".init.", ".exit.", ".ref.", ".meminit.",
	".memexit.", ".vvar",	".ldata", ".tdata", ".tbss",  ".cpu",
};

static enum km_class class_of(const struct km_sec *sec, const struct km_special *special)
{
	if (!km_sec_is_alloc(sec))
		return KM_CLASS_IGNORED;
	if (special && special->kind == KM_SPECIAL_CHUNKS && special->entry)
		return KM_CLASS_DATA; /* with symbols */
	if (special)
		return special->kind == KM_SPECIAL_DROPPED || special->kind == KM_SPECIAL_REBUILT ? KM_CLASS_DROPPED
		       : !sec->data && sec->size						  ? KM_CLASS_UNKNOWN
		       : special->kind == KM_SPECIAL_TABLE					  ? KM_CLASS_TABLE
												  : KM_CLASS_CHUNKS;
	if (sec->flags & SHF_EXECINSTR)
		return KM_CLASS_CODE;
	if (km_sec_is_strings(sec) && sec->entsize && sec->entsize <= 4 && sec->data)
		return KM_CLASS_STRINGS;
	if (sec->flags & SHF_MERGE && sec->entsize && sec->size % sec->entsize == 0 && sec->data)
		return KM_CLASS_CONSTS;
	for (size_t i = 0; i < KM_COUNT(data_prefixes); i++)
		if (km_starts(sec->name, data_prefixes[i]))
			return KM_CLASS_DATA;
	return KM_CLASS_UNKNOWN;
}

static bool section_is_init(const char *name)
{
	return km_starts(name, ".init.") || km_starts(name, ".exit.") || km_starts(name, ".meminit.") ||
	       km_starts(name, ".memexit.");
}

static struct km_part *part_new(struct km_side *side, enum km_part_kind kind, struct km_sec *sec, uint64_t start,
				uint64_t end)
{
	struct km_part *p = km_arena_new(side->arena, struct km_part);

	*p = (struct km_part){.kind = kind, .sec = sec, .start = start, .end = end, .key = "", .order = SIZE_MAX};
	p->init = section_is_init(sec->name);
	p->writable = sec->flags & SHF_WRITE;
	p->percpu = km_starts(sec->name, ".data..percpu");
	p->by_content = true;
	km_vec_push(&km_info_of(side, sec)->parts, p);
	km_vec_push(&side->parts, p);
	return p;
}

/* ---- parts from symbols ---------------------------------------------------------------------- */

static bool names_a_part(const struct km_side *side, const struct km_sym *sym)
{
	if (!sym->sec || sym->type == STT_SECTION || sym->type == STT_FILE || km_starts(sym->name, ".L") ||
	    !*sym->name || sym->value > sym->sec->size)
		return false;
	enum km_class c = km_info_of(side, sym->sec)->class;

	return c == KM_CLASS_CODE || c == KM_CLASS_DATA || c == KM_CLASS_DROPPED || c == KM_CLASS_UNKNOWN;
}

static int sym_rank(const struct km_sym *s)
{
	return (s->type == STT_FUNC || s->type == STT_OBJECT ? 2 : 0) + (s->bind != STB_LOCAL);
}

static int by_place(const void *pa, const void *pb)
{
	const struct km_sym *a = *(struct km_sym *const *)pa, *b = *(struct km_sym *const *)pb;

	if (a->sec != b->sec)
		return a->sec->index < b->sec->index ? -1 : 1;
	if (a->value != b->value)
		return a->value < b->value ? -1 : 1;
	if (a->size != b->size)
		return a->size > b->size ? -1 : 1;
	if (sym_rank(a) != sym_rank(b))
		return sym_rank(a) > sym_rank(b) ? -1 : 1;
	return a->index < b->index ? -1 : a->index > b->index;
}

static bool is_prefix_of(const struct km_part *p, const struct km_sym *sym)
{
	return p->end == sym->value && km_starts(p->sym->name, "__pfx_") && !strcmp(p->sym->name + 6, sym->name);
}

static void name_part(struct km_side *side, struct km_part *p, struct km_sym *sym)
{
	p->sym = sym;
	p->order = sym->index;
	p->key = km_name_key(side->arena, sym->name);
	p->never_same = km_name_never_same(sym->name, p->sec->name);
	p->by_content = p->never_same;
}

static void parts_from_symbols(struct km_side *side)
{
	const km_elf *elf = side->elf;
	km_vec(struct km_sym *) syms = {0};
	struct km_part *cur = NULL;

	for (size_t i = 0; i < elf->syms.n; i++)
		if (names_a_part(side, elf->syms.at[i]))
			km_vec_push(&syms, elf->syms.at[i]);
	if (syms.n)
		qsort(syms.at, syms.n, sizeof(*syms.at), by_place);
	for (size_t i = 0; i < syms.n; i++) {
		struct km_sym *s = syms.at[i];
		bool same_sec = cur && cur->sec == s->sec;
		bool prefix = same_sec && is_prefix_of(cur, s);

		if (!prefix && (!same_sec || (s->value >= cur->end && s->value != cur->start)))
			cur = part_new(side, s->type == STT_FUNC ? KM_PART_FUNC : KM_PART_DATA, s->sec, s->value,
				       s->value);
		if (!cur->sym || prefix) {
			name_part(side, cur, s);
			cur->kind = s->type == STT_FUNC ? KM_PART_FUNC : KM_PART_DATA;
		}
		uint64_t end = s->size > s->sec->size - s->value ? s->sec->size : s->value + s->size;

		if (s->value <= s->sec->size && end > cur->end)
			cur->end = end;
		side->by_sym[s->index] = cur;
	}
	km_vec_free(&syms);
}

/* Labels of assembly have no size: they reach up to the next one. */
static void extend_unsized(struct km_secinfo *info)
{
	for (size_t i = 0; i < info->parts.n; i++) {
		struct km_part *p = info->parts.at[i];

		if (p->end == p->start && p->sym && p->sym->type == STT_NOTYPE)
			p->end = i + 1 < info->parts.n ? info->parts.at[i + 1]->start : p->sec->size;
	}
}

/* ---- parts without symbols ------------------------------------------------------------------- */

static bool zero_unit(const uint8_t *at, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		if (at[i])
			return false;
	return true;
}

static void parts_of_strings(struct km_side *side, struct km_sec *sec)
{
	uint64_t unit = sec->entsize, start = 0;

	for (uint64_t at = 0; at + unit <= sec->size; at += unit) {
		if (!zero_unit(sec->data + at, unit))
			continue;
		part_new(side, KM_PART_STRING, sec, start, at + unit);
		start = at + unit;
	}
	if (start < sec->size)
		part_new(side, KM_PART_STRING, sec, start, sec->size);
}

static void parts_of_consts(struct km_side *side, struct km_sec *sec)
{
	for (uint64_t at = 0; at < sec->size; at += sec->entsize)
		part_new(side, KM_PART_CONST, sec, at, at + sec->entsize);
}

static int by_start(const void *pa, const void *pb)
{
	const struct km_part *a = *(struct km_part *const *)pa, *b = *(struct km_part *const *)pb;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* Constants that the compiler pools without a name: cut where they are referred to, as chunks are. */
static bool is_anonymous(const struct km_side *side, const struct km_sec *sec)
{
	const struct km_secinfo *info = km_info_of(side, sec);

	if (info->class == KM_CLASS_CHUNKS)
		return true;
	return info->class == KM_CLASS_DATA && !(sec->flags & SHF_WRITE) && sec->data &&
	       (!info->parts.n || info->parts.at[0]->kind == KM_PART_ANON);
}

/* What no symbol covers and is too large for padding. A reference just past an array must still mean the array, so
   padding belongs to what stands before it. */
static void parts_of_gaps(struct km_side *side, struct km_sec *sec)
{
	struct km_secinfo *info = km_info_of(side, sec);
	size_t named = info->parts.n;
	uint64_t at = 0, padding = sec->align ? sec->align : 1;

	if (!named ? is_anonymous(side, sec) : sec->flags & (SHF_EXECINSTR | SHF_WRITE))
		return;
	for (size_t i = 0; i <= named; i++) {
		uint64_t next = i < named ? info->parts.at[i]->start : sec->size;

		if (next > at && (!named || next - at >= padding))
			part_new(side, KM_PART_ANON, sec, at, next);
		if (i < named)
			at = info->parts.at[i]->end;
	}
	if (info->parts.n > 1)
		qsort(info->parts.at, info->parts.n, sizeof(*info->parts.at), by_start);
}

/* Marks the places in anonymous sections that anybody refers to; one map of bytes a section, or NULL. */
static uint8_t **mark_cuts(const struct km_side *side)
{
	uint8_t **cuts = km_calloc(side->elf->secs.n + 1, sizeof(*cuts));

	for (size_t i = 0; i < side->elf->secs.n; i++) {
		struct km_sec *sec = side->elf->secs.at[i];

		for (size_t r = 0; km_sec_is_alloc(sec) && r < sec->rels.n; r++) {
			const struct km_rel *rel = &sec->rels.at[r];
			const struct km_sec *to = rel->sym->sec;

			if (!to || !to->size || !is_anonymous(side, to))
				continue;
			uint64_t at = rel->sym->value + (uint64_t)rel->addend + km_pc_bias(side, sec, rel);

			if (!cuts[to->index])
				cuts[to->index] = km_calloc(to->size, 1);
			if (at < to->size)
				cuts[to->index][at] = 1;
		}
	}
	return cuts;
}

static void cut_anonymous(struct km_side *side)
{
	uint8_t **cuts = mark_cuts(side);

	for (size_t i = 0; i < side->elf->secs.n; i++) {
		struct km_sec *sec = side->elf->secs.at[i];
		enum km_part_kind kind = side->secs[i].class == KM_CLASS_CHUNKS ? KM_PART_CHUNK : KM_PART_ANON;

		if (!sec->size || !is_anonymous(side, sec))
			continue;
		for (uint64_t start = 0, at = 1; at <= sec->size; at++)
			if (at == sec->size || (cuts[i] && cuts[i][at])) {
				part_new(side, kind, sec, start, at);
				start = at;
			}
	}
	for (size_t i = 0; i < side->elf->secs.n; i++)
		free(cuts[i]);
	free(cuts);
}

void km_cut(struct km_side *side)
{
	for (size_t i = 0; i < side->elf->secs.n; i++) {
		side->secs[i].special = km_special_find(side->elf->secs.at[i]->name);
		side->secs[i].class = class_of(side->elf->secs.at[i], side->secs[i].special);
	}
	parts_from_symbols(side);
	for (size_t i = 0; i < side->elf->secs.n; i++) {
		struct km_sec *sec = side->elf->secs.at[i];
		enum km_class c = side->secs[i].class;

		extend_unsized(&side->secs[i]);
		if (c == KM_CLASS_STRINGS)
			parts_of_strings(side, sec);
		else if (c == KM_CLASS_CONSTS)
			parts_of_consts(side, sec);
		else if (c == KM_CLASS_DATA || c == KM_CLASS_UNKNOWN || c == KM_CLASS_CODE)
			parts_of_gaps(side, sec);
	}
	cut_anonymous(side);
}
