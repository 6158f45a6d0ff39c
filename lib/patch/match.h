/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * match.h - the run-pre match between its files: places, comparison, and what the shipped object holds.
 *
 * The plain object's sections are "regions"; a place in the shipped object is a "spot".
 */
#ifndef KMEND_PATCH_MATCH_H
#define KMEND_PATCH_MATCH_H

#include <kmend/patch.h>

/* Where something is in the shipped object. */
struct km_spot {
	const struct km_sec *in; /* module: its section; NULL in vmlinux */
	uint64_t at;		 /* vmlinux: address, or per-CPU offset; module: offset in `in` */
	const char *undef;	 /* module: the field names an undefined symbol, and `at` is what is added to it */
};

struct km_vote {
	struct km_spot base;
	unsigned names;	     /* symbols that are unique in the shipped object and put the region here */
	unsigned hints;	     /* symbols that fit here, and elsewhere too */
	unsigned references; /* relocations in proven code that put the region here */
};

struct km_region {
	const struct km_sec *sec;
	bool placed, ambiguous, learned;
	struct km_spot base; /* of the section's first byte; valid when placed */
	km_vec(struct km_vote) votes;
};

struct km_match {
	km_arena *arena;
	const km_elf *plain;
	const km_object *obj;
	const km_kernel *k;	   /* may be NULL: no banner facts then */
	struct km_region *regions; /* by km_sec.index of plain */
	km_map *names;		   /* plain's symbols that have a section, by name */
	km_map *bound;		   /* name of an undefined symbol -> struct km_spot, from proven code */
};

struct km_difference {
	uint64_t at;	  /* offset in the function */
	const char *what; /* in the arena of the match */
};

static inline bool km_spot_same(struct km_spot a, struct km_spot b)
{
	if (!a.undef != !b.undef || (a.undef && strcmp(a.undef, b.undef)))
		return false;
	return a.in == b.in && a.at == b.at;
}

static inline struct km_spot km_spot_add(struct km_spot s, uint64_t n)
{
	s.at += n;
	return s;
}

/* shipped.c: n shipped bytes, or NULL where the object holds none (bss, past an end). */
const uint8_t *km_shipped_bytes(const struct km_match *m, struct km_spot at, size_t n);
/* What the shipped relocation field over plain's `rel` says the symbol is: its value less the addend. False when the
 * shipped module has no such relocation there, or when the field is not loaded. */
bool km_shipped_symbol(const struct km_match *m, struct km_spot field, const struct km_rel *rel, struct km_spot *ret);
/* The spot of a symbol of the shipped object. */
struct km_spot km_shipped_spot(const struct km_match *m, const struct km_ksym *ks);
/* A symbol at exactly this spot, by preference `name`, then a global one; NULL for none. */
const struct km_ksym *km_shipped_at(const struct km_match *m, struct km_spot at, const char *name);
/* The same, else the one that covers it. */
const struct km_ksym *km_shipped_covering(const struct km_match *m, struct km_spot at, const char *name);
/* "do_fork+0x12", for messages; in the arena. */
const char *km_shipped_text(struct km_match *m, struct km_spot at);

/* match_compare.c: do the bytes of [from, to) of sec, laid at `base`, equal the shipped ones, every relocation being
 * applied? What lies in a region without a place is taken as it comes when `lenient`. */
bool km_compare(struct km_match *m, const struct km_sec *sec, struct km_spot base, uint64_t from, uint64_t to,
		bool lenient, struct km_difference *ret);
/* For each relocation of a proven range whose target has no place yet: votes for it; binds undefined names. */
void km_learn(struct km_match *m, const struct km_sec *sec, struct km_spot base, uint64_t from, uint64_t to);
/* Merged sections lose their layout when they are linked: only the content at a place counts. */
static inline bool km_sec_is_merged(const struct km_sec *s)
{
	return s->flags & SHF_MERGE;
}

/* match_place.c: gives each region its place. */
void km_place_regions(struct km_match *m);
/* A proven reference says that sec begins at `base`: one vote, unless the section has its place or cannot lie
 * there. */
void km_vote_reference(struct km_match *m, const struct km_sec *sec, struct km_spot base);
/* The function or datum of this name in plain; NULL for none. */
const struct km_sym *km_plain_symbol(const struct km_match *m, const char *name);
/* Is this a symbol whose range and place can be told: a function, an object, or an assembler's label? */
static inline bool km_sym_is_named(const struct km_sym *s)
{
	return s->sec && *s->name && (s->type == STT_FUNC || s->type == STT_OBJECT || s->type == STT_NOTYPE);
}

/* The spot that proven code binds an undefined symbol of the unit to. */
bool km_match_bound(const km_match *m, const char *name, struct km_place *ret);

#endif
