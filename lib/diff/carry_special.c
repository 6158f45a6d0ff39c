/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * carry_special.c - the special sections' entries that travel: those of included code, in their order.
 */
#include "part.h"

/* An entry that the assembler left short at its section's end (.parainstructions) is filled up, so that the next unit's
 * begin aligned. */
static void append_entry(struct km_work *w, struct km_sec *out, const struct km_entry *e, uint64_t size)
{
	static const uint8_t zero[64];

	km_sec_append(w->d->carry, out, e->sec->data + e->offset, e->size);
	if (e->size < size && size - e->size <= sizeof(zero))
		km_sec_append(w->d->carry, out, zero, size - e->size);
}

static km_error *carry_entry(struct km_work *w, const struct km_entry *e)
{
	struct km_sec *out = km_carry_sec(w, e->sec);
	uint64_t at = out->size;

	append_entry(w, out, e, km_info_of(&w->patched, e->sec)->entry);
	for (size_t i = 0; i < e->n_rels; i++)
		KM_TRY(km_carry_rel(w, out, at + (e->rels[i].offset - e->offset), NULL, e->sec, &e->rels[i]));
	return NULL;
}

/* .orc_unwind[n] belongs to .orc_unwind_ip[n]. */
static km_error *carry_orc(struct km_work *w, struct km_sec *ip)
{
	struct km_sec *orc = km_elf_sec(w->patched.elf, ".orc_unwind");
	uint64_t stride = km_info_of(&w->patched, ip)->entry, n = stride ? ip->size / stride : 0;

	if (!n)
		return NULL;
	if (!orc || !orc->data || !orc->size || orc->size % n)
		return km_error_new(KM_INPUT, ".orc_unwind does not match the %llu entries of .orc_unwind_ip",
				    (unsigned long long)n);
	for (size_t i = 0; i < w->patched.entries.n; i++) {
		const struct km_entry *e = w->patched.entries.at[i];

		if (e->sec == ip && e->owner && e->owner->included)
			km_sec_append(w->d->carry, km_carry_sec(w, orc),
				      orc->data + e->offset / stride * (orc->size / n), orc->size / n);
	}
	return NULL;
}

km_error *km_carry_specials(struct km_work *w)
{
	for (size_t i = 0; i < w->patched.entries.n; i++) {
		const struct km_entry *e = w->patched.entries.at[i];

		if (e->owner && e->owner->included)
			KM_TRY(carry_entry(w, e));
	}
	for (size_t i = 0; i < w->patched.elf->secs.n; i++)
		if (!strcmp(w->patched.elf->secs.at[i]->name, ".orc_unwind_ip"))
			KM_TRY(carry_orc(w, w->patched.elf->secs.at[i]));
	return NULL;
}
