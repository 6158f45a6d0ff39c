/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/patch.h - from diffs of units to a patch module: match with the shipped kernel, resolve symbols, write, describe.
 */
#ifndef KMEND_PATCH_H
#define KMEND_PATCH_H

#include <kmend/diff.h>
#include <kmend/kernel.h>
#include <kmend/modsig.h>
#include <kmend/patch-format.h>

/* ---- run-pre match -------------------------------------------------------------------------------------------------
 * The plain original object (compiled as the distribution did, without -ffunction-sections) is laid over the shipped object: each of its
 * allocated sections has one place in it. A section's place is voted by its symbols with unique names; then every function's bytes,
 * with its relocations applied to the places found, must equal the shipped bytes. That both proves that source, configuration and
 * compiler are the right ones and gives every local symbol its exact place, whatever its name.
 */
typedef struct km_match km_match;
enum km_match_state {
	KM_MATCH_OK,
	KM_MATCH_ABSENT,    /* the shipped object has no such symbol */
	KM_MATCH_DIFFERS,   /* bytes or a relocation's target differ: at, why */
	KM_MATCH_AMBIGUOUS, /* several places fit */
};
struct km_place {
	const struct km_ksym *sym; /* in the shipped object: name and sympos for the patch; may be an alias at the same address */
	uint64_t addr;             /* vmlinux: link-time address; module: offset in sym->sec */
};
struct km_match_result {
	enum km_match_state state;
	struct km_place place;
	uint64_t at;        /* first differing offset in the function */
	const char *why;    /* one line: what differs and the likely cause (compiler, configuration, source version) */
};
/* plain and obj must outlive the match. banner facts for "why" come from k. */
KM_CHECKED km_error *km_match_create(const km_elf *plain, const km_object *obj, const km_kernel *k, km_match **ret);
/* Frees the match; results and their texts go with it. NULL is fine. */
void km_match_destroy(km_match *m);
/* Proves the function `name` of the unit (names are unique within a unit). */
void km_match_function(km_match *m, const char *name, struct km_match_result *ret);
/* The place of any symbol of the unit, function or data (data are placed, not compared). */
void km_match_symbol(km_match *m, const char *name, struct km_match_result *ret);

/* ---- the patch -------------------------------------------------------------------------------------------------------- */
struct km_patch_unit {
	const char *source;      /* "fs/smb/client/connect.c" */
	const char *object;      /* "vmlinux" or module */
	const km_elf *original;  /* with function sections: what diff->origin points into */
	const km_diff *diff;
	km_match *match;
};
struct km_patch_func { /* result, for the report */
	const char *name, *object, *unit;
	unsigned sympos;
	uint64_t addr, size;
	uint8_t expected[KM_SHA256_LEN];
	bool matched; /* false only with allow_mismatch */
};
/* What a patch module is made for; see docs/architecture.md. */
enum km_flavour {
	KM_FLAVOUR_KLP,  /* the kernel's own livepatch */
	KM_FLAVOUR_CORE, /* kmend.ko */
	KM_FLAVOURS,
};
/* "klp" or "core"; static. */
const char *km_flavour_name(enum km_flavour flavour);
struct km_patch_spec {
	unsigned flavours;       /* bits 1 << KM_FLAVOUR_…; 0 is klp alone */
	const char *name;        /* module name: [a-z0-9_], at most 55 - strlen("kmend_") … checked by km_patch_name_ok() */
	const char *version;     /* "1" by default */
	const char *description, *severity; /* or NULL */
	km_strv cves;            /* "CVE-2026-1234" */
	char source_hash[KM_SHA256_HEX];
	bool replace;            /* cumulative: replaces all patches below (klp_patch.replace) */
	bool allow_mismatch;     /* recorded in the metadata */
	km_strv flags;           /* every override that was given, recorded */
	const km_signer *signer; /* signs what is written, or NULL */
};
/* Whether it can be a patch's name: 1 to 49 of [a-z0-9_], no digit first. When not, *why is a clause for people,
 * static. */
bool km_patch_name_ok(const char *name, const char **why);

struct km_patch_result {
	km_arena *arena;
	struct km_patch_file {
		char *path; /* of the .ko; NULL: none was written */
		size_t size;  /* with the signature */
		struct km_modsig signature;
		char unsigned_sha256[KM_SHA256_HEX]; /* of the reproducible bytes before it, "" when not signed */
	} files[KM_FLAVOURS];
	km_vec(struct km_patch_func) funcs;
	km_vec(struct km_judgement) judgements; /* mismatches, unresolved symbols, keys owned by modules … */
};
/* Resolves every reference of every unit's carried part, links with the kernel's Kbuild in work_dir, turns references to unexported symbols into
 * livepatch relocations (klp) or tables that kmend.ko applies (core), adds metadata, writes <out_dir>/<name>.ko (atomically); with both
 * flavours the core's is <out_dir>/core/<name>.ko. With a signer the kernel's module signature stands behind the bytes. With a KM_REFUSE among the judgements, for either flavour, nothing is written and all
 * paths are NULL. The same inputs give the same bytes in any directory, signatures aside. Uses up each unit's diff->carry: it is changed on the way, and can
 * only be destroyed afterwards. No function to replace: KM_NOTHING. */
KM_CHECKED km_error *km_patch_write(km_kernel *k, const struct km_patch_unit *units, size_t n, const struct km_patch_spec *spec,
				    const char *work_dir, const char *out_dir, struct km_patch_result *ret);
/* Frees the result with its arena; the file stays. */
void km_patch_result_free(struct km_patch_result *r);

/* ---- what a patch file says of itself --------------------------------------------------------------------------------- */
struct km_info_func { char *name; unsigned sympos; uint64_t size; char expected[KM_SHA256_HEX]; bool matched; };
struct km_info_object { char *name; km_vec(struct km_info_func) funcs; };
struct km_info {
	bool ours;                /* has our metadata; else the rest is read from .klp.* and modinfo as far as they tell */
	bool livepatch;           /* modinfo livepatch=Y */
	bool core;                /* calls kmend_enable_patch(): for kmend.ko */
	unsigned format;
	char *name, *version, *release, *arch, *build_id, *vermagic, *description, *severity, *source_hash, *tool;
	bool replace;
	km_strv cves, flags;
	km_vec(struct km_info_object) objects;
	struct km_modsig signature; /* not verified */
};
/* Reads hostile files safely; not a kernel module: KM_INPUT. */
KM_CHECKED km_error *km_info_read(const char *path, struct km_info **ret);
/* The same from the bytes of a file, which may be freed afterwards. */
KM_CHECKED km_error *km_info_parse(const void *bytes, size_t size, struct km_info **ret);
/* Frees it; NULL is fine. */
void km_info_free(struct km_info *info);

#endif
