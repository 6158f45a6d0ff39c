/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * carry.c - builds the object that travels: the included parts, section by section, in their order.
 *
 * A part keeps its place modulo its section's alignment. What is not included becomes an undefined symbol of the same
 * name, and origin tells which symbol of the original object it stands for.
 */
#include "part.h"

/* ---- sections -------------------------------------------------------------------------------- */

/* Built-in code has per-CPU data of several kinds (..shared_aligned, ..read_mostly); the loader of modules takes one
 * section for per-CPU and all others for plain data. */
static const char *section_name(const struct km_sec *sec)
{
	return km_starts(sec->name, ".data..percpu") ? ".data..percpu" : sec->name;
}

struct km_sec *km_carry_sec(struct km_work *w, struct km_sec *sec)
{
	const char *name = section_name(sec);
	struct km_sec **out = &w->out_secs[sec->index];

	if (!*out && name != sec->name)
		*out = km_elf_sec(w->d->carry, name);
	if (!*out) {
		*out = km_elf_add_sec(w->d->carry, name, sec->type,
				      sec->flags & ~(uint64_t)(SHF_GROUP | SHF_LINK_ORDER), sec->align);
		(*out)->entsize = sec->entsize;
	}
	if ((*out)->align < sec->align)
		(*out)->align = sec->align;
	return *out;
}

/* Padding in code traps, as the compiler's own does between functions. */
static void pad(struct km_work *w, struct km_sec *out, uint64_t n)
{
	static const uint8_t zero[64], trap[64] = {[0 ... 63] = 0xcc};

	for (uint64_t step; n; n -= step) {
		step = n < sizeof(zero) ? n : sizeof(zero);
		km_sec_append(w->d->carry, out, out->flags & SHF_EXECINSTR ? trap : zero, step);
	}
}

enum { MAX_ALIGN = 1 << 16 }; /* more than any page of the architectures */

static void place(struct km_work *w, struct km_part *p, bool last)
{
	struct km_sec *out = km_carry_sec(w, p->sec);
	uint64_t align = p->sec->align > MAX_ALIGN ? MAX_ALIGN
			 : p->sec->align	   ? p->sec->align
						   : 1,
		 n = (last ? p->sec->size : p->end) - p->start;
	uint64_t gap = (p->start % align + align - out->size % align) % align;

	p->out_sec = out;
	p->out_start = out->size + gap;
	if (p->sec->type == SHT_NOBITS || !p->sec->data) {
		out->size += gap + n;
		return;
	}
	pad(w, out, gap);
	km_sec_append(w->d->carry, out, p->sec->data + p->start, n);
}

static void place_all(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.elf->secs.n; i++) {
		struct km_secinfo *info = &w->patched.secs[i];

		for (size_t k = 0; k < info->parts.n; k++)
			if (info->parts.at[k]->included)
				place(w, info->parts.at[k], k + 1 == info->parts.n);
	}
}

/* ---- symbols --------------------------------------------------------------------------------- */

static void define_all(struct km_work *w)
{
	const km_elf *elf = w->patched.elf;
	size_t label = 0;

	for (size_t i = 0; i < elf->syms.n; i++) {
		const struct km_sym *s = elf->syms.at[i];
		struct km_part *p = w->patched.by_sym[i];

		if (!p || !p->included)
			continue;
		w->inside[i] = km_elf_add_sym(w->d->carry, s->name, s->bind, s->type, p->out_sec,
					      p->out_start + (s->value - p->start), s->size);
		w->inside[i]->visibility = s->visibility;
		if (p->sym == s)
			p->out_sym = w->inside[i];
	}
	/* Strings and constants get labels: a PC-relative addend against a section symbol would name a wrong place in a
	 * merged section. */
	for (size_t i = 0; i < w->patched.parts.n; i++) {
		struct km_part *p = w->patched.parts.at[i];

		if (p->included && !p->sym)
			p->out_sym = km_elf_add_sym(w->d->carry, km_arena_printf(w->d->arena, ".LKM%zu", label++),
						    STB_LOCAL, STT_NOTYPE, p->out_sec, p->out_start, 0);
	}
}

static struct km_sym *existing(struct km_work *w, struct km_sym *sym)
{
	struct km_sym **out = &w->outside[sym->index];

	if (*out)
		return *out;
	*out = km_elf_add_sym(w->d->carry, sym->name, sym->sec || sym->bind == STB_LOCAL ? STB_GLOBAL : sym->bind,
			      STT_NOTYPE, NULL, 0, 0);
	if (sym->shndx == SHN_ABS) {
		(*out)->shndx = SHN_ABS;
		(*out)->value = sym->value;
		(*out)->bind = sym->bind;
	}
	return *out;
}

