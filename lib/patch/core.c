// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module for kmend.ko: what the klp flavour puts into .klp.rela.* sections becomes arrays of struct kmend_reloc, one for each
 * object whose symbols are needed, which the module loader relocates and the core applies. The layout of an entry on 64-bit
 * machines (kmod/kmend.h, KMEND_ABI 1), 32 bytes:
 *
 *   0 place (pointer)   8 name (pointer)   16 sympos (u32)   20 type (u32)   24 addend (s64)
 */
#include "link.h"

enum { ENTRY = 32, AT_NAME = 8, AT_SYMPOS = 16, AT_TYPE = 20, AT_ADDEND = 24 };

void km_core_mark(struct km_link *link, const struct km_link_unit *units, size_t n)
{
	for (size_t i = 0; i < link->klps.n; i++)
		link->klps.at[i]->used = false;
	link->late_jumps = false;
	for (size_t u = 0; u < n; u++) {
		const km_elf *carry = units[u].unit->diff->carry;

		for (size_t i = 0; i < carry->secs.n; i++) {
			const struct km_sec *sec = carry->secs.at[i];

			for (size_t j = 0; km_sec_is_alloc(sec) && j < sec->rels.n; j++) {
				const struct km_sym *s = sec->rels.at[j].sym;
				struct km_klp_sym *klp = s->sec ? NULL : km_klp_of_name(link, s->name);

				if (!klp)
					continue;
				klp->used = true;
				link->late_jumps |= !strcmp(sec->name, KM_JUMP_TABLE);
			}
		}
	}
}

bool km_core_has_relocs(const struct km_link *link, const char *object)
{
	for (size_t i = 0; i < link->klps.n; i++)
		if (link->klps.at[i]->used && !strcmp(link->klps.at[i]->object, object))
			return true;
	return false;
}

static void add_name(km_strv *to, const char *object, bool vmlinux)
{
	if (vmlinux == !strcmp(object, "vmlinux") && !km_strv_has(to, object))
		km_strv_push(to, object);
}

static void add_names(const struct km_link *link, bool vmlinux, km_strv *to)
{
	for (size_t i = 0; i < link->funcs.n; i++)
		add_name(to, link->funcs.at[i].object, vmlinux);
	for (size_t i = 0; i < link->klps.n; i++)
		if (link->klps.at[i]->used)
			add_name(to, link->klps.at[i]->object, vmlinux);
}

void km_core_objects(const struct km_link *link, km_strv *ret)
{
	km_strv modules = {0};

	add_names(link, true, ret);
	add_names(link, false, &modules);
	km_strv_sort(&modules);
	for (size_t i = 0; i < modules.n; i++)
		km_strv_push(ret, modules.at[i]);
	km_strv_free(&modules);
}

/* ---- the arrays -------------------------------------------------------------------------------------------------- */
struct tables {
	const struct km_link *link;
	km_elf *ko;
	struct km_sec *relocs, *names;
	km_map *offsets; /* of a name in `names`, plus one */
};

static uint64_t name_offset(struct tables *t, const char *name)
{
	uint64_t at = (uintptr_t)km_map_get(t->offsets, name);

	if (!at) {
		at = t->names->size + 1;
		km_sec_append(t->ko, t->names, name, strlen(name) + 1);
		km_map_put(t->offsets, name, (void *)(uintptr_t)at);
	}
	return at - 1;
}

