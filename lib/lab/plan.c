/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <errno.h>
#include <libkmod.h>

#include "job.h"
#include "modules.h"

/* The value of one key of a module's own information; NULL when it has none. */
static km_error *modinfo(const char *file, const char *key, char **ret)
{
	const char *no_config = NULL;
	struct kmod_list *info = NULL, *l;
	struct kmod_ctx *ctx = kmod_new("/", &no_config);
	struct kmod_module *mod = NULL;
	int got = ctx ? kmod_module_new_from_path(ctx, file, &mod) : -ENOMEM;

	*ret = NULL;
	if (got >= 0)
		got = kmod_module_get_info(mod, &info);
	kmod_list_foreach(l, info) if (!*ret && !strcmp(kmod_module_info_get_key(l), key)) *ret =
		km_strdup(kmod_module_info_get_value(l));
	kmod_module_info_free_list(info);
	kmod_module_unref(mod);
	kmod_unref(ctx);
	return got < 0 ? km_error_sys(-got, "cannot read %s as a module", file) : NULL;
}

static void add_objects(struct lab_patch *p, const struct km_info *info)
{
	for (size_t i = 0; i < info->objects.n; i++) {
		const struct km_info_object *o = &info->objects.at[i];

		if (strcmp(o->name, "vmlinux"))
			km_strv_push(&p->objects, o->name);
		/* Position 0, a unique name, is shown as 1. */
		for (size_t j = 0; j < o->funcs.n; j++)
			km_strv_printf(&p->functions, "%s/%s,%u", o->name, o->funcs.at[j].name,
				       o->funcs.at[j].sympos ? o->funcs.at[j].sympos : 1);
	}
}

static char *release_of(const struct km_info *info)
{
	if (info->release && *info->release)
		return km_strdup(info->release);
	return info->vermagic ? km_strndup(info->vermagic, strcspn(info->vermagic, " ")) : km_strdup("");
}

static km_error *count_lookups(const char *file, size_t *ret)
{
	KM_AUTOELF km_elf *elf = NULL;

	KM_TRY(km_elf_read_file_flags(file, KM_ELF_NO_DEBUG, &elf));
	*ret = 0;
	for (size_t i = 0; i < elf->syms.n; i++)
		*ret += km_starts(elf->syms.at[i]->name, KM_KLP_SYM_PREFIX);
	return NULL;
}

double lab_plan_silence(double asked, size_t lookups)
{
	return asked > 0 ? asked : 30 + (double)lookups;
}

km_error *lab_patch_read(const char *file, struct lab_patch *ret)
{
	struct km_info *info = NULL;
	struct lab_patch p = {0};
	char *module = NULL;

	KM_TRY(km_info_read(file, &info));
	if (!info->livepatch && !info->core) {
		km_info_free(info);
		return km_error_new(KM_INPUT, "%s is a module, and no live patch", file);
	}
	km_error *err = count_lookups(file, &p.lookups);

	if (!err)
		err = modinfo(file, "name", &module);

	if (err) {
		km_info_free(info);
		return err;
	}
	p.file = km_strdup(file);
	p.core = info->core;
	p.module = module ? module : lab_module_name(file);
	p.module = p.module ? p.module : km_strdup("patch");
	p.guest = km_printf(LAB_BIN_DIR "/patches/%s.ko", p.module);
	p.release = release_of(info);
	p.build_id = info->build_id && *info->build_id ? km_strdup(info->build_id) : NULL;
	add_objects(&p, info);
	km_info_free(info);
	*ret = p;
	return NULL;
}

void lab_patch_free(struct lab_patch *p)
{
	free(p->file);
	free(p->guest);
	free(p->module);
	free(p->release);
	free(p->build_id);
	km_strv_free(&p->objects);
	km_strv_free(&p->functions);
	*p = (struct lab_patch){0};
}

static void add_step(km_lab *lab, const struct km_lab_step *like, enum km_lab_kind kind, const char *name, double limit,
		     const char *const *args)
{
	struct km_lab_step step = *like;

	step.kind = kind;
	step.name = name;
	step.timeout = limit;
	km_lab_step(lab, &step, args);
}

void lab_plan_load(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like, double limit)
{
	add_step(lab, like, KM_LAB_LOAD, like->name ? like->name : "load", limit,
		 (const char *const[]){p->guest, p->module, NULL});
}

void lab_plan_patched(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like)
{
	km_strv args = {0};

	km_strv_push(&args, p->module);
	for (size_t i = 0; i < p->functions.n; i++)
		km_strv_push(&args, p->functions.at[i]);
	add_step(lab, like, KM_LAB_PATCHED, "functions in effect", 0, (const char *const *)km_strv_argv(&args));
	km_strv_free(&args);
}

void lab_plan_unload(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like, double limit)
{
	add_step(lab, like, KM_LAB_UNLOAD, "unload", limit, (const char *const[]){p->module, NULL});
}

char *lab_last_line(const km_str *output)
{
	char *text = km_lab_printable(output->at, output->n), *line, *copy;
	size_t n = output->n;

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	line = strrchr(text, '\n');
	copy = km_strdup(line ? line + 1 : text);
	free(text);
	return copy;
}
