/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What reading and construction share, and users of the model do not need. */
#ifndef KMEND_ELF_MODEL_H
#define KMEND_ELF_MODEL_H

#include <kmend/elf.h>

/* Neither is in <elf.h>. A livepatch relocation section belongs to the module loader, beside the ordinary one. */
#define KM_SHF_RELA_LIVEPATCH 0x00100000
#define KM_SHN_LIVEPATCH 0xff20
#define KM_SHN_X86_64_LCOMMON 0xff02
#define KM_SHT_LLVM_ADDRSIG 0x6fff4c03

/* Appends an empty node; nothing is indexed yet. name must live as long as the arena. */
struct km_sec *km_model_sec(km_elf *elf, const char *name);
/* The same for a symbol. */
struct km_sym *km_model_sym(km_elf *elf, const char *name);
/* Enters sym among the symbols of its section, in its place. */
void km_model_span(struct km_sym *sym);
/* The same for many: enter all, then sort each section once. */
void km_model_enter(struct km_sym *sym);
/* After km_model_enter(): puts the symbols of sec in the order that look-ups search. */
void km_model_sort_spans(struct km_sec *sec);

#endif