static void put(uint8_t *to, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static void add_entry(struct tables *t, struct km_sec *place, const struct km_rel *rel, const struct km_klp_sym *klp)
{
	uint64_t at = t->relocs->size;
	uint8_t entry[ENTRY] = {0};

	put(entry + AT_SYMPOS, klp->sympos, 4);
	put(entry + AT_TYPE, rel->type, 4);
	put(entry + AT_ADDEND, (uint64_t)rel->addend, 8);
	km_sec_append(t->ko, t->relocs, entry, ENTRY);
	km_sec_add_rel(t->relocs, at, R_X86_64_64, km_elf_secsym(t->ko, place), (int64_t)rel->offset);
	km_sec_add_rel(t->relocs, at + AT_NAME, R_X86_64_64, km_elf_secsym(t->ko, t->names),
		       (int64_t)name_offset(t, klp->name));
}

static void add_object(struct tables *t, const char *object)
{
	static const uint8_t end[ENTRY];

	for (size_t i = 0; i < t->ko->secs.n; i++) {
		struct km_sec *sec = t->ko->secs.at[i];

		for (size_t j = 0; km_sec_is_alloc(sec) && j < sec->rels.n; j++) {
			const struct km_rel *rel = &sec->rels.at[j];
			const struct km_klp_sym *klp = rel->sym->sec ? NULL : km_klp_of_name(t->link, rel->sym->name);

			if (klp && rel->type != R_X86_64_NONE && !strcmp(klp->object, object))
				add_entry(t, sec, rel, klp);
		}
	}
	km_sec_append(t->ko, t->relocs, end, sizeof(end));
}

/* Those that are in the arrays now are no longer the loader's. */
static void drop_relocations(const struct tables *t, struct km_sec *sec)
{
	size_t kept = 0;

	for (size_t i = 0; i < sec->rels.n; i++) {
		struct km_rel rel = sec->rels.at[i];

		if (rel.sym->sec || !km_klp_of_name(t->link, rel.sym->name))
			sec->rels.at[kept++] = rel;
		else
			km_klp_zero_field(t->ko, sec, &rel);
	}
	sec->rels.n = kept;
}

static km_error *define(km_elf *ko, const char *name, struct km_sec *sec, uint64_t value)
{
	struct km_sym *sym = km_elf_sym(ko, name);

	if (!sym || sym->sec)
		return km_error_new(KM_BUG, "the glue has no use for %s", name);
	sym->sec = sec;
	sym->shndx = SHN_XINDEX;
	sym->value = value;
	sym->bind = STB_LOCAL;
	sym->type = STT_OBJECT;
	return NULL;
}

static km_error *add_tables(struct tables *t)
{
	KM_CLEANUP(km_strv_free) km_strv objects = {0};

	km_core_objects(t->link, &objects);
	for (size_t i = 0; i < objects.n; i++) {
		KM_AUTOFREE char *name = km_printf(KM_TEMP_RELOCS "%zu", i);

		if (!km_core_has_relocs(t->link, objects.at[i]))
			continue;
		KM_TRY(define(t->ko, name, t->relocs, t->relocs->size));
		add_object(t, objects.at[i]);
	}
	return NULL;
}

/* The loader would read the table before the core has found its keys: under another name it takes it for plain data. */
static km_error *hide_jump_table(km_elf *ko)
{
	struct km_sec *table = km_elf_sec(ko, KM_JUMP_TABLE);

	if (!table)
		return km_error_new(KM_BUG, "the jump table was lost in linking");
	KM_TRY(define(ko, KM_TEMP_JUMPS, table, 0));
	KM_TRY(define(ko, KM_TEMP_JUMPS_END, table, table->size));
	table->name = ".data.kmend_jump_table";
	table->flags |= SHF_WRITE;
	km_elf_reindex(ko);
	return NULL;
}

km_error *km_core_finish(struct km_link *link, km_elf *ko)
{
	struct tables t = {.link = link, .ko = ko};
	size_t n = ko->secs.n;
	km_error *err = NULL;

	if (link->klps.n) {
		t.offsets = km_map_create();
		t.relocs = km_elf_add_sec(ko, ".rodata.kmend_relocs", SHT_PROGBITS, SHF_ALLOC, 8);
		t.names = km_elf_add_sec(ko, ".rodata.kmend_names", SHT_PROGBITS, SHF_ALLOC, 1);
		err = add_tables(&t);
		for (size_t i = 0; i < n; i++)
			drop_relocations(&t, ko->secs.at[i]);
		km_map_destroy(t.offsets);
		km_elf_reindex(ko);
	}
	if (!err && link->late_jumps)
		err = hide_jump_table(ko);
	if (!err)
		err = km_klp_names(link, ko);
	return err ? err : km_klp_prune(ko);
}
