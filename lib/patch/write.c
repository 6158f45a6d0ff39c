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

static km_error *write_units(const struct km_link_unit *units, size_t n, const char *dir)
{
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

/* What Kbuild makes the module from; the units are as they are at this moment. */
static km_error *write_sources(struct km_link *link, const struct km_link_unit *units, size_t n, const char *dir)
{
	bool core = link->flavour == KM_FLAVOUR_CORE;
	char *glue KM_AUTOFREE = NULL;
	char *kbuild KM_AUTOFREE = km_glue_kbuild(link, n);

	if (core)
		km_core_mark(link, units, n);
	glue = core ? km_glue_core_source(link) : km_glue_source(link);
	KM_TRY(km_mkdirs(dir));
	KM_TRY(write_text(dir, "glue.c", glue));
	KM_TRY(write_text(dir, "Kbuild", kbuild));
	return write_units(units, n, dir);
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

/* Behind the reproducible bytes, whose hash is kept: an elliptic curve's signature is another one each time. */
static km_error *sign(const km_signer *signer, uint8_t **bytes, struct km_patch_file *file)
{
	uint8_t hash[KM_SHA256_LEN];

	km_sha256_of(*bytes, file->size, hash);
	KM_TRY(km_signer_sign(signer, bytes, &file->size));
	km_hex(hash, sizeof(hash), file->unsigned_sha256);
	km_modsig_read(*bytes, file->size, &file->signature);
	return NULL;
}

static km_error *finish(struct km_link *link, const char *work_dir, const char *path, struct km_patch_file *file)
{
	char *linked KM_AUTOFREE = km_printf("%s/%s.ko", work_dir, link->spec->name);
	uint8_t *bytes KM_AUTOFREE = NULL;
	km_elf *ko KM_AUTOELF = NULL;

	KM_TRY(km_elf_read_file(linked, &ko));
	KM_TRY(link->flavour == KM_FLAVOUR_CORE ? km_core_finish(link, ko) : km_klp_finish(link, ko));
	KM_TRY(add_meta(link, ko));
	KM_TRY(set_build_id(ko));
	KM_TRY(km_check_module(ko, link->k->exports, link->flavour));
	KM_TRY(km_elf_write(ko, &bytes, &file->size));
	if (link->spec->signer)
		KM_TRY(sign(link->spec->signer, &bytes, file));
	return km_file_write(path, bytes, file->size);
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

static bool wanted(const struct km_link *link, enum km_flavour flavour)
{
	unsigned flavours = link->spec->flavours ? link->spec->flavours : 1u << KM_FLAVOUR_KLP;

	return flavours >> flavour & 1;
}

static char *work_of(const char *work_dir, enum km_flavour flavour)
{
	return km_path(work_dir, km_flavour_name(flavour));
}

/* Each flavour's sources as its rules leave the units: those of klp hold for the core too, which has some more. */
static km_error *write_flavours(struct km_link *link, struct km_link_unit *units, size_t n, const char *work_dir)
{
	for (link->flavour = 0; link->flavour < KM_FLAVOURS; link->flavour++) {
		char *dir KM_AUTOFREE = work_of(work_dir, link->flavour);

		if (!wanted(link, link->flavour))
			continue;
		for (size_t i = 0; i < n && link->flavour == KM_FLAVOUR_CORE; i++)
			km_resolve_keys(link, &units[i]);
		if (!km_link_refused(link))
			KM_TRY(write_sources(link, units, n, dir));
	}
	return NULL;
}

/* The core flavour is compiled with the header of the kmend.ko that it is linked against. */
static km_error *build_core(struct km_link *link, const char *dir)
{
	char *header KM_AUTOFREE = km_path(dir, "kmend.h");
	KM_CLEANUP(km_core_free) struct km_core core = {0};
	KM_CLEANUP(km_strv_free) km_strv more = {0};

	KM_TRY(km_core_open(link->k, false, &core));
	KM_TRY(km_file_copy(core.header, header));
	km_strv_printf(&more, "KBUILD_EXTRA_SYMBOLS=%s", core.symvers);
	return km_module_build(link->k, dir, link->spec->name, &more);
}

static km_error *build_flavour(struct km_link *link, const char *work_dir)
{
	char *dir KM_AUTOFREE = work_of(work_dir, link->flavour);

	if (link->flavour == KM_FLAVOUR_CORE)
		return build_core(link, dir);
	return km_module_build(link->k, dir, link->spec->name, NULL);
}

static km_error *finish_flavour(struct km_link *link, const char *work_dir, const char *out_dir)
{
	bool below = link->flavour == KM_FLAVOUR_CORE && wanted(link, KM_FLAVOUR_KLP);
	const char *out = below ? km_arena_printf(link->arena, "%s/core", out_dir) : out_dir;
	struct km_patch_file *file = &link->result->files[link->flavour];
	char *path = km_arena_printf(link->arena, "%s/%s.ko", out, link->spec->name);
	char *dir KM_AUTOFREE = work_of(work_dir, link->flavour);

	KM_TRY(km_mkdirs(out));
	KM_TRY(finish(link, dir, path, file));
	file->path = path;
	return NULL;
}

static km_error *write_patch(struct km_link *link, const struct km_patch_unit *units, size_t n, const char *work_dir,
			     const char *out_dir)
{
	struct km_link_unit *all;
	size_t count;

	KM_TRY(open_units(link, units, n, &all, &count));
	KM_TRY(resolve(link, all, count));
	report_functions(link);
	if (!km_link_refused(link) && !link->funcs.n)
		return km_error_new(KM_NOTHING, "the patch replaces no function");
	KM_TRY(write_flavours(link, all, count, work_dir));
	if (km_link_refused(link))
		return NULL;
	for (link->flavour = 0; link->flavour < KM_FLAVOURS; link->flavour++)
		if (wanted(link, link->flavour))
			KM_TRY(build_flavour(link, work_dir));
	for (link->flavour = 0; link->flavour < KM_FLAVOURS; link->flavour++)
		if (wanted(link, link->flavour))
			KM_TRY(finish_flavour(link, work_dir, out_dir));
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
	for (size_t i = 0; i < KM_FLAVOURS; i++)
		km_modsig_free(&r->files[i].signature);
	km_vec_free(&r->funcs);
	km_vec_free(&r->judgements);
	km_arena_destroy(r->arena);
	*r = (struct km_patch_result){0};
}
