/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shipped module: its model and the symbols by which livepatch finds things in it.
 *
 * livepatch counts in module_kallsyms_on_each_symbol() (6.1, 6.12): the module's symbol table in the file's order,
 * without undefined symbols. While the module is COMING that is the whole table. Once it is LIVE it is the copy of the
 * core symbols (is_core_symbol(), with CONFIG_KALLSYMS_ALL, which livepatch needs): those of allocated sections that are not
 * discarded after init. We number the core symbols, and keep the other count beside it.
 */
#include "image.h"

/* Loaded, but not kept, by rewrite_section_headers() in the kernel. */
static bool is_tracked_only(const struct km_sec *sec)
{
	return !strcmp(sec->name, ".modinfo") || !strcmp(sec->name, "__versions");
}

static bool is_defined(const struct km_sym *sym)
{
	return sym->index && sym->type != STT_SECTION && *sym->name && (sym->sec || sym->shndx != SHN_UNDEF);
}

static bool is_core(const struct km_sym *sym)
{
	return is_defined(sym) && sym->sec && km_sec_is_alloc(sym->sec) && !is_tracked_only(sym->sec) &&
	       !km_starts(sym->sec->name, ".init");
}

/* As elf_type() in kernel/module/kallsyms.c. */
static char type_of(const struct km_sym *sym)
{
	const struct km_sec *sec = sym->sec;

	if (sym->bind == STB_WEAK)
		return sym->type == STT_OBJECT ? 'v' : 'w';
	if (!strcmp(sec->name, ".data..percpu"))
		return 'a';
	if (sec->flags & SHF_EXECINSTR)
		return 't';
	if (sec->type == SHT_NOBITS)
		return 'b';
	return sec->flags & SHF_WRITE ? 'd' : 'r';
}

/* How often a name occurs in the whole table: in all, and so far. */
struct count {
	unsigned total, seen;
};

static void count_names(const km_elf *elf, km_arena *arena, km_map *counts)
{
	for (size_t i = 0; i < elf->syms.n; i++) {
		struct count *count;

		if (!is_defined(elf->syms.at[i]))
			continue;
		count = km_map_get(counts, elf->syms.at[i]->name);
		if (!count) {
			count = km_arena_new(arena, struct count);
			km_map_put(counts, elf->syms.at[i]->name, count);
		}
		count->total++;
	}
}

static void add_symbols(km_object *obj)
{
	km_arena *arena = km_arena_create();
	km_map *counts = km_map_create();

	count_names(obj->elf, arena, counts);
	for (size_t i = 0; i < obj->elf->syms.n; i++) {
		const struct km_sym *sym = obj->elf->syms.at[i];
		struct count *count = is_defined(sym) ? km_map_get(counts, sym->name) : NULL;

		if (count)
			count->seen++;
		if (is_core(sym))
			km_vec_push(&obj->syms, (struct km_ksym){.name = sym->name, .addr = sym->value, .size = sym->size,
					.sec = sym->sec, .type = type_of(sym),
					.sympos_coming = count->total > 1 ? count->seen : 0});
	}
	km_map_destroy(counts);
	km_arena_destroy(arena);
}

/* /proc/kallsyms shows a module's exported symbols by a capital letter. */
static void mark_exported(km_object *obj)
{
	for (size_t i = 0; i < obj->syms.n; i++) {
		struct km_ksym *sym = &obj->syms.at[i];
		const char *name = sym->name;
		const struct km_ksym *const *found;
		size_t n;

		if (!km_starts(name, "__ksymtab_"))
			continue;
		found = km_ksyms_named(obj, name + strlen("__ksymtab_"), &n);
		for (size_t k = 0; k < n; k++)
			if (found[k]->type >= 'a' && found[k]->type <= 'z')
				obj->syms.at[found[k] - obj->syms.at].type -= 'a' - 'A';
	}
}

/* The name in .modinfo, else the file's, as the kernel would spell it. */
static char *name_of(const km_elf *elf, const char *path)
{
	const struct km_sec *info = km_elf_sec(elf, ".modinfo");
	km_cursor c = km_cursor_of(info && info->data ? info->data : NULL, info && info->data ? info->size : 0);
	const char *base = strrchr(path, '/');
	char *name;

	for (const char *entry; (entry = km_getstr(&c));)
		if (km_starts(entry, "name=") && entry[5])
			return km_strdup(entry + 5);
	base = base ? base + 1 : path;
	name = km_strndup(base, strstr(base, ".ko") ? (size_t)(strstr(base, ".ko") - base) : strlen(base));
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

/* Takes over elf. */
static km_object *make_object(const char *path, km_elf *elf)
{
	KM_AUTOFREE char *name = name_of(elf, path);
	km_object *obj = km_object_create(name, path);

	obj->elf = elf;
	for (size_t i = 0; i < elf->secs.n && !obj->build_id_len; i++)
		if (elf->secs.at[i]->type == SHT_NOTE)
			km_object_build_id(obj, elf->secs.at[i]->data, elf->secs.at[i]->size);
	add_symbols(obj);
	km_object_index(obj);
	mark_exported(obj);
	return obj;
}

km_error *km_module_open(const char *path, km_object **ret)
{
	KM_AUTOFREE uint8_t *packed = NULL, *bytes = NULL;
	size_t packed_size, size;
	km_elf *elf = NULL;
	km_error *err;

	KM_TRY(km_file_read(path, &packed, &packed_size));
	err = km_decompress(packed, packed_size, KM_IMAGE_LIMIT, &bytes, &size);
	if (!err)
		err = km_elf_read(bytes, size, &elf);
	if (err)
		return km_error_add(err, "cannot read module %s", path);
	*ret = make_object(path, elf);
	return NULL;
}
