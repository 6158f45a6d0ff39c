// SPDX-License-Identifier: GPL-2.0-or-later
/* From diffs to a patch module: prove, resolve, link with the kernel's Kbuild, finish, check, write. */
#include "link.h"

enum { NOTE_HEADER = 16, BUILD_ID_LEN = 20 };

static int by_object(const void *a, const void *b)
{
	const struct km_link_unit *x = a, *y = b;
	int order = strcmp(y->unit->object, "vmlinux") == 0 ? 1 : 0;

	order -= strcmp(x->unit->object, "vmlinux") == 0 ? 1 : 0;
	if (!order)
		order = strcmp(x->unit->object, y->unit->object);
	return order ? order : strcmp(x->unit->source, y->unit->source);
}

static km_error *open_unit(struct km_link *link, const struct km_patch_unit *unit, struct km_link_unit *u)
{
	*u = (struct km_link_unit){.unit = unit, .n = unit->diff->carry->syms.n};
	if (!strcmp(unit->object, "vmlinux"))
		u->shipped = link->k->vmlinux;
	else
		KM_TRY(km_kernel_module(link->k, unit->object, &u->shipped));
	u->klp = km_arena_alloc(link->arena, (u->n + 1) * sizeof(struct km_klp_sym *));
	u->delta = km_arena_alloc(link->arena, (u->n + 1) * sizeof(*u->delta));
	return NULL;
}

/* Units with something to carry, in an order that does not depend on the caller's. */
static km_error *open_units(struct km_link *link, const struct km_patch_unit *units, size_t n,
			    struct km_link_unit **ret, size_t *count)
{
	struct km_link_unit *all = km_arena_alloc(link->arena, (n + 1) * sizeof(*all));
	size_t used = 0;

	for (size_t i = 0; i < n; i++)
		if (units[i].diff->carry)
			KM_TRY(open_unit(link, &units[i], &all[used++]));
	qsort(all, used, sizeof(*all), by_object);
	*ret = all;
	*count = used;
	return NULL;
}

static km_error *resolve(struct km_link *link, struct km_link_unit *units, size_t n)
{
	for (size_t i = 0; i < n; i++)
		km_resolve_news(link, &units[i]);
	for (size_t i = 0; i < n; i++) {
		KM_TRY(km_resolve_unit(link, &units[i]));
		km_resolve_pointers(link, &units[i]);
		km_resolve_keys(link, &units[i]);
		km_link_functions(link, &units[i]);
	}
	return NULL;
}

static km_error *write_text(const char *dir, const char *name, const char *text)
{
	char *path KM_AUTOFREE = km_path(dir, name);

	return km_file_write(path, text, strlen(text));
}

static km_error *write_sources(const struct km_link *link, const struct km_link_unit *units, size_t n, const char *dir)
{
	char *glue KM_AUTOFREE = km_glue_source(link);
	char *kbuild KM_AUTOFREE = km_glue_kbuild(link, n);

	KM_TRY(km_mkdirs(dir));
	KM_TRY(write_text(dir, "glue.c", glue));
	KM_TRY(write_text(dir, "Kbuild", kbuild));
	for (size_t i = 0; i < n; i++) {
		char *name KM_AUTOFREE = km_printf("unit%zu.o_shipped", i);
		char *path KM_AUTOFREE = km_path(dir, name);
		char *cmd KM_AUTOFREE = km_printf(".unit%zu.o.cmd", i);

		KM_TRY(km_elf_write_file(units[i].unit->diff->carry, path));
		/* modpost wants to know each object's sources, for srcversion, and fails without the file. */
		KM_TRY(write_text(dir, cmd, "cmd_unit.o := true\n"));
	}
	return NULL;
}

/* ld's build-id covers paths in DWARF that is not there any more: it is made anew from what the module holds. */
static km_error *set_build_id(km_elf *ko)
{
	struct km_sec *note = km_elf_sec(ko, ".note.gnu.build-id");
	uint8_t hash[KM_SHA256_LEN], *bytes = NULL;
	size_t size;

	if (!note || !note->data || note->size != NOTE_HEADER + BUILD_ID_LEN)
		return NULL;
	memset(note->data + NOTE_HEADER, 0, BUILD_ID_LEN);
	KM_TRY(km_elf_write(ko, &bytes, &size));
	km_sha256_of(bytes, size, hash);
	free(bytes);
	memcpy(note->data + NOTE_HEADER, hash, BUILD_ID_LEN);
	return NULL;
}

