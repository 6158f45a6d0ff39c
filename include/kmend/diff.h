/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/diff.h - what changed between two compilations of one unit, and what of the new one a patch must carry.
 *
 * Input: the original and the patched object, both compiled with -ffunction-sections -fdata-sections. Output: the functions that changed,
 * each with its reason; the part of the patched object that must travel (a new object); and what stands in the way.
 * It knows nothing of where symbols live in the running kernel: that is kmend/patch.h's.
 */
#ifndef KMEND_DIFF_H
#define KMEND_DIFF_H

#include <kmend/elf.h>

enum km_change {
	KM_SAME,
	KM_CHANGED, /* both sides have it, and they differ */
	KM_NEW,     /* only the patched side has it */
	KM_REMOVED, /* only the original side has it */
};

enum km_why { /* why a function or datum travels; shown to the author */
	KM_WHY_NOT,
	KM_WHY_CODE,       /* its instructions changed */
	KM_WHY_REFERENCE,  /* it refers to something else than before: detail names both */
	KM_WHY_STRING,     /* a string or constant it uses changed: detail quotes it */
	KM_WHY_SPECIAL,    /* an entry of a special section changed: detail names the section */
	KM_WHY_CLONE,      /* its .cold/.part child changed, or its parent did */
	KM_WHY_NEW,        /* new, and used by something that travels */
	KM_WHY_DATA,       /* a datum: its value changed; a function: it uses read-only data that changed */
	KM_WHY_NEVER_SAME, /* a static local of the kinds that are never shared (__func__, __warned, …) */
};

struct km_change_item {
	const char *name;
	const char *kind;     /* "function", "data", "string", "constant" */
	const char *file;     /* from DWARF, or NULL */
	unsigned line;        /* of its declaration, 0 when unknown */
	enum km_change change;
	enum km_why why;
	const char *detail;   /* one line or NULL */
	bool included;        /* it travels */
	bool replaces;        /* it is to be redirected: changed, exists in the running kernel, has a fentry */
	struct km_sym *orig, *patched; /* in the two input objects; NULL where absent */
	struct km_sym *carried; /* in `carry`; NULL when it does not travel */
};

enum km_weight { KM_NOTE, KM_RISK, KM_REFUSE };
struct km_judgement {
	enum km_weight severity;
	const char *code;    /* stable, for scripts and tests: "data-changed", "type-layout", "init-function", "no-fentry", … */
	const char *file;    /* file:line of the cause, from DWARF; file NULL when unknown */
	unsigned line;
	const char *subject; /* function, variable, type or section */
	const char *reason;  /* in the author's terms, one sentence */
	const char *next;    /* what to do, one sentence */
};

typedef struct km_diff {
	km_arena *arena;
	/* Changed, new, removed and carried, in the patched object's symbol order, what was removed last. Strings and constants travel
	   without an item of their own. */
	km_vec(struct km_change_item) items;
	km_vec(struct km_judgement) judgements;
	/* The travelling part of the patched object: functions, new data, strings, their special section entries. Symbols that
	   are defined in the patched object but do not travel are undefined here and keep their name. A function that is to be redirected
	   can be here twice: defined, for calls from within the patch, and undefined with an origin, where its address is taken: such an
	   address may be stored and outlive the patch, so it must be the existing function's. */
	km_elf *carry;
	/* For each symbol of carry (by index): the symbol of the *original* object it stands for, NULL when it is new or was undefined
	   in the patched object too. Names may differ (static locals and clones get other numbers). */
	struct km_sym **origin;
	size_t n_changed, n_new, n_included;
} km_diff;

struct km_diff_options {
	const char *object;      /* "vmlinux" or the module */
	const char *unit;        /* for messages: "fs/smb/client/connect.c" */
	const char *orig_path, *patched_path; /* the files, for DWARF (libdw); NULL: no source lines, no layout check */
	bool allow_data;         /* keep the old value of changed data, with a risk instead of a refusal */
	bool allow_layout;
};

/* Both objects must outlive the result. Malformed objects: KM_INPUT. What cannot be patched is not an error but a judgement. Nothing changed:
 * items is empty and carry NULL. */
KM_CHECKED km_error *km_diff_unit(const km_elf *orig, const km_elf *patched, const struct km_diff_options *opt, km_diff **ret);
/* Frees the result with all that its arena owns; NULL is fine. */
void km_diff_destroy(km_diff *d);
/* A clause for people, as "its instructions changed". */
const char *km_why_text(enum km_why why);

/* ---- special sections ------------------------------------------------------------------------------------------------
 * One table describes every section whose entries belong to code elsewhere.
 */
enum km_special_kind {
	KM_SPECIAL_TABLE,   /* fixed-size entries; kept when the deciding relocation targets travelling code */
	KM_SPECIAL_CHUNKS,  /* travels with those who refer to it: cut at the places referred to (.altinstr_replacement, .altinstr_aux), or, where
			       entry is set, at its symbols (__dyndbg) */
	KM_SPECIAL_REBUILT, /* goes with another section (.orc_unwind with .orc_unwind_ip) or is made by a later step */
	KM_SPECIAL_DROPPED, /* never travels: exports, init calls, parameters, discarded notes; with the reason */
};
struct km_special {
	const char *name;     /* exact, or with one '*' for anything */
	enum km_special_kind kind;
	unsigned entry;       /* bytes; where a later kernel's is larger, the relocations' distance counts; 0: no entries */
	int decides;          /* offset within an entry of the relocation that decides */
	const char *note;     /* what an entry is, or why it never travels; for people */
};
/* The row for a section's name, NULL for a section that is not special. */
const struct km_special *km_special_find(const char *section);
/* The i-th row, NULL past the end: for the documentation and the tests. */
const struct km_special *km_special_at(size_t i);

#endif
