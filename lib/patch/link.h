/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - one patch module while it is made: from carried objects over the kernel's own linking to livepatch
 * relocations.
 *
 * ld and modpost must not see names like ".klp.sym.vmlinux.foo,2", and the glue must reach functions that are local. So
 * three kinds of intermediate names live from resolve.c to klp.c only, each an index into a table here: kmend_klp_<n>
 * undefined: a symbol that the kernel's livepatch code, or kmend.ko, will look up kmend_new_<n>   a new global of one unit that
 * another unit of the same object uses kmend_func_<n>  alias of the new version of function n, for the glue's table
 */
#ifndef KMEND_PATCH_LINK_H
#define KMEND_PATCH_LINK_H

#include "mask.h"
#include <kmend/patch.h>

#define KM_TEMP_KLP  "kmend_klp_"
#define KM_TEMP_NEW  "kmend_new_"
#define KM_TEMP_FUNC "kmend_func_"
#define KM_TEMP_RELOCS "kmend_relocs_"
#define KM_TEMP_JUMPS "kmend_jump_table"
#define KM_TEMP_JUMPS_END "kmend_jump_table_end"
#define KM_JUMP_TABLE "__jump_table"

struct km_klp_sym {
	const char *temp;
	const char *relas;  /* object whose arrival applies the relocations: "vmlinux" means at once */
	const char *object; /* that has the symbol */
	const char *name;
	unsigned sympos;
	bool used; /* the flavour core: by what travels */
};

struct km_new_sym {
	const char *temp, *name, *object;
};

struct km_link_func {
	const char *temp;
	const char *name; /* as the kernel knows it */
	const char *object, *unit;
	unsigned sympos;
	uint64_t addr, size;
	bool matched;
	km_ranges mask;
	uint8_t expected[KM_SHA256_LEN];
};

struct km_link {
	km_arena *arena; /* the result's */
	km_kernel *k;
	const struct km_patch_spec *spec;
	struct km_patch_result *result;
	enum km_flavour flavour; /* that is being made; see write.c */
	km_vec(struct km_klp_sym *) klps;
	km_vec(struct km_new_sym *) news;
	km_vec(struct km_link_func) funcs; /* by object: vmlinux first, then modules by name */
	km_map *klp_by_key, *new_by_key;
	bool late_jumps;    /* the flavour core: jump table entries have keys that the core finds */
	km_strv namespaces; /* of exports that are used */
};

/* One unit while its carried object is worked on. */
struct km_link_unit {
	const struct km_patch_unit *unit;
	km_object *shipped;
	struct km_klp_sym **klp; /* by symbol index of carry: what it became; NULL when it links by name */
	int64_t *delta;		 /* by symbol index: to be added to addends */
	size_t n;		 /* of both, symbols of carry before any was added */
};

/* `reason` and `next` are kept; subject is copied. The same one twice is one. */
void km_link_judge(struct km_link *link, enum km_weight severity, const char *code, const struct km_link_unit *u,
		   const char *subject, const char *reason, const char *next);
/* What the place lies in, by the name that the source has for it; or NULL. */
const char *km_link_user(const km_elf *carry, const struct km_sec *sec, uint64_t offset);
/* Whether a refusal is among the judgements so far: then nothing will be written. */
bool km_link_refused(const struct km_link *link);

/* resolve.c: finds or makes the klp symbol. */
struct km_klp_sym *km_klp_symbol(struct km_link *link, const char *patched, const char *object, const char *name,
				 unsigned sympos);
/* Declares the new globals of a unit, which others may use. */
void km_resolve_news(struct km_link *link, struct km_link_unit *u);
/* Gives each undefined symbol of the unit's carried object its home, or judges. */
km_error *km_resolve_unit(struct km_link *link, struct km_link_unit *u);
/* The original of a symbol of the original object, as an undefined symbol of carry. NULL when it has no place. */
struct km_sym *km_resolve_original(struct km_link *link, struct km_link_unit *u, const struct km_sym *orig,
				   int64_t *delta);
/* The position that finds a symbol both while its module comes (all symbols count) and when it is there (.init does
 * not); false when there is none. */
bool km_sympos_of(const struct km_ksym *sym, unsigned *ret);

/* pointer.c: function pointers in carried code and data. */
void km_resolve_pointers(struct km_link *link, struct km_link_unit *u);
/* keys.c: table entries whose key cannot be had when the loader reads them; then late relocations that would come too
 * late. Called for the flavour klp first, and once more for core, for which more is late. */
void km_resolve_keys(struct km_link *link, struct km_link_unit *u);

/* function.c: proves the functions that the unit replaces and puts them into link->funcs. */
void km_link_functions(struct km_link *link, struct km_link_unit *u);

/* glue.c: the C source that lists objects and functions for klp_enable_patch(); the caller's. */
char *km_glue_source(const struct km_link *link);
/* glue_core.c: the same for kmend_enable_patch(). */
char *km_glue_core_source(const struct km_link *link);
/* glue.c: what both have in common: a C string literal, quotes included; MODULE_INFO() lines. */
void km_glue_literal(km_str *s, const char *text);
void km_glue_modinfo(km_str *s, const struct km_link *link);
/* The Kbuild file that links the glue with that many carried units; the caller's. */
char *km_glue_kbuild(const struct km_link *link, size_t units);

/* meta.c: the text of KM_META_SECTION; the caller's. */
char *km_meta_text(const struct km_link *link);

/* klp.c: turns the linked module into a livepatch module, in place. */
km_error *km_klp_finish(struct km_link *link, km_elf *ko);
/* core.c: marks the symbols that the units' carried objects use, so that the glue knows which objects have relocations. */
void km_core_mark(struct km_link *link, const struct km_link_unit *units, size_t n);
/* The objects of a patch for the core, vmlinux first, then by name: those with functions and those with relocations. */
void km_core_objects(const struct km_link *link, km_strv *ret);
/* Whether relocations need symbols of that object. */
bool km_core_has_relocs(const struct km_link *link, const char *object);
/* core.c: turns the linked module into one for kmend.ko, in place. */
km_error *km_core_finish(struct km_link *link, km_elf *ko);
/* What of klp.c the other flavour needs: the aliases that the glue uses, and names for new globals; then all that the
 * finished module does not need goes. */
km_error *km_klp_names(const struct km_link *link, km_elf *ko);
km_error *km_klp_prune(km_elf *ko);
/* The klp symbol of an undefined symbol's name, or NULL. */
struct km_klp_sym *km_klp_of_name(const struct km_link *link, const char *name);
/* A field that is relocated late is zero until then: whoever applies it takes another value for a second relocation. */
void km_klp_zero_field(const km_elf *ko, struct km_sec *sec, const struct km_rel *rel);
/* check.c: what the loader would refuse, and what it would not but should. */
km_error *km_check_module(const km_elf *ko, const km_exports *exports, enum km_flavour flavour);

#endif
