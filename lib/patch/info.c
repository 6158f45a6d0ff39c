// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a module file says of itself. Ours says it in KM_META_SECTION. For a livepatch module that other tools or hands
 * made, its objects are told from the names of its livepatch sections and symbols, its functions from tables of struct
 * klp_func in its data.
 */
#include <jansson.h>

#include <kmend/patch.h>

enum {
	KLP_FUNC_NEW = 8,
	KLP_FUNC_SYMPOS = 16,
	KLP_FUNC_HEAD = 24,
	NAME_MAX_LEN = 511,
	FUNCS_MAX = 4096,
	OBJECTS_MAX = 1024,
	SAME_OFFSET_MAX = 8
};

static void set(char **field, const char *value)
{
	if (!value)
		return;
	free(*field);
	*field = km_strdup(value);
}

/* ---- modinfo ---- */

static void take_tag(struct km_info *info, const char *tag)
{
	const struct {
		const char *tag;
		char **field;
	} fields[] = {
		{"name=", &info->name},
		{"vermagic=", &info->vermagic},
		{"description=", &info->description},
		{"version=", &info->version},
		{"kmend_version=", &info->version},
		{"kmend_release=", &info->release},
		{"kmend_build_id=", &info->build_id},
		{"kmend_tool=", &info->tool},
	};

	if (!strcmp(tag, "livepatch=Y"))
		info->livepatch = true;
	for (size_t i = 0; i < KM_COUNT(fields); i++)
		if (km_starts(tag, fields[i].tag))
			set(fields[i].field, tag + strlen(fields[i].tag));
}

/* Tags stand one after the other, each with its NUL, sometimes with more of them for alignment. */
static km_error *take_modinfo(struct km_info *info, const struct km_sec *sec)
{
	km_cursor c = km_cursor_of(sec->data, sec->size);

	while (km_left(&c)) {
		const char *tag = km_getstr(&c);

		if (!tag)
			return km_error_new(KM_INPUT, "section .modinfo ends inside a tag");
		take_tag(info, tag);
	}
	return NULL;
}

/* "6.1.0-50-cloud-amd64 SMP preempt …" begins with the release. */
static void release_from_vermagic(struct km_info *info)
{
	if (!info->release && info->vermagic)
		info->release = km_strndup(info->vermagic, strcspn(info->vermagic, " "));
}

/* ---- objects ---- */

static struct km_info_object *object_named(struct km_info *info, const char *name)
{
	for (size_t i = 0; i < info->objects.n; i++)
		if (!strcmp(info->objects.at[i].name, name))
			return &info->objects.at[i];
	km_vec_push(&info->objects, (struct km_info_object){.name = km_strdup(name)});
	return &info->objects.at[info->objects.n - 1];
}

/* Is the object known, or may one more be? No kernel has so many modules that one patch could need them. */
static bool room_for(const struct km_info *info, const char *name)
{
	for (size_t i = 0; i < info->objects.n; i++)
		if (!strcmp(info->objects.at[i].name, name))
			return true;
	return info->objects.n < OBJECTS_MAX;
}

static void take_object(struct km_info *info, const char *name, const char *prefix)
{
	char object[KM_KLP_OBJECT_MAX + 1];
	size_t n;

	if (!km_starts(name, prefix))
		return;
	name += strlen(prefix);
	n = strcspn(name, ".");
	if (!n || n > KM_KLP_OBJECT_MAX || name[n] != '.')
		return;
	memcpy(object, name, n);
	object[n] = '\0';
	if (room_for(info, object))
		object_named(info, object);
}

/* ---- metadata ---- */

static km_error *wrong(const char *key)
{
	return km_error_new(KM_INPUT, "the metadata has no good \"%s\"", key);
}

static void take_strings(json_t *array, km_strv *ret)
{
	size_t i;
	json_t *value;

	json_array_foreach(array, i, value) if (json_is_string(value)) km_strv_push(ret, json_string_value(value));
}

