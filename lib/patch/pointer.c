// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Function pointers that carried code takes. A call may go straight to the new version: the caller is new code itself,
 * and leaves with it. A pointer may be kept in the kernel's structures: it must be the original's address, so that a
 * comparison with a pointer taken earlier holds, ftrace redirects it as it does every other call, and nothing dangles
 * once the patch is gone.
 */
#include "link.h"

static bool is_call(const struct km_sec *sec, const struct km_rel *rel)
{
	if (!km_sec_is_text(sec))
		return false;
	if (rel->type == R_X86_64_PLT32)
		return true;
	if (rel->type != R_X86_64_PC32 || rel->offset < 2)
		return false;
	return sec->data[rel->offset - 1] == 0xe8 || sec->data[rel->offset - 1] == 0xe9 ||
	       (sec->data[rel->offset - 2] == 0x0f && (sec->data[rel->offset - 1] & 0xf0) == 0x80);
}

/* Offset in the target's section; the instruction is taken to end with the field, as `lea` and `mov` do for functions.
 */
static uint64_t target_offset(const struct km_sec *sec, const struct km_rel *rel)
{
	bool relative = rel->type == R_X86_64_PC32 || rel->type == R_X86_64_PLT32;

	return rel->sym->value + (uint64_t)rel->addend + (relative && km_sec_is_text(sec) ? 4 : 0);
}

static const struct km_change_item *function_at(const km_diff *diff, const struct km_sec *sec, uint64_t offset)
{
	for (size_t i = 0; i < diff->items.n; i++) {
		const struct km_change_item *it = &diff->items.at[i];

		if (it->carried && it->carried->sec == sec && it->carried->type == STT_FUNC &&
		    it->carried->value == offset)
			return it;
	}
	return NULL;
}

static const char *holder(const km_elf *elf, const struct km_sec *sec, uint64_t offset)
{
	const struct km_sym *s = km_elf_sym_at(elf, sec, offset);

	return s ? s->name : sec->name;
}

/* Code refers to its own labels by an offset in itself; only the very start of a function is a pointer to it. */
static void resolve_pointer(struct km_link *link, struct km_link_unit *u, struct km_sec *sec, struct km_rel *rel)
{
	const km_elf *carry = u->unit->diff->carry;
	const struct km_change_item *it = function_at(u->unit->diff, rel->sym->sec, target_offset(sec, rel));
	struct km_sym *original;
	int64_t delta;

	if (!it)
		return;
	if (it->change != KM_NEW && it->orig && it->replaces) {
		original = km_resolve_original(link, u, it->orig, &delta);
		if (original) {
			rel->addend += delta + (int64_t)rel->sym->value - (int64_t)it->carried->value;
			rel->sym = original;
		}
		return;
	}
	km_link_judge(link, KM_RISK, "new-pointer", u, it->name,
		      km_arena_printf(link->arena,
				      "%s takes the address of %s, which exists only while the patch is loaded",
				      holder(carry, sec, rel->offset), it->name),
		      "see that no pointer to it stays in the kernel after the patch is unloaded, or never unload it");
}

void km_resolve_pointers(struct km_link *link, struct km_link_unit *u)
{
	km_elf *carry = u->unit->diff->carry;

	for (size_t i = 0; i < carry->secs.n; i++) {
		struct km_sec *sec = carry->secs.at[i];

		/* Entries of special sections describe the code that they come with. */
		if (!km_sec_is_alloc(sec) || km_special_find(sec->name))
			continue;
		for (size_t j = 0; j < sec->rels.n; j++)
			if (sec->rels.at[j].sym->sec && !is_call(sec, &sec->rels.at[j]))
				resolve_pointer(link, u, sec, &sec->rels.at[j]);
	}
}
