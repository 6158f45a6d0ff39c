/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * part.h - one object cut into parts: what can be compared, referred to and carried by itself.
 *
 * A part is a function, a named datum, a string, a constant, or a stretch without a symbol. References are normalised
 * to (part, offset): section symbols and label names do not matter any more. Entries of special sections hang on the
 * part that their deciding relocation points at.
 */
#ifndef KMEND_DIFF_PART_H
#define KMEND_DIFF_PART_H

#include <kmend/diff.h>

enum km_class {
	KM_CLASS_IGNORED, /* not allocated: DWARF, notes, groups */
	KM_CLASS_CODE,
	KM_CLASS_DATA,
	KM_CLASS_STRINGS, /* SHF_MERGE | SHF_STRINGS */
	KM_CLASS_CONSTS,  /* SHF_MERGE, entries of entsize */
	KM_CLASS_TABLE,	  /* special: entries */
	KM_CLASS_CHUNKS,  /* special: code and data cut at the places referred to */
	KM_CLASS_DROPPED, /* special: never travels */
	KM_CLASS_UNKNOWN, /* allocated, and nobody knows what it is for */
};

enum km_part_kind { KM_PART_FUNC, KM_PART_DATA, KM_PART_STRING, KM_PART_CONST, KM_PART_ANON, KM_PART_CHUNK };

struct km_part;

struct km_target {
	struct km_part *part; /* NULL: not defined in this object */
	struct km_sym *sym;   /* the relocation's own symbol */
	int64_t offset;	      /* from the part's main symbol or start; without part, from sym */
};

struct km_ref {
	const struct km_rel *rel;
	struct km_target to;
};

struct km_entry { /* of a special section */
	const struct km_special *kind;
	struct km_sec *sec;
	uint64_t offset, size;
	struct km_part *owner; /* what its deciding relocation points at; NULL when that is elsewhere */
	const struct km_rel *rels;
	size_t n_rels;
};

struct km_user { /* somebody who refers to a part */
	struct km_part *part;
	bool direct; /* by a call or a jump, and to its very start */
};

struct km_part {
	enum km_part_kind kind;
	struct km_sec *sec;
	uint64_t start, end;
	struct km_sym *sym; /* main symbol; NULL for strings, constants and stretches */
	const char *key;    /* name without the numbers that a compiler gives; "" when unnamed */
	uint64_t hash;	    /* of the content with the keys of what it refers to */
	size_t order;	    /* symbol index, or the place in the list */
	struct km_ref *refs;
	size_t n_refs;
	km_vec(struct km_user) users; /* not itself, nor its own fragment or parent */
	km_vec(struct km_entry *) entries;
	struct km_part *parent; /* of a .cold fragment */
	struct km_part *cold;	/* the fragment of a parent */
	struct km_part *twin;	/* on the other side */
	bool init;		/* in a section that is freed or gone after boot */
	bool writable;
	bool percpu;
	bool never_same; /* never shared with the other side */
	bool labels;	 /* read-only table of places inside one function */
	bool by_content; /* compared by content and copied, not shared */
	bool fentry;
	bool tracing;		  /* feeds a trace event and nothing else */
	bool busy;		  /* being compared: a cycle counts as equal */
	struct km_part *equal_to; /* proved to have the same content */
	/* decisions, on the patched side */
	bool differs; /* from its twin */
	bool renewed; /* existing read-only data with new content: travels as a new copy */
	bool included, replaces;
	enum km_why why;
	const char *detail;
	/* the travelling copy */
	struct km_sec *out_sec;
	uint64_t out_start;
	struct km_sym *out_sym;
};

struct km_secinfo {
	enum km_class class;
	const struct km_special *special;
	uint64_t entry;			/* bytes of one entry of a table */
	km_vec(struct km_part *) parts; /* by start */
};

struct km_dwarf;

struct km_side {
	const km_elf *elf;
	km_arena *arena;
	const char *path;	/* for DWARF, or NULL */
	struct km_dwarf *dwarf; /* read when first asked for */
	bool dwarf_tried;
	struct km_secinfo *secs; /* by section index */
	struct km_part **by_sym; /* by symbol index */
	km_vec(struct km_part *) parts;
	km_vec(struct km_entry *) entries;
};

/* cut.c: fills secs, parts and by_sym. */
void km_cut(struct km_side *side);

/* part.c */
/* Cuts the object into parts, resolves all references, hangs special entries on their owners. elf and path must
 * outlive the side. Malformed special sections: KM_INPUT. */
KM_CHECKED km_error *km_side_init(struct km_side *side, const km_elf *elf, const char *path);
/* Frees the lists and the DWARF; parts are in the side's arena, which is freed too. */
void km_side_free(struct km_side *side);
/* The last part that begins at or before this place, else the first; NULL when the section has no parts. */
struct km_part *km_part_at(const struct km_side *side, const struct km_sec *sec, int64_t pos);
/* What a relocation of sec refers to, as part and distance. */
struct km_target km_target_of(const struct km_side *side, const struct km_sec *sec, const struct km_rel *rel);
/* Its symbol's name, "" when it has none. */
const char *km_part_name(const struct km_part *part);
static inline struct km_secinfo *km_info_of(const struct km_side *side, const struct km_sec *sec)
{
	return &side->secs[sec->index];
}
/* Relocations of sec with offset in [start, end). */
const struct km_rel *km_rels_in(const struct km_sec *sec, uint64_t start, uint64_t end, size_t *n);
/* A call or jump instruction that ends in this field. */
bool km_rel_is_branch(const struct km_sec *sec, const struct km_rel *rel);
/* What the assembler took off a PC-relative addend in code; 0 in data. */
unsigned km_pc_bias(const struct km_side *side, const struct km_sec *sec, const struct km_rel *rel);
/* Whether the reference is a call or jump to the very start of a function: then it goes where the function goes,
 * and no pointer is kept. */
