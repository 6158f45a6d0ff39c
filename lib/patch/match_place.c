// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Placing of the plain object's sections. Three witnesses vote for a section's base, the address of something less its
 * offset: symbols whose name is unique in the shipped object, symbols whose name is not, and relocations in code that
 * is already proven. What is placed lets more code be proved, whose relocations place more: so it goes on until nothing
 * changes.
 */
#include "match.h"

enum {
	WEIGHT_NAME = 8,
	WEIGHT_REFERENCE = 1,
	REFERENCES_MAX = 7, /* less than one unique name has, so that a changed reference is seen */
	HINTS_MAX = 64,	    /* a name that is had by more symbols says nothing (__key.0, __func__.1) */
};

static struct km_vote *vote_for(struct km_region *r, struct km_spot base)
{
	for (size_t i = 0; i < r->votes.n; i++)
		if (km_spot_same(r->votes.at[i].base, base))
			return &r->votes.at[i];
	km_vec_push(&r->votes, (struct km_vote){.base = base});
	return &r->votes.at[r->votes.n - 1];
}

static bool is_aligned(const struct km_sec *sec, struct km_spot base)
{
	return sec->align < 2 || base.at % sec->align == 0;
}

void km_vote_reference(struct km_match *m, const struct km_sec *sec, struct km_spot base)
{
	struct km_region *r = &m->regions[sec->index];

	if (!r->placed && is_aligned(sec, base))
		vote_for(r, base)->references++;
}

/* A module's section keeps its name when it is linked. */
static bool may_hold(const struct km_match *m, const struct km_sec *sec, const struct km_ksym *ks)
{
	return m->obj->is_vmlinux || (ks->sec && !strcmp(ks->sec->name, sec->name) && ks->addr <= ks->sec->size);
}

static void vote_symbol(struct km_match *m, const struct km_sym *sym)
{
	struct km_region *r = &m->regions[sym->sec->index];
	size_t n;
	const struct km_ksym *const *all = km_ksyms_named(m->obj, sym->name, &n);

	if (n > HINTS_MAX)
		return;
	for (size_t i = 0; i < n; i++) {
		struct km_spot base = km_spot_add(km_shipped_spot(m, all[i]), -sym->value);

		if (!may_hold(m, sym->sec, all[i]) || !is_aligned(sym->sec, base))
			continue;
		/* A weak definition may have lost to a strong one somewhere else. */
		if (n == 1 && sym->bind != STB_WEAK)
			vote_for(r, base)->names++;
		else
			vote_for(r, base)->hints++;
	}
}

static unsigned score(const struct km_vote *v)
{
	unsigned references = v->references < REFERENCES_MAX ? v->references : REFERENCES_MAX;

	return v->names * WEIGHT_NAME + references * WEIGHT_REFERENCE;
}

static int by_score(const void *a, const void *b)
{
	const struct km_vote *x = a, *y = b;

	if (score(x) != score(y))
		return score(x) < score(y) ? 1 : -1;
	if (x->hints != y->hints)
		return x->hints < y->hints ? 1 : -1;
	return (x->base.at > y->base.at) - (x->base.at < y->base.at);
}

static bool is_provable(const struct km_sym *s)
{
	return s->type == STT_FUNC && s->sec && s->sec->data && s->size && s->value <= s->sec->size &&
	       s->size <= s->sec->size - s->value;
}

/* Bytes of functions in sec that equal the shipped ones when it lies at base. */
static uint64_t proven_bytes(struct km_match *m, const struct km_sec *sec, struct km_spot base)
{
	struct km_difference diff;
	uint64_t n = 0;

	for (size_t i = 1; i < m->plain->syms.n; i++) {
		const struct km_sym *s = m->plain->syms.at[i];

		if (s->sec == sec && is_provable(s) &&
		    km_compare(m, sec, base, s->value, s->value + s->size, true, &diff))
			n += s->size;
	}
	return n;
}

static void place(struct km_region *r, struct km_spot base)
{
	r->placed = true;
	r->ambiguous = false;
	r->base = base;
}