/* An alias stands for the alias of the same name, if the original has it. */
static struct km_sym *origin_of(struct km_work *w, const struct km_sym *sym)
{
	const struct km_part *p = w->patched.by_sym[sym->index];

	if (!p || !p->twin)
		return NULL;
	struct km_sym *same = km_elf_sym(w->orig.elf, sym->name);

	return same && w->orig.by_sym[same->index] == p->twin ? same : p->twin->sym;
}

static void fill_origins(struct km_work *w)
{
	km_diff *d = w->d;

	d->origin = km_arena_alloc(d->arena, d->carry->syms.n * sizeof(*d->origin));
	for (size_t i = 0; i < w->patched.elf->syms.n; i++) {
		struct km_sym *origin = origin_of(w, w->patched.elf->syms.at[i]);

		/* A renewed datum and one that is never the same are new, whatever they are called. */
		if (w->inside[i] && !w->patched.by_sym[i]->renewed)
			d->origin[w->inside[i]->index] = origin;
		if (w->outside[i])
			d->origin[w->outside[i]->index] = origin;
	}
}

/* ---- relocations ----------------------------------------------------------------------------- */

static bool is_plain(const struct km_work *w, const struct km_sym *sym)
{
	return sym->type != STT_SECTION && w->patched.by_sym[sym->index];
}

km_error *km_carry_rel(struct km_work *w, struct km_sec *out, uint64_t offset, const struct km_part *from,
		       const struct km_sec *sec, const struct km_rel *rel)
{
	struct km_ref ref = {rel, km_target_of(&w->patched, sec, rel)};
	struct km_part *t = ref.to.part;
	struct km_sym *sym = rel->sym;
	int64_t addend = (int64_t)((uint64_t)ref.to.offset - km_pc_bias(&w->patched, sec, rel));

	if (!t && sym->index == 0) {
		km_sec_add_rel(out, offset, rel->type, w->d->carry->syms.at[0], rel->addend);
		return NULL;
	}
	if (!t && sym->sec)
		return km_error_new(KM_BUG, "%s+0x%llx refers to section %s, where nothing can be named", sec->name,
				    (unsigned long long)rel->offset, sym->sec->name);
	if (!t || is_plain(w, sym))
		addend = rel->addend;
	else if (t->sym)
		sym = t->sym;
	if (t && t->included && !(from && km_ref_to_existing(from, &ref))) {
		km_sec_add_rel(out, offset, rel->type, t->sym ? w->inside[sym->index] : t->out_sym, addend);
		return NULL;
	}
	if (t && !t->sym)
		return km_error_new(KM_BUG, "%s+0x%llx refers to %s+0x%llx, which has no symbol and does not travel",
				    sec->name, (unsigned long long)rel->offset, t->sec->name,
				    (unsigned long long)t->start);
	km_sec_add_rel(out, offset, rel->type, existing(w, sym), addend);
	return NULL;
}

static km_error *relocate_all(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.elf->secs.n; i++) {
		struct km_secinfo *info = &w->patched.secs[i];

		for (size_t k = 0; k < info->parts.n; k++) {
			struct km_part *p = info->parts.at[k];

			for (size_t r = 0; p->included && r < p->n_refs; r++)
				KM_TRY(km_carry_rel(w, p->out_sec, p->out_start + (p->refs[r].rel->offset - p->start),
						    p, p->sec, p->refs[r].rel));
		}
	}
	return NULL;
}

/* The compiler links a table to the first function of the unit only; that one may stay behind, and the linker takes no table without
 * a link beside one that has it. Any section that the table speaks of will do. */
static struct km_sec *linked_sec(const struct km_work *w, const struct km_sec *sec, const struct km_sec *out)
{
	struct km_sec *link = sec->link ? w->out_secs[sec->link->index] : NULL;

	return link ? link : out->rels.n ? out->rels.at[0].sym->sec : NULL;
}

static void link_sections(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.elf->secs.n; i++) {
		const struct km_sec *sec = w->patched.elf->secs.at[i];
		struct km_sec *out = w->out_secs[i];

		if (!out || !(sec->flags & SHF_LINK_ORDER))
			continue;
		out->link = linked_sec(w, sec, out);
		if (out->link)
			out->flags |= SHF_LINK_ORDER;
	}
}

km_error *km_carry(struct km_work *w)
{
	w->d->carry = km_elf_create(w->patched.elf->machine);
	w->out_secs = km_calloc(w->patched.elf->secs.n + 1, sizeof(*w->out_secs));
	w->inside = km_calloc(w->patched.elf->syms.n + 1, sizeof(*w->inside));
	w->outside = km_calloc(w->patched.elf->syms.n + 1, sizeof(*w->outside));
	place_all(w);
	define_all(w);
	KM_TRY(relocate_all(w));
	KM_TRY(km_carry_specials(w));
	link_sections(w);
	fill_origins(w);
	return NULL;
}
