/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compare.c - are two parts the same, and if not, what is the difference in the author's terms.
 */
#include "part.h"

/* ---- targets --------------------------------------------------------------------------------- */

static bool strings_equal(const struct km_target *o, const struct km_target *p)
{
	uint64_t on = o->part->end - o->part->start, pn = p->part->end - p->part->start;

	/* Past the end: an address beyond the text; only equal distances mean the same. */
	if (o->offset < 0 || p->offset < 0 || (uint64_t)o->offset > on || (uint64_t)p->offset > pn)
		return o->offset == p->offset && on == pn &&
		       !memcmp(o->part->sec->data + o->part->start, p->part->sec->data + p->part->start, on);
	on -= o->offset;
	pn -= p->offset;
	return on == pn && !memcmp(o->part->sec->data + o->part->start + o->offset,
				   p->part->sec->data + p->part->start + p->offset, on);
}

struct delta {
	enum km_why why;
	const char *detail;
};

enum { MAX_DEPTH = 64 }; /* of content that refers to content; deeper counts as different */

static bool parts_equal(const struct km_side *os, struct km_part *o, const struct km_side *ps, struct km_part *p,
			km_arena *arena, struct delta *delta, unsigned depth);

static bool content_equal(const struct km_side *os, struct km_part *o, const struct km_side *ps, struct km_part *p,
			  unsigned depth)
{
	bool same;

	if (o->busy || o->equal_to == p)
		return true;
	if (depth > MAX_DEPTH)
		return false;
	o->busy = true;
	same = parts_equal(os, o, ps, p, NULL, NULL, depth + 1);
	o->busy = false;
	if (same)
		o->equal_to = p;
	return same;
}