/* Votes of equal rank: code is laid over each of them. One that fits, or clearly fits best, has it. */
static bool place_by_bytes(struct km_match *m, struct km_region *r, size_t n)
{
	uint64_t best = 0, second = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t bytes = proven_bytes(m, r->sec, r->votes.at[i].base);

		if (bytes > best) {
			second = best;
			best = bytes;
			at = i;
		} else if (bytes > second) {
			second = bytes;
		}
	}
	if (!best || best == second) {
		r->ambiguous = best > 0;
		return false;
	}
	place(r, r->votes.at[at].base);
	return true;
}

/* Initialised data without relocations over its first candidates; others have nothing to compare. */
static bool place_data_by_bytes(struct km_match *m, struct km_region *r, size_t n)
{
	struct km_difference diff;
	size_t fits = 0, at = 0;

	for (size_t i = 0; i < n; i++)
		if (r->sec->data && km_compare(m, r->sec, r->votes.at[i].base, 0, r->sec->size, true, &diff)) {
			fits++;
			at = i;
		}
	if (fits != 1) {
		r->ambiguous = n > 1;
		return false;
	}
	place(r, r->votes.at[at].base);
	return true;
}

/* `desperate`: hints alone decide, once nothing better comes. */
static bool place_region(struct km_match *m, struct km_region *r, bool desperate)
{
	size_t n = 1;

	if (!r->votes.n)
		return false;
	qsort(r->votes.at, r->votes.n, sizeof(r->votes.at[0]), by_score);
	if (score(&r->votes.at[0])) {
		if (r->votes.n == 1 || score(&r->votes.at[0]) > score(&r->votes.at[1])) {
			place(r, r->votes.at[0].base);
			return true;
		}
		while (n < r->votes.n && score(&r->votes.at[n]) == score(&r->votes.at[0]))
			n++;
	} else if (km_sec_is_text(r->sec)) {
		n = r->votes.n;
	} else if (!desperate) {
		return false;
	} else if (r->votes.n == 1 || r->votes.at[0].hints > r->votes.at[1].hints) {
		place(r, r->votes.at[0].base);
		return true;
	} else {
		while (n < r->votes.n && r->votes.at[n].hints == r->votes.at[0].hints)
			n++;
	}
	return km_sec_is_text(r->sec) ? place_by_bytes(m, r, n) : place_data_by_bytes(m, r, n);
}

static void learn_region(struct km_match *m, struct km_region *r)
{
	struct km_difference diff;

	r->learned = true;
	for (size_t i = 1; i < m->plain->syms.n; i++) {
		const struct km_sym *s = m->plain->syms.at[i];

		if (s->sec != r->sec || !is_provable(s))
			continue;
		if (km_compare(m, r->sec, r->base, s->value, s->value + s->size, true, &diff))
			km_learn(m, r->sec, r->base, s->value, s->value + s->size);
	}
}

static bool is_region(const struct km_sec *sec)
{
	return km_sec_is_alloc(sec) && !km_sec_is_merged(sec) && !km_starts(sec->name, ".discard");
}

/* Data without a symbol of its own is placed when something that is placed refers to it; tables of pointers refer to
 * more. */
static void learn_data(struct km_match *m, struct km_region *r)
{
	struct km_difference diff;

	r->learned = true;
	if (r->sec->data && r->sec->rels.n && km_compare(m, r->sec, r->base, 0, r->sec->size, true, &diff))
		km_learn(m, r->sec, r->base, 0, r->sec->size);
}

static bool round_of_placing(struct km_match *m, bool text, bool desperate)
{
	bool progress = false;

	for (size_t i = 0; i < m->plain->secs.n; i++) {
		struct km_region *r = &m->regions[i];

		if (!is_region(r->sec) || (text && !km_sec_is_text(r->sec)))
			continue;
		if (!r->placed && place_region(m, r, desperate))
			progress = true;
		if (r->placed && !r->learned) {
			if (km_sec_is_text(r->sec))
				learn_region(m, r);
			else
				learn_data(m, r);
			progress = true;
		}
	}
	return progress;
}

/* Code goes first: data that has only common names waits for what proven code says of it, and only then follows its
 * names. */
void km_place_regions(struct km_match *m)
{
	for (size_t i = 1; i < m->plain->syms.n; i++) {
		const struct km_sym *s = m->plain->syms.at[i];

		if (km_sym_is_named(s) && is_region(s->sec))
			vote_symbol(m, s);
	}
	while (round_of_placing(m, true, false))
		;
	while (round_of_placing(m, false, false))
		;
	while (round_of_placing(m, false, true))
		;
}
