/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mask.h - the bytes of a function that loading, boot or tracing may rewrite. */
#ifndef KMEND_PATCH_MASK_H
#define KMEND_PATCH_MASK_H

#include <kmend/patch.h>

struct km_range {
	uint64_t offset, length;
};
typedef km_vec(struct km_range) km_ranges;

/* Ranges of `func` of the plain object, relative to its start, ascending, joined where they touch, inside its size. */
void km_mask_of(const km_elf *plain, const struct km_sym *func, km_ranges *ret);
/* SHA-256 of n bytes with the ranges set to zero. */
void km_mask_hash(const uint8_t *bytes, size_t n, const km_ranges *mask, uint8_t out[static KM_SHA256_LEN]);
/* Is the field [offset, offset + size) of `sec` inside code that the loader patches over by itself (alternatives,
 * paravirt, static calls, retpolines, returns), or a copy that it takes (.altinstr_replacement)? Then a late relocation
 * would come after the fact. Gives the section that says so, or NULL. */
const char *km_mask_rewritten(const km_elf *elf, const struct km_sec *sec, uint64_t offset, unsigned size);

#endif