static km_error *add_meta(struct km_link *link, km_elf *ko)
{
	char *text KM_AUTOFREE = km_meta_text(link);

	if (!text)
		return km_error_new(KM_USAGE, "the description of the patch is not UTF-8");
	if (strlen(text) > KM_META_MAX)
		return km_error_new(KM_REFUSED, "the patch replaces too many functions to be described");
	km_sec_set(ko, km_elf_add_sec(ko, KM_META_SECTION, SHT_PROGBITS, 0, 1), text, strlen(text));
	return NULL;
}

static km_error *finish(struct km_link *link, const char *work_dir, const char *path, size_t *size)
{
	char *linked KM_AUTOFREE = km_printf("%s/%s.ko", work_dir, link->spec->name);
	uint8_t *bytes KM_AUTOFREE = NULL;
	km_elf *ko KM_AUTOELF = NULL;

	KM_TRY(km_elf_read_file(linked, &ko));
	KM_TRY(km_klp_finish(link, ko));
	KM_TRY(add_meta(link, ko));
	KM_TRY(set_build_id(ko));
	KM_TRY(km_check_module(ko, link->k->exports));
	KM_TRY(km_elf_write(ko, &bytes, size));
	return km_file_write(path, bytes, *size);
}

static void report_functions(const struct km_link *link)
{
	for (size_t i = 0; i < link->funcs.n; i++) {
		const struct km_link_func *f = &link->funcs.at[i];
		struct km_patch_func out = {
			.name = f->name,
			.object = f->object,
			.unit = f->unit,
			.sympos = f->sympos,
			.addr = f->addr,
			.size = f->size,
			.matched = f->matched,
		};

		memcpy(out.expected, f->expected, KM_SHA256_LEN);
		km_vec_push(&link->result->funcs, out);
	}
}

static km_error *write_patch(struct km_link *link, const struct km_patch_unit *units, size_t n, const char *work_dir,
			     const char *out_dir)
{
	struct km_link_unit *all;
	char *path;
	size_t count;

	KM_TRY(open_units(link, units, n, &all, &count));
	KM_TRY(resolve(link, all, count));
	report_functions(link);
	if (km_link_refused(link))
		return NULL;
	if (!link->funcs.n)
		return km_error_new(KM_NOTHING, "the patch replaces no function");
	KM_TRY(write_sources(link, all, count, work_dir));
	KM_TRY(km_module_build(link->k, work_dir, link->spec->name));
	KM_TRY(km_mkdirs(out_dir));
	path = km_arena_printf(link->arena, "%s/%s.ko", out_dir, link->spec->name);
	KM_TRY(finish(link, work_dir, path, &link->result->size));
	link->result->path = path;
	return NULL;
}

static void link_deinit(struct km_link *link)
{
	for (size_t i = 0; i < link->funcs.n; i++)
		km_vec_free(&link->funcs.at[i].mask);
	km_vec_free(&link->funcs);
	km_vec_free(&link->klps);
	km_vec_free(&link->news);
	km_strv_free(&link->namespaces);
	km_map_destroy(link->klp_by_key);
	km_map_destroy(link->new_by_key);
}

km_error *km_patch_write(km_kernel *k, const struct km_patch_unit *units, size_t n, const struct km_patch_spec *spec,
			 const char *work_dir, const char *out_dir, struct km_patch_result *ret)
{
	struct km_patch_result result = {.arena = km_arena_create()};
	struct km_link link = {
		.arena = result.arena,
		.k = k,
		.spec = spec,
		.result = &result,
		.klp_by_key = km_map_create(),
		.new_by_key = km_map_create(),
	};
	const char *why;
	km_error *err;

	if (km_patch_name_ok(spec->name, &why))
		err = write_patch(&link, units, n, work_dir, out_dir);
	else
		err = km_error_new(KM_USAGE, "\"%s\" cannot be the name of a patch: %s", spec->name ? spec->name : "",
				   why);
	link_deinit(&link);
	if (err) {
		km_patch_result_free(&result);
		return km_error_add(err, "cannot make the patch module");
	}
	*ret = result;
	return NULL;
}

void km_patch_result_free(struct km_patch_result *r)
{
	km_vec_free(&r->funcs);
	km_vec_free(&r->judgements);
	km_arena_destroy(r->arena);
	*r = (struct km_patch_result){0};
}