static km_error *take_function(json_t *json, struct km_info_object *object)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *expected = json_string_value(json_object_get(json, "expected"));
	json_int_t sympos = json_integer_value(json_object_get(json, "sympos"));
	json_int_t size = json_integer_value(json_object_get(json, "size"));
	struct km_info_func f = {.matched = json_is_true(json_object_get(json, "matched"))};

	if (!name || !*name || strlen(name) > NAME_MAX_LEN)
		return wrong("objects.functions.name");
	if (sympos < 0 || sympos > INT32_MAX || size < 0)
		return wrong("objects.functions.sympos");
	if (!expected || strlen(expected) != KM_SHA256_HEX - 1 ||
	    strspn(expected, "0123456789abcdef") != KM_SHA256_HEX - 1)
		return wrong("objects.functions.expected");
	f.name = km_strdup(name);
	f.sympos = (unsigned)sympos;
	f.size = (uint64_t)size;
	memcpy(f.expected, expected, KM_SHA256_HEX);
	km_vec_push(&object->funcs, f);
	return NULL;
}

static km_error *take_meta_object(json_t *json, struct km_info *info)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	json_t *functions = json_object_get(json, "functions"), *f;
	struct km_info_object *object;
	size_t i;

	if (!name || !*name || strlen(name) > KM_KLP_OBJECT_MAX || !json_is_array(functions) || !room_for(info, name))
		return wrong("objects");
	object = object_named(info, name);
	json_array_foreach(functions, i, f) KM_TRY(take_function(f, object));
	return NULL;
}

static km_error *take_meta(struct km_info *info, json_t *root)
{
	json_t *kernel = json_object_get(root, "kernel"), *objects = json_object_get(root, "objects"), *object;
	json_int_t format = json_integer_value(json_object_get(root, "format"));
	size_t i;

	if (format < 1 || format > UINT16_MAX)
		return wrong("format");
	if (format != KM_PATCH_FORMAT)
		return km_error_hint(km_error_new(KM_INPUT, "the patch is of format %d, this program knows format %d",
						  (int)format, KM_PATCH_FORMAT),
				     "use a newer kmend");
	if (!json_is_string(json_object_get(root, "name")) || !json_is_string(json_object_get(kernel, "release")))
		return wrong("name");
	if (!json_is_array(objects))
		return wrong("objects");
	info->format = (unsigned)format;
	set(&info->name, json_string_value(json_object_get(root, "name")));
	set(&info->version, json_string_value(json_object_get(root, "version")));
	set(&info->tool, json_string_value(json_object_get(root, "tool")));
	set(&info->source_hash, json_string_value(json_object_get(root, "source_hash")));
	set(&info->severity, json_string_value(json_object_get(root, "severity")));
	set(&info->description, json_string_value(json_object_get(root, "description")));
	set(&info->release, json_string_value(json_object_get(kernel, "release")));
	set(&info->arch, json_string_value(json_object_get(kernel, "arch")));
	set(&info->build_id, json_string_value(json_object_get(kernel, "build_id")));
	info->replace = json_is_true(json_object_get(root, "replace"));
	take_strings(json_object_get(root, "cves"), &info->cves);
	take_strings(json_object_get(root, "flags"), &info->flags);
	json_array_foreach(objects, i, object) KM_TRY(take_meta_object(object, info));
	return NULL;
}

static km_error *read_meta(struct km_info *info, const struct km_sec *sec)
{
	json_error_t where;
	json_t *root;
	km_error *err;

	if (!sec->data || sec->size > KM_META_MAX)
		return km_error_new(KM_INPUT, "the metadata has %llu bytes, at most %u are read",
				    (unsigned long long)sec->size, KM_META_MAX);
	root = json_loadb((const char *)sec->data, sec->size, JSON_REJECT_DUPLICATES, &where);
	if (!root)
		return km_error_new(KM_INPUT, "the metadata is not JSON: byte %d: %s", where.position, where.text);
	err = json_is_object(root) ? take_meta(info, root) : wrong("object");
	json_decref(root);
	if (!err)
		info->ours = true;
	return err;
}

/* ---- tables of struct klp_func ---- */

