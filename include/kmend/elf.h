/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/elf.h - relocatable ELF objects as a model that can be read, checked, changed and written.
 *
 * The model is a graph of pointers: a relocation names its symbol, a symbol its section. Indices exist only in files; they
 * are assigned by km_elf_write(). Reading validates everything (bounds, string offsets, symbol and section indices,
 * relocation offsets against the section's size, overlaps of the file's tables) before a model is returned, so that users
 * of the model need no further checks. Sources: System V ABI, ELF-64; AMD64 psABI.
 *
 * ELF64 little-endian only. This library knows no live patching: but for SHN_LIVEPATCH and SHF_RELA_LIVEPATCH, which it
 * carries through as plain numbers.
 */
#ifndef KMEND_ELF_H
#define KMEND_ELF_H

#include <elf.h>
#include <kmend/base.h>

struct km_sym;
struct km_sec;

/* A symbol in the index of its section: sorted by the symbol's value. */
struct km_sym_span {
	struct km_sym *sym;
	uint64_t reach; /* the largest end of this symbol and of all before it */
};

struct km_rel {
	uint64_t offset;    /* in the section that holds it */
	uint32_t type;      /* R_X86_64_* */
	int64_t addend;
	struct km_sym *sym; /* never NULL: a relocation without symbol points at the model's null symbol */
};

struct km_sec {
	const char *name;
	uint32_t type;             /* SHT_* */
	uint64_t flags;            /* SHF_* */
	uint64_t align, entsize;
	uint64_t size;
	uint8_t *data;             /* size bytes; NULL for SHT_NOBITS */
	km_vec(struct km_rel) rels; /* of the SHT_RELA sections that apply to this one, sorted by offset, stable */
	struct km_sym *secsym;     /* its STT_SECTION symbol, or NULL */
	struct km_sec *link;       /* SHF_LINK_ORDER and the like; NULL for none */
	uint32_t info;             /* raw sh_info, for sections that are neither RELA nor SYMTAB */
	unsigned index;            /* position in km_elf.secs: a handle for side tables, not the file's index */
	unsigned file_index;       /* the section's index in the file it was read from; 0 for new ones */
	size_t cap;                /* room at data; for km_sec_append() */
	km_vec(struct km_sym_span) spans; /* its symbols by value; for km_elf_sym_at() */
};

struct km_sym {
	const char *name;      /* "" for unnamed; a section symbol bears its section's name */
	uint8_t bind, type, visibility;
	uint16_t shndx;        /* SHN_UNDEF, SHN_ABS, SHN_COMMON, 0xff20 (SHN_LIVEPATCH); SHN_XINDEX when sec is set */
	struct km_sec *sec;    /* the section that defines it, or NULL */
	uint64_t value, size;
	unsigned index;        /* position in km_elf.syms; the order of the file's symbol table is kept */
};

/* A second relocation section for the same target, e.g. ".klp.rela.vmlinux..text.foo". */
struct km_rela_extra {
	const char *name;
	uint64_t flags;
	struct km_sec *target;
	km_vec(struct km_rel) rels;
};

typedef struct km_elf {
	km_arena *arena;            /* owns names, data and nodes */
	uint16_t machine, type;     /* EM_X86_64; ET_REL (or ET_EXEC/ET_DYN when read by km_elf_read_any()) */
	km_vec(struct km_sec *) secs; /* no null section, no SHT_RELA, no symbol or section-name string table */
	km_vec(struct km_sym *) syms; /* syms.at[0] is the null symbol */
	km_vec(struct km_rela_extra *) extras;
	km_map *sec_names, *sym_names; /* the first of each name; for km_elf_sec() and km_elf_sym() */
} km_elf;

/* Left out on purpose: SHT_GROUP without GRP_COMDAT (with it: KM_INPUT) and the symbol indices of SHT_LLVM_ADDRSIG.
 * A second relocation section of a target is merged into its rels, unless it bears SHF_RELA_LIVEPATCH: that is an extra.
 * Parses bytes (they may be freed afterwards). Not ELF64/LSB/ET_REL of a known machine: KM_INPUT that says at which byte.
 * Memory is bounded by a small multiple of size. */
KM_CHECKED km_error *km_elf_read(const void *bytes, size_t size, km_elf **ret);
/* The same for a file; the error names it. */
KM_CHECKED km_error *km_elf_read_file(const char *path, km_elf **ret);
enum {
	/* Leaves out the .debug_* sections with their relocations and section symbols, without looking into them. */
	KM_ELF_NO_DEBUG = 1,
};
/* As km_elf_read(), with KM_ELF_* flags. */
KM_CHECKED km_error *km_elf_read_flags(const void *bytes, size_t size, unsigned flags, km_elf **ret);
/* As km_elf_read_file(), with KM_ELF_* flags. */
KM_CHECKED km_error *km_elf_read_file_flags(const char *path, unsigned flags, km_elf **ret);
/* Also accepts linked files (vmlinux): sections and symbols, symbol values as addresses made section-relative. Relocations
 * of a linked file are left out. A symbol outside of its section (_end, the symbols of a linker script) becomes SHN_ABS
 * with its address as value; a size past the section's end is cut. */
