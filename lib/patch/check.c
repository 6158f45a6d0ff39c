// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The finished module, looked at as the loader will: what it would refuse on the host must be found here, and so must
 * what it would take in silence and be wrong. Sources: kernel/module/main.c, arch/x86/kernel/module.c,
 * kernel/livepatch/core.c.
 */
#include "link.h"

enum { VERSION_ENTRY = 64, VERSION_NAME = 8 };

/* What apply_relocate_add() of the kernel knows. */
static bool loader_knows(uint32_t type)
{
	switch (type) {
	case R_X86_64_NONE:
	case R_X86_64_64:
	case R_X86_64_32:
	case R_X86_64_32S:
	case R_X86_64_PC32:
	case R_X86_64_PLT32:
	case R_X86_64_PC64: return true;
	}
	return false;
}

static bool has_version(const struct km_sec *versions, const char *name)
{
	if (!versions || !versions->data)
		return false;
	for (uint64_t at = 0; at + VERSION_ENTRY <= versions->size; at += VERSION_ENTRY)
		if (!strncmp((const char *)versions->data + at + VERSION_NAME, name, VERSION_ENTRY - VERSION_NAME))
			return true;
	return false;
}

static km_error *check_undefined(const km_elf *ko, const km_exports *exports, enum km_flavour flavour)
{
	const struct km_sec *versions = km_elf_sec(ko, "__versions");

	for (size_t i = 1; i < ko->syms.n; i++) {
		const struct km_sym *s = ko->syms.at[i];
		const struct km_export *e;

		if (s->sec || s->shndx != SHN_UNDEF || s->bind == STB_WEAK)
			continue;
		if (flavour == KM_FLAVOUR_CORE && !strcmp(s->name, KM_CORE_ENABLE)) {
			if (versions && !has_version(versions, s->name))
				return km_error_new(KM_BUG, "the module has no version of %s", s->name);
			continue;
		}
		e = km_export_find(exports, s->name);
		if (!e)
			return km_error_new(KM_BUG, "the module needs %s, which the kernel does not export", s->name);
		if (strcmp(e->owner, "vmlinux"))
			return km_error_new(KM_BUG, "the module needs %s, and so module %s to be loaded first", s->name,
					    e->owner);
		if (versions && !has_version(versions, s->name))
			return km_error_new(KM_BUG, "the module has no version of %s", s->name);
	}
	return NULL;
}

static km_error *check_section(const struct km_sec *sec)
{
	const struct km_special *special = km_special_find(sec->name);

	if (special && special->kind == KM_SPECIAL_TABLE && special->entry && sec->size % special->entry)
		return km_error_new(KM_BUG, "section %s has %llu bytes, not a multiple of its entries' %u", sec->name,
				    (unsigned long long)sec->size, special->entry);
	if (!km_sec_is_alloc(sec))
		return NULL;
	if (km_starts(sec->name, ".data..percpu") && (strcmp(sec->name, ".data..percpu") || sec->rels.n))
		return km_error_new(KM_BUG, "the loader takes section %s for plain data, or leaves its relocations out",
				    sec->name);
	for (size_t i = 0; i < sec->rels.n; i++) {
		const struct km_rel *rel = &sec->rels.at[i];

		if (!loader_knows(rel->type))
			return km_error_new(KM_BUG, "section %s: the loader does not know relocation type %u",
					    sec->name, rel->type);
		if (!rel->sym->sec && rel->sym->shndx == KM_SHN_LIVEPATCH)
			return km_error_new(KM_BUG, "section %s: %s is used by an ordinary relocation", sec->name,
					    rel->sym->name);
	}
	return NULL;
}

/* "OBJECT" of ".klp.rela.OBJECT.section" and of ".klp.sym.OBJECT.name,pos". */
static km_error *object_of(const char *name, const char *prefix, char object[static KM_KLP_OBJECT_MAX + 1])
{
	const char *from = name + strlen(prefix);
	size_t n = km_starts(name, prefix) ? strcspn(from, ".") : 0;

	if (!n || n > KM_KLP_OBJECT_MAX || from[n] != '.')
		return km_error_new(KM_BUG, "the kernel cannot read the name %s", name);
	memcpy(object, from, n);
	object[n] = '\0';
	return NULL;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	while (n && !p[n - 1])
		n--;
	return !n;
}

static km_error *check_late_relocation(const km_elf *ko, const struct km_rela_extra *x, const struct km_rel *rel,
				       const char *object)
{
	const struct km_rel_type *type = km_rel_type(ko->machine, rel->type);
	char owner[KM_KLP_OBJECT_MAX + 1];

	if (rel->sym->shndx != KM_SHN_LIVEPATCH)
		return km_error_new(KM_BUG, "%s: %s is no livepatch symbol", x->name, rel->sym->name);
	KM_TRY(object_of(rel->sym->name, KM_KLP_SYM_PREFIX, owner));
	if (!strcmp(owner, "vmlinux") != !strcmp(object, "vmlinux"))
		return km_error_new(KM_BUG, "%s: %s cannot be looked up from there", x->name, rel->sym->name);
	if (!type || !loader_knows(rel->type))
		return km_error_new(KM_BUG, "%s: the loader does not know relocation type %u", x->name, rel->type);
	if (!x->target->data || rel->offset > x->target->size || type->size > x->target->size - rel->offset)
		return km_error_new(KM_BUG, "%s: a relocation lies outside of its section", x->name);
	if (!is_zero(x->target->data + rel->offset, type->size))
		return km_error_new(KM_BUG, "%s: the field at 0x%llx is not zero", x->name,
				    (unsigned long long)rel->offset);
	return NULL;
}

static km_error *check_late(const km_elf *ko, const struct km_rela_extra *x)
{
	char object[KM_KLP_OBJECT_MAX + 1];

	KM_TRY(object_of(x->name, KM_KLP_RELA_PREFIX, object));
	if (km_starts(x->target->name, ".data..percpu"))
		return km_error_new(KM_BUG, "%s: the loader keeps no place to apply it to", x->name);
	for (size_t i = 0; i < x->rels.n; i++)
		KM_TRY(check_late_relocation(ko, x, &x->rels.at[i], object));
	return NULL;
}

km_error *km_check_module(const km_elf *ko, const km_exports *exports, enum km_flavour flavour)
{
	KM_TRY(check_undefined(ko, exports, flavour));
	for (size_t i = 0; i < ko->secs.n; i++)
		KM_TRY(check_section(ko->secs.at[i]));
	for (size_t i = 0; i < ko->extras.n; i++)
		KM_TRY(check_late(ko, ko->extras.at[i]));
	return NULL;
}