/* A relocation at that offset, a few entries behind `from`: where many share one offset nothing of ours is. */
static const struct km_rel *rel_at(const struct km_sec *sec, size_t from, uint64_t offset)
{
	for (size_t i = from; i < sec->rels.n && i < from + SAME_OFFSET_MAX && sec->rels.at[i].offset <= offset; i++)
		if (sec->rels.at[i].offset == offset)
			return &sec->rels.at[i];
	return NULL;
}

/* The string that a pointer in data refers to, NULL when it is none or has other than printable characters. */
static const char *string_at(const struct km_rel *rel)
{
	const struct km_sec *sec = rel->sym->sec;
	uint64_t at = rel->sym->value + (uint64_t)rel->addend;
	km_cursor c;
	const char *s;

	if (rel->type != R_X86_64_64 || !sec || !sec->data || !km_sec_is_strings(sec) || at >= sec->size)
		return NULL;
	c = km_cursor_of(sec->data, sec->size);
	km_seek(&c, at);
	s = km_getstr(&c);
	if (!s || !*s || strlen(s) > NAME_MAX_LEN)
		return NULL;
	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p > '~')
			return NULL;
	return s;
}

/* struct klp_func { const char *old_name; void *new_func; unsigned long old_sympos; … }: a string, code, a small
 * number. */
static bool is_klp_func(const struct km_sec *sec, size_t i, const char **name, unsigned *sympos)
{
	const struct km_rel *rel = &sec->rels.at[i], *code = rel_at(sec, i + 1, rel->offset + KLP_FUNC_NEW);
	km_cursor c;
	uint64_t pos;

	*name = string_at(rel);
	if (!*name || !code || !code->sym->sec || !km_sec_is_text(code->sym->sec))
		return false;
	if (rel->offset > sec->size || sec->size - rel->offset < KLP_FUNC_HEAD ||
	    rel_at(sec, i + 1, rel->offset + KLP_FUNC_SYMPOS))
		return false;
	c = km_cursor_of(sec->data, sec->size);
	km_seek(&c, rel->offset + KLP_FUNC_SYMPOS);
	pos = km_get64(&c);
	*sympos = (unsigned)pos;
	return !c.failed && pos < UINT16_MAX;
}

static bool may_hold_funcs(const struct km_sec *sec)
{
	/* A patch keeps them in data that is written to: the kernel links them into lists. */
	return sec->data && (sec->flags & SHF_WRITE) && (km_starts(sec->name, ".data") || strstr(sec->name, "klp"));
}

static char *table_key(const struct km_sec *sec, uint64_t offset)
{
	return km_printf("%u:%llu", sec->index, (unsigned long long)offset);
}

/* All places in data that something points at, as struct klp_object { const char *name; struct klp_func *funcs; … } does,
 * with the name that stands before the pointer; without one it is vmlinux. The first pointer counts. */
static km_map *tables_of(const km_elf *elf)
{
	km_map *tables = km_map_create();

	for (size_t i = 0; i < elf->secs.n; i++) {
		const struct km_sec *s = elf->secs.at[i];

		for (size_t j = 0; km_sec_is_alloc(s) && j < s->rels.n; j++) {
			const struct km_rel *funcs = &s->rels.at[j], *name = j ? &s->rels.at[j - 1] : NULL;
			const char *object = NULL;
			char *key KM_AUTOFREE = NULL;

			if (!funcs->sym->sec || funcs->type != R_X86_64_64 || !may_hold_funcs(funcs->sym->sec))
				continue;
			key = table_key(funcs->sym->sec, funcs->sym->value + (uint64_t)funcs->addend);
			if (name && name->offset + 8 == funcs->offset)
				object = string_at(name);
			if (!km_map_has(tables, key))
				km_map_put(tables, key, (void *)(uintptr_t)(object ? object : "vmlinux"));
		}
	}
	return tables;
}

