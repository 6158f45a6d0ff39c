/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that is being read: its tables, checked, and the nodes made from them so far. */
#ifndef KMEND_ELF_READ_H
#define KMEND_ELF_READ_H

#include "model.h"

struct strings {
	const char *at; /* in the arena; a NUL stands past the end */
	size_t size;
};

struct reader {
	const uint8_t *bytes;
	size_t size;
	unsigned flags; /* KM_ELF_* */
	bool linked;    /* ET_EXEC or ET_DYN */
	Elf64_Ehdr eh;
	Elf64_Shdr *sh; /* n of them; a copy, since the file's need not be aligned */
	size_t n, shstrndx, symtab, symtab_shndx; /* the latter two 0 when absent */
	struct strings names;   /* of sections */
	bool *left_out;         /* by file index: seen and skipped on purpose */
	struct km_sec **secs;   /* by file index; NULL for those that are no part of the model */
	struct km_sym **syms;   /* by file index; NULL for those left out */
	size_t n_syms;
	km_elf *elf;
};

/* Errors that name the place: the section and the byte of its header. */
km_error *km_bad_sec(const struct reader *r, size_t i, const char *fmt, ...) KM_PRINTF(3, 4);
/* A view of a name, or NULL when offset lies outside of the table. */
const char *km_strings_at(const struct strings *s, uint64_t offset);
/* Copies section i, which must be a string table, into the arena. */
KM_CHECKED km_error *km_read_strings(struct reader *r, size_t i, struct strings *ret);
/* Makes the model's symbols from the symbol table. KM_INPUT names the symbol that is wrong. */
KM_CHECKED km_error *km_read_symbols(struct reader *r);
/* Makes the model's relocations; sections and symbols must be there. KM_INPUT names the entry that is wrong. */
KM_CHECKED km_error *km_read_relocations(struct reader *r);

#endif