KM_CHECKED km_error *km_elf_read_any(const void *bytes, size_t size, km_elf **ret);
/* An empty relocatable object: the null symbol alone. Ended with km_elf_destroy(). */
km_elf *km_elf_create(uint16_t machine);
/* Frees the model with all names, data and nodes; NULL is fine. */
void km_elf_destroy(km_elf *elf);
static inline void km_elf_destroyp(km_elf **elf) { km_elf_destroy(*elf); }
#define KM_AUTOELF KM_CLEANUP(km_elf_destroyp)

/* Lays the model out as a relocatable file: sections in order, each followed by its relocations; local symbols first, else
 * in order; deterministic, no time stamps. *bytes is the caller's. */
KM_CHECKED km_error *km_elf_write(const km_elf *elf, uint8_t **bytes, size_t *size);
/* The same into a file, atomically as km_file_write(). */
KM_CHECKED km_error *km_elf_write_file(const km_elf *elf, const char *path);

/* Construction. Strings and data are copied into the arena. */
struct km_sec *km_elf_add_sec(km_elf *elf, const char *name, uint32_t type, uint64_t flags, uint64_t align);
/* Grows the section's data and size by n bytes. */
void km_sec_append(km_elf *elf, struct km_sec *sec, const void *bytes, size_t n);
/* Replaces the section's data; relocations stay as they are. */
void km_sec_set(km_elf *elf, struct km_sec *sec, const void *bytes, size_t n);
/* Appends a symbol; sec NULL makes it undefined. value counts from the begin of sec. */
struct km_sym *km_elf_add_sym(km_elf *elf, const char *name, uint8_t bind, uint8_t type, struct km_sec *sec,
			      uint64_t value, uint64_t size);
/* The section's own symbol (STT_SECTION); made if absent. */
struct km_sym *km_elf_secsym(km_elf *elf, struct km_sec *sec);
/* Kept in order of offset; behind those of the same offset. */
void km_sec_add_rel(struct km_sec *sec, uint64_t offset, uint32_t type, struct km_sym *sym, int64_t addend);
/* Appends an empty second relocation section for target, as livepatch wants them; the caller fills rels. */
struct km_rela_extra *km_elf_add_rela(km_elf *elf, struct km_sec *target, const char *name, uint64_t flags);
/* Drops what keep() denies; symbols of dropped sections and relocations to dropped symbols must be gone by then (KM_BUG
 * names the first that is not). Renumbers. keep_* may be NULL to keep all. */
KM_CHECKED km_error *km_elf_prune(km_elf *elf, bool (*keep_sec)(const struct km_sec *, void *),
				  bool (*keep_sym)(const struct km_sym *, void *), void *ctx);

/* Look-ups. The first of that name, or NULL. They use indices that the functions above keep; who changes a name, or a
 * symbol's sec, value or size by hand, calls km_elf_reindex() before the next look-up. Look-ups may run in parallel. */
void km_elf_reindex(km_elf *elf);
/* The first section of that name, or NULL. */
struct km_sec *km_elf_sec(const km_elf *elf, const char *name);
/* The first symbol of that name, or NULL. */
struct km_sym *km_elf_sym(const km_elf *elf, const char *name);
/* The named object or function (not STT_SECTION, STT_FILE) of sec whose [value, value + size) covers offset; for a
 * zero-sized symbol, only its very start. Prefers STT_FUNC/STT_OBJECT, then global, then the larger. NULL if none. */
struct km_sym *km_elf_sym_at(const km_elf *elf, const struct km_sec *sec, uint64_t offset);
/* Where a relocation of sec points: its symbol and the distance from there. A section symbol is replaced by the symbol that
 * km_elf_sym_at() finds at the place, when there is one. On x86-64 the addend of a PC-relative field in code also holds
 * the distance from the field to the end of the instruction (-4, or -5 to -8 when an immediate follows): that is taken
 * out here. In data (`.long foo - .`) it holds no such thing, so sec is needed. */
void km_rel_target(const km_elf *elf, const struct km_sec *sec, const struct km_rel *rel, struct km_sym **sym,
		   int64_t *offset);

/* Relocation types of an architecture; a table. Unknown type: NULL. */
struct km_rel_type {
	const char *name;
	uint8_t size;   /* bytes of the field: 0, 1, 2, 4 or 8 */
	bool pcrel;
	bool is_signed; /* for the range check of a field of less than 8 bytes */
};
/* The type's row, whose text and lifetime are static; NULL for a type or machine that is not in the table. */
const struct km_rel_type *km_rel_type(uint16_t machine, uint32_t type);

static inline bool km_sec_is_text(const struct km_sec *s) { return s->type == SHT_PROGBITS && (s->flags & SHF_EXECINSTR); }
static inline bool km_sec_is_alloc(const struct km_sec *s) { return s->flags & SHF_ALLOC; }
static inline bool km_sec_is_strings(const struct km_sec *s) { return (s->flags & (SHF_MERGE | SHF_STRINGS)) == (SHF_MERGE | SHF_STRINGS); }
static inline bool km_sym_is_func(const struct km_sym *s) { return s->type == STT_FUNC && s->sec; }

#endif