static void take_klp_funcs(struct km_info *info, const km_map *tables, const struct km_sec *sec)
{
	const char *object = "vmlinux", *name;
	size_t found = 0;
	unsigned sympos;

	for (size_t i = 0; i < sec->rels.n && found < FUNCS_MAX; i++) {
		char *key KM_AUTOFREE = NULL;
		const char *begins;

		if (!is_klp_func(sec, i, &name, &sympos))
			continue;
		/* Only the first entry of a table is pointed at. */
		key = table_key(sec, sec->rels.at[i].offset);
		begins = km_map_get(tables, key);
		object = begins ? begins : object;
		found++;
		if (!room_for(info, object))
			return;
		km_vec_push(&object_named(info, object)->funcs,
			    (struct km_info_func){.name = km_strdup(name), .sympos = sympos});
	}
}

static void read_foreign(struct km_info *info, const km_elf *elf)
{
	km_map *tables = tables_of(elf);

	for (size_t i = 0; i < elf->extras.n; i++)
		take_object(info, elf->extras.at[i]->name, KM_KLP_RELA_PREFIX);
	for (size_t i = 1; i < elf->syms.n; i++)
		if (elf->syms.at[i]->shndx == KM_SHN_LIVEPATCH)
			take_object(info, elf->syms.at[i]->name, KM_KLP_SYM_PREFIX);
	for (size_t i = 0; i < elf->secs.n; i++)
		if (may_hold_funcs(elf->secs.at[i]))
			take_klp_funcs(info, tables, elf->secs.at[i]);
	km_map_destroy(tables);
}

/* ---- the file ---- */

static bool calls_core(const km_elf *elf)
{
	const struct km_sym *s = km_elf_sym(elf, KM_CORE_ENABLE);

	return s && !s->sec && s->shndx == SHN_UNDEF;
}

static km_error *read_module(const km_elf *elf, struct km_info *info)
{
	const struct km_sec *modinfo = km_elf_sec(elf, ".modinfo");
	const struct km_sec *meta = km_elf_sec(elf, KM_META_SECTION);

	if (!modinfo || !modinfo->data || !km_elf_sec(elf, ".gnu.linkonce.this_module"))
		return km_error_new(KM_INPUT, "it is an object file, but no kernel module");
	KM_TRY(take_modinfo(info, modinfo));
	info->core = calls_core(elf);
	if (meta)
		KM_TRY(read_meta(info, meta));
	else if (info->livepatch || info->core) /* both APIs begin their structures alike */
		read_foreign(info, elf);
	release_from_vermagic(info);
	return NULL;
}

km_error *km_info_parse(const void *bytes, size_t size, struct km_info **ret)
{
	km_elf *elf KM_AUTOELF = NULL;
	struct km_info *info;
	km_error *err;

	info = km_calloc(1, sizeof(*info));
	km_modsig_read(bytes, size, &info->signature);
	err = km_elf_read(bytes, info->signature.body, &elf);
	if (!err)
		err = read_module(elf, info);
	if (err) {
		km_info_free(info);
		return err;
	}
	*ret = info;
	return NULL;
}

km_error *km_info_read(const char *path, struct km_info **ret)
{
	uint8_t *bytes KM_AUTOFREE = NULL, *plain KM_AUTOFREE = NULL;
	size_t size, plain_size;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	err = km_decompress(bytes, size, 256u << 20, &plain, &plain_size);
	if (!err)
		err = km_info_parse(plain, plain_size, ret);
	return err ? km_error_add(err, "cannot read %s", path) : NULL;
}

static void free_object(struct km_info_object *object)
{
	for (size_t i = 0; i < object->funcs.n; i++)
		free(object->funcs.at[i].name);
	km_vec_free(&object->funcs);
	free(object->name);
}

void km_info_free(struct km_info *info)
{
	if (!info)
		return;
	for (size_t i = 0; i < info->objects.n; i++)
		free_object(&info->objects.at[i]);
	km_vec_free(&info->objects);
	km_strv_free(&info->cves);
	km_strv_free(&info->flags);
	km_modsig_free(&info->signature);
	free(info->name);
	free(info->version);
	free(info->release);
	free(info->arch);
	free(info->build_id);
	free(info->vermagic);
	free(info->description);
	free(info->severity);
	free(info->source_hash);
	free(info->tool);
	free(info);
}
