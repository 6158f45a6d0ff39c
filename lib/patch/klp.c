// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * After the link: what modpost and ld took for plain undefined symbols becomes livepatch symbols and relocation
 * sections. Format: Documentation/livepatch/module-elf-format.rst.
 */
#include "link.h"

/* "kmend_klp_12" -> 12; false for another name or an index past n. */
static bool temp_index(const char *name, const char *prefix, size_t n, size_t *ret)
{
	char *end;
	unsigned long i;

	if (!km_starts(name, prefix) || name[strlen(prefix)] < '0' || name[strlen(prefix)] > '9')
		return false;
	i = strtoul(name + strlen(prefix), &end, 10);
	if (*end || i >= n)
		return false;
	*ret = i;
	return true;
}

struct km_klp_sym *km_klp_of_name(const struct km_link *link, const char *name)
{
	size_t n;

	return temp_index(name, KM_TEMP_KLP, link->klps.n, &n) ? link->klps.at[n] : NULL;
}

static struct km_rela_extra *extra_for(km_elf *ko, struct km_sec *sec, const char *object)
{
	const char *name = km_arena_printf(ko->arena, KM_KLP_RELA_PREFIX "%s.%s", object, sec->name);

	for (size_t i = 0; i < ko->extras.n; i++)
		if (ko->extras.at[i]->target == sec && !strcmp(ko->extras.at[i]->name, name))
			return ko->extras.at[i];
	/* The relocations are applied when the object comes, long after the file is gone: they must be loaded. */
	return km_elf_add_rela(ko, sec, name, SHF_ALLOC | SHF_INFO_LINK | KM_SHF_RELA_LIVEPATCH);
}

void km_klp_zero_field(const km_elf *ko, struct km_sec *sec, const struct km_rel *rel)
{
	const struct km_rel_type *type = km_rel_type(ko->machine, rel->type);

	if (type && sec->data && rel->offset <= sec->size && type->size <= sec->size - rel->offset)
		memset(sec->data + rel->offset, 0, type->size);
}

static void split_relocations(const struct km_link *link, km_elf *ko, struct km_sec *sec)
{
	size_t kept = 0, i, n;

	for (i = 0; i < sec->rels.n; i++) {
		struct km_rel rel = sec->rels.at[i];

		if (rel.sym->sec || !temp_index(rel.sym->name, KM_TEMP_KLP, link->klps.n, &n)) {
			sec->rels.at[kept++] = rel;
			continue;
		}
		km_klp_zero_field(ko, sec, &rel);
		km_vec_push(&extra_for(ko, sec, link->klps.at[n]->relas)->rels, rel);
	}
	sec->rels.n = kept;
}

/* The glue's pointers go to the function's own symbol; the alias can be dropped then. */
static struct km_sym *own_symbol(const km_elf *ko, const struct km_sym *alias)
{
	for (size_t i = 1; i < ko->syms.n; i++) {
		struct km_sym *s = ko->syms.at[i];

		if (s != alias && s->sec == alias->sec && s->value == alias->value && s->type == STT_FUNC &&
		    !km_starts(s->name, KM_TEMP_FUNC))
			return s;
	}
	return NULL;
}

static km_error *drop_aliases(const struct km_link *link, km_elf *ko)
{
	for (size_t i = 0; i < ko->secs.n; i++) {
		struct km_sec *sec = ko->secs.at[i];

		for (size_t j = 0, n; j < sec->rels.n; j++) {
			struct km_rel *rel = &sec->rels.at[j];
			struct km_sym *own;

			if (!temp_index(rel->sym->name, KM_TEMP_FUNC, link->funcs.n, &n))
				continue;
			own = rel->sym->sec ? own_symbol(ko, rel->sym) : NULL;
			if (!own)
				return km_error_new(KM_BUG, "the new %s was lost in linking", link->funcs.at[n].name);
			rel->sym = own;
		}
	}
	return NULL;
}

static void name_symbols(const struct km_link *link, km_elf *ko)
{
	for (size_t i = 1, n; i < ko->syms.n; i++) {
		struct km_sym *s = ko->syms.at[i];

		if (link->flavour == KM_FLAVOUR_KLP && !s->sec && temp_index(s->name, KM_TEMP_KLP, link->klps.n, &n)) {
			const struct km_klp_sym *klp = link->klps.at[n];

			s->name = km_arena_printf(ko->arena, KM_KLP_SYM_PREFIX "%s.%s,%u", klp->object, klp->name,
						  klp->sympos);
			s->shndx = KM_SHN_LIVEPATCH;
		} else if (s->sec && temp_index(s->name, KM_TEMP_NEW, link->news.n, &n)) {
			s->name = km_arena_strdup(ko->arena, link->news.at[n]->name);
			s->bind = STB_LOCAL;
		}
	}
}

static bool keeps_section(const struct km_sec *sec, void *ctx)
{
	(void)ctx;
	return !km_starts(sec->name, ".debug") && !km_starts(sec->name, ".BTF") && strcmp(sec->name, ".comment") &&
	       !km_starts(sec->name, ".gnu.build.attributes");
}

struct kept {
	const km_elf *ko;
	bool *used; /* by symbol index */
};

static bool keeps_symbol(const struct km_sym *s, void *ctx)
{
	const struct kept *kept = ctx;

	if (s->type == STT_FILE || km_starts(s->name, KM_TEMP_FUNC))
		return false;
	if (s->sec && !keeps_section(s->sec, NULL))
		return false;
	return s->sec || s->shndx != SHN_UNDEF || kept->used[s->index];
}

static bool *used_symbols(const km_elf *ko)
{
	bool *used = km_calloc(ko->syms.n + 1, sizeof(*used));

	for (size_t i = 0; i < ko->secs.n; i++)
		for (size_t j = 0; keeps_section(ko->secs.at[i], NULL) && j < ko->secs.at[i]->rels.n; j++)
			used[ko->secs.at[i]->rels.at[j].sym->index] = true;
	for (size_t i = 0; i < ko->extras.n; i++)
		for (size_t j = 0; j < ko->extras.at[i]->rels.n; j++)
			used[ko->extras.at[i]->rels.at[j].sym->index] = true;
	return used;
}

km_error *km_klp_names(const struct km_link *link, km_elf *ko)
{
	KM_TRY(drop_aliases(link, ko));
	name_symbols(link, ko);
	return NULL;
}

km_error *km_klp_prune(km_elf *ko)
{
	bool *used KM_AUTOFREE = used_symbols(ko);
	struct kept kept = {ko, used};

	return km_elf_prune(ko, keeps_section, keeps_symbol, &kept);
}

km_error *km_klp_finish(struct km_link *link, km_elf *ko)
{
	for (size_t i = 0; i < ko->secs.n; i++)
		split_relocations(link, ko, ko->secs.at[i]);
	KM_TRY(km_klp_names(link, ko));
	return km_klp_prune(ko);
}
