// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Tables that the loader works through when the patch is loaded: their keys must be there by then. A key of a module
 * may not be, so its entries cannot travel. For the core no key is that is not exported: it writes its relocations when
 * the patch's own init runs, while the kernel's livepatch writes those of vmlinux before the loader reads the tables. It
 * hands jump tables to the kernel itself, after that (core.c). A static call then stays what the compiler made of it, a call of the
 * trampoline, which is kept up to date with or without sites (arch_static_call_transform()). A tracepoint's branch
 * keeps its default, off. Other keys steer what the code does.
 */
#include "link.h"

struct key_table {
	const char *section;
	unsigned entry, key; /* bytes of an entry; offset of the key in it */
};

static const struct key_table key_tables[] = {
	{KM_JUMP_TABLE, 16, 8},
	{".static_call_sites", 8, 4},
};

static bool is_tracepoint(const char *name)
{
	return km_starts(name, "__tracepoint_");
}

static const struct km_klp_sym *klp_of_rel(const struct km_link *link, const struct km_rel *rel)
{
	if (rel->sym->sec || !km_starts(rel->sym->name, KM_TEMP_KLP))
		return NULL;
	return link->klps.at[strtoul(rel->sym->name + strlen(KM_TEMP_KLP), NULL, 10)];
}

static bool is_late(const struct km_link *link, const struct km_klp_sym *klp)
{
	return klp && (link->flavour == KM_FLAVOUR_CORE || strcmp(klp->relas, "vmlinux"));
}

/* "symbol of module m, which may come later", for the reasons. */
static const char *late_text(struct km_link *link, const struct km_klp_sym *klp)
{
	if (!strcmp(klp->object, "vmlinux"))
		return km_arena_printf(link->arena, "%s, which is not exported: kmend.ko fills it in after that", klp->name);
	return km_arena_printf(link->arena, "%s of module %s, which may not be loaded yet", klp->name, klp->object);
}

static const struct km_rel *rel_in(const struct km_sec *sec, uint64_t offset)
{
	for (size_t i = 0; i < sec->rels.n; i++)
		if (sec->rels.at[i].offset == offset)
			return &sec->rels.at[i];
	return NULL;
}

static const char *user_of(const km_elf *carry, const struct km_sec *table, uint64_t entry)
{
	const struct km_rel *rel = rel_in(table, entry);
	const char *name = rel && rel->sym->sec
				   ? km_link_user(carry, rel->sym->sec, rel->sym->value + (uint64_t)rel->addend)
				   : NULL;

	return name ? name : "the patch";
}

static bool core_hands_over(const struct key_table *t)
{
	return !strcmp(t->section, KM_JUMP_TABLE);
}

/* May the entry at `entry` travel? Judges when not. */
static bool entry_may_stay(struct km_link *link, struct km_link_unit *u, const struct key_table *t,
			   const struct km_sec *table, uint64_t entry)
{
	const struct km_rel *rel = rel_in(table, entry + t->key);
	const struct km_klp_sym *klp = rel ? klp_of_rel(link, rel) : NULL;
	const char *user = user_of(u->unit->diff->carry, table, entry);

	if (!is_late(link, klp) || (core_hands_over(t) && !strcmp(klp->object, "vmlinux")))
		return true;
	if (!strcmp(t->section, ".static_call_sites"))
		return false;
	if (is_tracepoint(klp->name)) {
		km_link_judge(link, KM_RISK, "module-tracepoint", u, user,
			      km_arena_printf(link->arena, "the tracepoint %s of module %s stays silent in the new %s",
					      klp->name + strlen("__tracepoint_"), klp->object, user),
			      "nothing, unless someone traces it: trace the patched function instead");
		return false;
	}
	km_link_judge(link, KM_REFUSE, "module-static-key", u, user,
		      km_arena_printf(link->arena, "%s branches on the static key %s", user, late_text(link, klp)),
		      "read the key's state in the new code (static_key_enabled()) in place of the static branch");
	return true;
}

static void drop_entry(struct km_sec *table, uint64_t entry, unsigned size)
{
	size_t kept = 0;

	memmove(table->data + entry, table->data + entry + size, table->size - entry - size);
	table->size -= size;
	for (size_t i = 0; i < table->rels.n; i++) {
		struct km_rel rel = table->rels.at[i];

		if (rel.offset >= entry && rel.offset < entry + size)
			continue;
		if (rel.offset >= entry + size)
			rel.offset -= size;
		table->rels.at[kept++] = rel;
	}
	table->rels.n = kept;
}

static void check_late(struct km_link *link, struct km_link_unit *u, const struct km_sec *sec)
{
	const km_elf *carry = u->unit->diff->carry;

	for (size_t i = 0; i < sec->rels.n; i++) {
		const struct km_rel *rel = &sec->rels.at[i];
		const struct km_klp_sym *klp = klp_of_rel(link, rel);
		const struct km_rel_type *type = km_rel_type(carry->machine, rel->type);
		const char *by;

		if (!type || !is_late(link, klp))
			continue;
		by = km_mask_rewritten(carry, sec, rel->offset, type->size);
		if (by)
			km_link_judge(link, KM_REFUSE, "late-relocation", u, klp->name,
				      km_arena_printf(link->arena, "an instruction that the loader rewrites (%s) refers to %s",
						      by, late_text(link, klp)),
				      "call it through a function of the patch of its own");
	}
}

void km_resolve_keys(struct km_link *link, struct km_link_unit *u)
{
	km_elf *carry = u->unit->diff->carry;

	for (size_t t = 0; t < KM_COUNT(key_tables); t++) {
		struct km_sec *table = km_elf_sec(carry, key_tables[t].section);
		uint64_t at = 0;

		while (table && table->data && at + key_tables[t].entry <= table->size) {
			if (entry_may_stay(link, u, &key_tables[t], table, at))
				at += key_tables[t].entry;
			else
				drop_entry(table, at, key_tables[t].entry);
		}
	}
	for (size_t i = 0; i < carry->secs.n; i++)
		check_late(link, u, carry->secs.at[i]);
}