static bool targets_equal(const struct km_side *os, const struct km_target *o, const struct km_side *ps,
			  const struct km_target *p, unsigned depth)
{
	if (!o->part || !p->part)
		return !o->part && !p->part && !strcmp(o->sym->name, p->sym->name) && o->offset == p->offset;
	if (o->part->kind != p->part->kind)
		return false;
	if (o->part->kind == KM_PART_STRING)
		return strings_equal(o, p);
	if (o->offset != p->offset)
		return false;
	if (o->part->by_content != p->part->by_content)
		return false;
	if (o->part->by_content)
		return !strcmp(o->part->key, p->part->key) && content_equal(os, o->part, ps, p->part, depth);
	return o->part->twin == p->part;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Bytes outside of relocations' fields, and the fields' places and types. */
static bool shape_equal(const struct km_side *os, const struct km_sec *osec, uint64_t oat, const struct km_rel *orels,
			size_t on, const struct km_sec *psec, uint64_t pat, const struct km_rel *prels, size_t pn,
			uint64_t size)
{
	uint64_t at = 0;

	if (on != pn || !osec->data != !psec->data)
		return false;
	if (!osec->data)
		return true;
	for (size_t i = 0; i < on; i++) {
		const struct km_rel_type *type = km_rel_type(os->elf->machine, orels[i].type);
		uint64_t field = orels[i].offset - oat;

		if (field != prels[i].offset - pat || orels[i].type != prels[i].type)
			return false;
		if (field > at && memcmp(osec->data + oat + at, psec->data + pat + at, field - at))
			return false;
		if (field + (type ? type->size : 0) > at)
			at = field + (type ? type->size : 0);
	}
	return at >= size || !memcmp(osec->data + oat + at, psec->data + pat + at, size - at);
}

static bool zero_tail(const struct km_part *p, uint64_t from)
{
	enum { PADDING = 64 };

	if (p->end - p->start - from >= PADDING || !p->sec->data)
		return false;
	for (uint64_t at = p->start + from; at < p->end; at++)
		if (p->sec->data[at])
			return false;
	return true;
}

/* A stretch without a symbol reaches up to the next one: what stands behind it decides about its padding. */
static bool anon_shape_equal(const struct km_side *os, const struct km_part *o, const struct km_part *p)
{
	const struct km_rel *orels = o->n_refs ? o->refs[0].rel : NULL, *prels = p->n_refs ? p->refs[0].rel : NULL;
	uint64_t on = o->end - o->start, pn = p->end - p->start, n = on < pn ? on : pn;

	if (!shape_equal(os, o->sec, o->start, orels, o->n_refs, p->sec, p->start, prels, p->n_refs, n))
		return false;
	return zero_tail(on > pn ? o : p, n);
}

static bool part_shape_equal(const struct km_side *os, const struct km_part *o, const struct km_part *p)
{
	if (o->kind == KM_PART_ANON && p->kind == KM_PART_ANON && o->end - o->start != p->end - p->start)
		return anon_shape_equal(os, o, p);
	const struct km_rel *orels = o->n_refs ? o->refs[0].rel : NULL, *prels = p->n_refs ? p->refs[0].rel : NULL;

	return o->end - o->start == p->end - p->start && shape_equal(os, o->sec, o->start, orels, o->n_refs, p->sec,
								     p->start, prels, p->n_refs, o->end - o->start);
}

/* ---- words ----------------------------------------------------------------------------------- */

static char *quote(km_arena *arena, const struct km_target *t)
{
	km_str s = {0};
	const struct km_part *p = t->part;

	uint64_t first = p->start + (t->offset > 0 ? t->offset : 0);

	/* printk's level, "\0016", is no text. */
	if (first + 2 < p->end && p->sec->data[first] == 1)
		first += 2;
	km_str_add(&s, "\"");
	for (uint64_t i = first; i + 1 < p->end && s.n < 60; i++) {
		uint8_t c = p->sec->data[i];

		if (c == '\n')
			km_str_add(&s, "\\n");
		else if (c >= 0x20 && c < 0x7f)
			km_str_addn(&s, &c, 1);
		else if (c)
			km_str_printf(&s, "\\x%02x", c);
	}
	km_str_add(&s, s.n >= 60 ? "…\"" : "\"");
	char *text = km_arena_strdup(arena, s.at);

	km_str_free(&s);
	return text;
}

static const char *target_name(km_arena *arena, const struct km_target *t)
{
	if (!t->part)
		return t->sym->name;
	switch (t->part->kind) {
	case KM_PART_STRING: return quote(arena, t);
	case KM_PART_CONST: return "a constant";
	case KM_PART_CHUNK: return "out-of-line code";
	case KM_PART_ANON: return km_arena_printf(arena, "unnamed data in %s", t->part->sec->name);
	default: return t->part->sym->name;
	}
}

static bool is_call(const struct km_part *from, const struct km_ref *ref)
{
	return from->kind == KM_PART_FUNC && km_rel_is_branch(from->sec, ref->rel);
}

static void describe_target(km_arena *arena, const struct km_part *o, const struct km_ref *oref,
			    const struct km_part *p, const struct km_ref *pref, struct delta *delta)
{
	const struct km_part *a = oref->to.part, *b = pref->to.part;
	const char *was = target_name(arena, &oref->to), *is = target_name(arena, &pref->to);

	delta->why = KM_WHY_REFERENCE;
	if (a && b && a->kind == KM_PART_STRING && b->kind == KM_PART_STRING) {
		delta->why = KM_WHY_STRING;
		delta->detail = km_arena_printf(arena, "string %s became %s", was, is);
	} else if (a && b && a->kind == KM_PART_CONST && b->kind == KM_PART_CONST) {
		delta->why = KM_WHY_STRING;
		delta->detail = "a constant got another value";
	} else if (!strcmp(was, is) && a && b && a->by_content && b->by_content) {
		delta->why = KM_WHY_DATA;
		delta->detail = km_arena_printf(arena, "the content of %s changed", is);
	} else if (!strcmp(was, is) && oref->to.offset != pref->to.offset) {
		delta->detail = km_arena_printf(arena, "refers to another place in %s (%+lld instead of %+lld)", is,
						(long long)pref->to.offset, (long long)oref->to.offset);
	} else if (!strcmp(was, is)) {
		delta->detail = km_arena_printf(arena, "%s is another one than before", is);
	} else {
		delta->detail = km_arena_printf(arena, "%s %s instead of %s",
						is_call(p, pref) && is_call(o, oref) ? "calls" : "refers to", is, was);
	}
}

/* Names that only one side refers to, at most three. */
static size_t only_in(km_arena *arena, const struct km_part *a, const struct km_part *b, km_str *text)
{
	km_map *seen = km_map_create();
	size_t n = 0;

	for (size_t i = 0; i < b->n_refs; i++) {
		const struct km_target *t = &b->refs[i].to;

		km_map_put(seen, t->part && t->part->sym ? t->part->key : target_name(arena, t), NULL);
	}
	for (size_t i = 0; i < a->n_refs; i++) {
		const struct km_target *t = &a->refs[i].to;
		const char *name = target_name(arena, t), *key = t->part && t->part->sym ? t->part->key : name;

		if (km_map_has(seen, key) || (t->part && !t->part->sym && t->part->kind != KM_PART_STRING))
			continue;
		km_map_put(seen, key, NULL);
		if (n++ < 3)
			km_str_printf(text, "%s%s", n > 1 ? ", " : "", name);
	}
	if (n > 3)
		km_str_printf(text, " and %zu more", n - 3);
	km_map_destroy(seen);
	return n;
}

static void describe_code(km_arena *arena, const struct km_part *o, const struct km_part *p, struct delta *delta)
{
	km_str more = {0}, less = {0};
	size_t added = only_in(arena, p, o, &more), gone = only_in(arena, o, p, &less);
	unsigned long long was = o->end - o->start, is = p->end - p->start;

	delta->why = p->kind == KM_PART_FUNC ? KM_WHY_CODE : KM_WHY_DATA;
	if (added && gone)
		delta->detail = km_arena_printf(arena, "now refers to %s, no longer to %s", more.at, less.at);
	else if (added)
		delta->detail = km_arena_printf(arena, "now refers to %s", more.at);
	else if (gone)
		delta->detail = km_arena_printf(arena, "no longer refers to %s", less.at);
	else if (was != is)
		delta->detail = km_arena_printf(arena, "%llu bytes became %llu", was, is);
	else
		delta->detail = NULL;
	km_str_free(&more);
	km_str_free(&less);
}

/* ---- special entries ------------------------------------------------------------------------- */

static const struct km_entry *next_compared(const struct km_part *p, size_t *i)
{
	while (*i < p->entries.n) {
		const struct km_entry *e = p->entries.at[(*i)++];

		if (!km_special_by_position(e->kind))
			return e;
	}
	return NULL;
}

/* The last byte of struct alt_instr is the replacement's length; without a replacement the reference means nothing. */
static bool target_matters(const struct km_entry *e, const struct km_rel *rel)
{
	return strcmp(e->kind->name, ".altinstructions") || rel->offset == e->offset ||
	       e->sec->data[e->offset + e->size - 1];
}

static bool entries_equal(const struct km_side *os, const struct km_entry *o, const struct km_side *ps,
			  const struct km_entry *p, unsigned depth)
{
	if (o->kind != p->kind || o->size != p->size ||
	    !shape_equal(os, o->sec, o->offset, o->rels, o->n_rels, p->sec, p->offset, p->rels, p->n_rels, o->size))
		return false;
	for (size_t i = 0; i < o->n_rels; i++) {
		struct km_target ot = km_target_of(os, o->sec, &o->rels[i]), pt = km_target_of(ps, p->sec, &p->rels[i]);

		if (target_matters(o, &o->rels[i]) && !targets_equal(os, &ot, ps, &pt, depth))
			return false;
	}
	return true;
}

static bool specials_equal(const struct km_side *os, const struct km_part *o, const struct km_side *ps,
			   const struct km_part *p, km_arena *arena, struct delta *delta, unsigned depth)
{
	for (size_t i = 0, j = 0;;) {
		const struct km_entry *a = next_compared(o, &i), *b = next_compared(p, &j);

		if (!a && !b)
			return true;
		if (a && b && entries_equal(os, a, ps, b, depth))
			continue;
		if (delta) {
			const struct km_special *s = b ? b->kind : a->kind;

			delta->why = KM_WHY_SPECIAL;
			delta->detail = km_arena_printf(arena, "%s in it changed (%s)", s->note, s->name);
		}
		return false;
	}
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* Content, references and special entries. */
static bool parts_equal(const struct km_side *os, struct km_part *o, const struct km_side *ps, struct km_part *p,
			km_arena *arena, struct delta *delta, unsigned depth)
{
	if (!part_shape_equal(os, o, p)) {
		if (delta)
			describe_code(arena, o, p, delta);
		return false;
	}
	for (size_t i = 0; i < o->n_refs; i++) {
		if (targets_equal(os, &o->refs[i].to, ps, &p->refs[i].to, depth))
			continue;
		if (delta)
			describe_target(arena, o, &o->refs[i], p, &p->refs[i], delta);
		return false;
	}
	return specials_equal(os, o, ps, p, arena, delta, depth);
}

void km_compare_all(struct km_side *orig, struct km_side *patched, km_arena *arena)
{
	for (size_t i = 0; i < patched->parts.n; i++) {
		struct km_part *p = patched->parts.at[i];
		struct delta delta = {0};
		const struct km_secinfo *info = km_info_of(patched, p->sec);

		if (!p->twin || (info->class == KM_CLASS_DROPPED && !km_special_is_setting(info->special)))
			continue;
		p->differs = !parts_equal(orig, p->twin, patched, p, arena, &delta, 0);
		if (p->differs) {
			p->why = delta.why;
			p->detail = delta.detail;
		}
	}
}
