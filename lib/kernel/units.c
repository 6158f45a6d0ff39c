/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From touched files to the units that have to be compiled, and to a reason for each file that reaches none. */
#include "prepared.h"

struct search {
	km_work *work;
	km_unit_list *units;
	km_left_out_list *left_out;
	km_map *seen; /* source files */
};

static void leave_out(struct search *s, const char *path, const char *reason)
{
	km_vec_push(s->left_out, (struct km_left_out){km_strdup(path), km_strdup(reason)});
}

/* Files that no configuration of this kernel loads into memory for good, by their place alone. */
static const char *reason_by_place(const char *path)
{
	static const struct {
		const char *prefix, *reason;
	} places[] = {
		{"Documentation/", "documentation"},
		{"LICENSES/", "documentation"},
		{"tools/", "a program of user space: the kernel does not run it"},
		{"samples/", "sample code: no distribution ships it"},
		{"scripts/", "a program of the build: the kernel does not run it"},
		{"usr/", "a program of the build: the kernel does not run it"},
		{"arch/x86/boot/", "boot code: gone after the start"},
		{"arch/x86/realmode/", "real-mode code: it runs only while a processor starts"},
		{"arch/x86/purgatory/", "code of kexec: it is loaded from a separate image"},
		{"arch/x86/entry/vdso/", "vdso code: it runs in user space, mapped into every process"},
		{"arch/x86/tools/", "a program of the build: the kernel does not run it"},
		{"arch/x86/um/", "another architecture"},
		{"lib/vdso/", "vdso code: it runs in user space, mapped into every process"},
		{"drivers/firmware/efi/libstub/", "boot code: gone after the start"},
		{"rust/", "Rust code: only C can be patched"},
	};

	for (size_t i = 0; i < KM_COUNT(places); i++)
		if (km_starts(path, places[i].prefix))
			return places[i].reason;
	if (km_starts(path, "arch/") && !km_starts(path, "arch/x86/"))
		return "another architecture";
	return NULL;
}

static const char *reason_by_kind(const struct km_touched *t)
{
	if (t->kind == KM_TOUCH_DOC)
		return "documentation";
	if (t->kind == KM_TOUCH_BUILD)
		return "build rules: not code; if they change what is compiled, the patch is incomplete";
	if (t->kind == KM_TOUCH_OTHER)
		return "not code that the kernel compiles";
	if (t->kind == KM_TOUCH_ASM)
		return t->same_tokens ? "only comments or white space changed" : "assembly";
	if (t->same_tokens)
		return "only comments or white space changed";
	return NULL;
}

/* One km_unit for each object that the file is linked into. */
static km_error *add_unit(struct search *s, const char *source, const char *why, char **reason)
{
	struct kbuild_place place;
	bool any = false;

	*reason = NULL;
	if (km_map_has(s->seen, source))
		return NULL;
	KM_TRY(kbuild_place_of(s->work->kernel, source, &place, reason));
	if (!place.dir)
		return NULL;
	for (size_t i = 0; i < place.dir->parts.n; i++) {
		const struct kbuild_part *p = &place.dir->parts.at[i];
		km_unit u = {.builtin = p->builtin};
		bool again = false;

		if (strcmp(p->source, source) || (p->builtin && place.only_modules))
			continue;
		for (size_t j = 0; j < s->units->n; j++)
			again |= !strcmp(s->units->at[j].source, source) && !strcmp(s->units->at[j].object, p->object);
		if (again)
			continue;
		u.source = km_strdup(source);
		u.object = km_strdup(p->object);
		u.why_text = km_strdup(why);
		u.why = u.why_text;
		km_vec_push(s->units, u);
		any = true;
	}
	kbuild_place_end(&place);
	if (any)
		km_map_put(s->seen, source, s);
	else
		*reason = km_strdup("its directory is built for modules alone, and it is part of none");
	return NULL;
}

static const struct changed_file *text_of(const km_work *w, const char *path)
{
	for (size_t i = 0; i < w->changed.n; i++)
		if (!strcmp(w->changed.at[i].path, path))
			return &w->changed.at[i];
	return NULL;
}

/* A header, or a .c file that others include; that one may be a unit itself, too (fs/binfmt_elf.c). */
static km_error *add_includers(struct search *s, const struct km_touched *t, const include_graph *g)
{
	KM_CLEANUP(km_strv_free) km_strv files = {0};
	KM_AUTOFREE char *why = km_printf("includes %s", t->path);
	size_t before = s->units->n;

	include_graph_reach(g, t->path, &files);
	KM_TRY(narrow(s->work, text_of(s->work, t->path), g, &files));
	for (size_t i = 0; i < files.n; i++) {
		KM_AUTOFREE char *reason = NULL;

		if (!km_ends(files.at[i], ".c") || reason_by_place(files.at[i]))
			continue;
		KM_TRY(add_unit(s, files.at[i], why, &reason));
	}
	if (s->units->n == before && !km_map_has(s->seen, t->path))
		leave_out(s, t->path, "no unit of this configuration uses what changed in it");
	return NULL;
}

static km_error *reach(struct search *s, const struct km_touched *t)
{
	const char *reason = reason_by_place(t->path);
	KM_AUTOFREE char *not_built = NULL;
	const include_graph *g;

	reason = reason ? reason : reason_by_kind(t);
	if (reason) {
		leave_out(s, t->path, reason);
		return NULL;
	}
	if (t->kind == KM_TOUCH_C) {
		if (t->added || t->removed) {
			leave_out(s, t->path,
				  t->added ? "a new file: only files that the kernel was built from can be patched; "
					     "put its code into one of them"
					   : "the file is removed: what the kernel runs of it stays");
			return NULL;
		}
		KM_TRY(add_unit(s, t->path, "changed", &not_built));
	} else if (t->added) { /* what includes it was changed as well */
		return NULL;
	}
	KM_TRY(include_graph_get(s->work->kernel, &g));
	if (t->kind == KM_TOUCH_C && !include_graph_included(g, t->path)) {
		if (!km_map_has(s->seen, t->path))
			leave_out(s, t->path, not_built);
		return NULL;
	}
	return add_includers(s, t, g);
}

km_error *km_units_of(km_work *w, const km_touched_list *touched, km_unit_list *ret, km_left_out_list *left_out)
{
	km_unit_list units = {0};
	km_left_out_list out = {0};
	struct search s = {.work = w, .units = &units, .left_out = &out, .seen = km_map_create()};
	km_error *err = NULL;

	for (size_t i = 0; i < touched->n && !err; i++) /* changed .c files first: "changed" is the better reason */
		if (touched->at[i].kind == KM_TOUCH_C)
			err = reach(&s, &touched->at[i]);
	for (size_t i = 0; i < touched->n && !err; i++)
		if (touched->at[i].kind != KM_TOUCH_C)
			err = reach(&s, &touched->at[i]);
	km_map_destroy(s.seen);
	if (err) {
		km_unit_list_free(&units);
		km_left_out_free(&out);
		return err;
	}
	*ret = units;
	*left_out = out;
	return NULL;
}