bool km_ref_is_direct(const struct km_part *from, const struct km_ref *ref);
/* A local function that is only ever called directly: replacing its callers replaces it. */
bool km_callers_stand_in(const struct km_part *p);

/* operand.c: x86 */
/* From a PC-relative field in code to the end of its instruction: the field itself and an immediate behind it. */
unsigned km_operand_tail(const uint8_t *code, uint64_t size, uint64_t field, unsigned width);

/* names.c */
/* The name without the numbers that compilers add (".isra.3", ".12", __UNIQUE_ID_…7); in the arena. */
char *km_name_key(km_arena *arena, const char *name);
/* A name that gcc makes for a static local: "count.12". */
bool km_name_static_local(const char *name);
/* A function that TRACE_EVENT() makes: notrace by design, and called through pointers of the event. */
bool km_name_is_tracing(const char *name);
/* State of a single call site, or text made from its place (__warned, __func__.3): a patched function brings its
 * own. */
bool km_name_never_same(const char *name, const char *section);

/* special.c: how entries are cut */
/* Cuts a special section into entries and finds each one's owner. A size or relocation that does not fit:
 * KM_INPUT. */
KM_CHECKED km_error *km_special_entries(struct km_side *side, struct km_sec *sec);
/* The section never travels, but what its entries say matters: a changed one is judged. */
bool km_special_is_setting(const struct km_special *s);
/* Its entries tell nothing but a place, so that equal code has equal entries and they need no comparison. */
bool km_special_by_position(const struct km_special *s);

/* correlate.c */
/* Pairs the parts of both sides: sets `twin` of each that has one. */
void km_correlate(struct km_side *orig, struct km_side *patched);
/* Does some function of that name (numbers aside) use both? */
bool km_users_meet(const struct km_part *o, const struct km_part *p);

/* compare.c: sets differs, why and detail of the patched side's parts. Texts are in the arena. */
void km_compare_all(struct km_side *orig, struct km_side *patched, km_arena *arena);

/* judge.c, closure.c, carry.c, diff.c */
struct km_work { /* one km_diff_unit() */
	struct km_side orig, patched;
	const struct km_diff_options *opt;
	km_diff *d;
	/* Of carry.c, by index of the patched object: */
	struct km_sec **out_secs;
	struct km_sym **inside;	 /* defined in carry */
	struct km_sym **outside; /* undefined in carry: what exists */
};
/* Adds a judgement unless the same one is there. Its texts must live as long as d: static, or in d->arena. */
void km_judge(struct km_work *w, struct km_judgement j);
/* Adds a judgement of a part of the patched side, with its name and the place of its declaration. */
void km_judge_part(struct km_work *w, enum km_weight severity, const char *code, struct km_part *part,
		   const char *reason, const char *next);
/* Existing data whose value or size changed: refused, kept with allow_data, or renewed where a copy means the
 * same. */
void km_judge_data(struct km_work *w);
/* New data that seems to be existing data under another name: its value would be lost. */
void km_judge_state(struct km_work *w);
/* Functions that are to be redirected: __init, no fentry, thread loops; and new ones whose address is stored. */
void km_judge_functions(struct km_work *w);
/* Entries of sections that never travel: exports, init calls, parameters that came, went or changed. */
void km_judge_registrations(struct km_work *w);
/* Allocated sections that nobody knows, as far as travelling code has to do with them. */
void km_judge_unknown(struct km_work *w);
/* Types whose layout changed, by DWARF: refused, or a risk with allow_layout. */
void km_judge_layouts(struct km_work *w);
/* Sets `replaces` on the functions that must be redirected: those that differ, or the callers of those that cannot
 * be. */
void km_select_changed(struct km_work *w);
/* Sets `included` on them and on all that must travel along. */
void km_close(struct km_work *w);
/* Makes d->carry and d->origin from what is included. KM_INPUT when a relocation cannot be told. */
KM_CHECKED km_error *km_carry(struct km_work *w);
/* Where a reference from travelling code must go: the existing function, since its address may outlive the patch. */
bool km_ref_to_existing(const struct km_part *from, const struct km_ref *ref);

/* Adds the relocation to out. from NULL: from a special entry, which always means the code that travels. */
KM_CHECKED km_error *km_carry_rel(struct km_work *w, struct km_sec *out, uint64_t offset, const struct km_part *from,
				  const struct km_sec *sec, const struct km_rel *rel);
/* The section of carry that takes what comes from sec; made if absent. */
struct km_sec *km_carry_sec(struct km_work *w, struct km_sec *sec);

/* carry_special.c */
/* Copies the special entries of what travels into carry. */
KM_CHECKED km_error *km_carry_specials(struct km_work *w);

/* dwarf.c */
struct km_decl {
	const char *file; /* relative to the tree; NULL when unknown */
	unsigned line;
	const char *scope; /* function that holds a static local, or NULL */
};
/* All zero when there is no DWARF or it says nothing of this place. */
struct km_decl km_decl_of(struct km_side *side, const struct km_part *part);
/* Closes it; NULL is fine. */
void km_dwarf_free(struct km_dwarf *dwarf);

#endif
