/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What Kbuild builds in a directory: asked of the directory's own Makefile, read the way scripts/Makefile.build reads
 * it, and kept in the kernel's cache. The answer is lines of "<word> <values>".
 */
#include <errno.h>
#include <unistd.h>

#include "prepared.h"

/* The order of inclusion is that of scripts/Makefile.build. parts-of-FOO.o lists what a composite object is made of. */
static const char query[] =
	"src := $(obj)\n"
	"obj-y :=\nobj-m :=\nlib-y :=\nlib-m :=\nalways-y :=\nalways-m :=\ntargets :=\nsubdir-y :=\nsubdir-m :=\n"
	"EXTRA_AFLAGS :=\nEXTRA_CFLAGS :=\nEXTRA_CPPFLAGS :=\nEXTRA_LDFLAGS :=\nasflags-y :=\nccflags-y "
	":=\nrustflags-y :=\n"
	"cppflags-y :=\nldflags-y :=\nsubdir-asflags-y :=\nsubdir-ccflags-y :=\n"
	"-include include/config/auto.conf\n"
	"include $(srctree)/scripts/Kbuild.include\n"
	"-include $(srctree)/scripts/Makefile.compiler\n"
	"kbuild-dir := $(srctree)/$(src)\n"
	"kbuild-file := $(or $(wildcard $(kbuild-dir)/Kbuild),$(kbuild-dir)/Makefile)\n"
	"include $(kbuild-file)\n"
	"$(info below-y $(filter %/,$(obj-y)) $(addsuffix /,$(subdir-y)))\n"
	"$(info below-m $(filter %/,$(obj-m)) $(addsuffix /,$(subdir-m)))\n"
	"$(info cflags $(subdir-ccflags-y))\n"
	"$(info aflags $(subdir-asflags-y))\n"
	"include $(srctree)/scripts/Makefile.lib\n"
	"$(info builtin $(real-obj-y) $(lib-y) $(extra-y))\n"
	"kmend-m := $(patsubst $(obj)/%,%,$(filter %.o,$(obj-m)))\n"
	"$(foreach m,$(kmend-m),$(info module $(m) $(or $(strip $(foreach s,-objs -y -m,$($(m:.o=$(s))))),$(m))))\n"
	"PHONY += kmend-none\nkmend-none: ; @:\n.DEFAULT_GOAL := kmend-none\n";

void kbuild_dir_free(struct kbuild_dir *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->parts.n; i++) {
		free(d->parts.at[i].target);
		free(d->parts.at[i].source);
		free(d->parts.at[i].object);
	}
	km_vec_free(&d->parts);
	km_strv_free(&d->below_y);
	km_strv_free(&d->below_m);
	free(d->cflags);
	free(d->aflags);
	free(d->dir);
	free(d);
}

char *path_normal(const char *path)
{
	char *out = km_strdup(path), *to = out;

	for (const char *at = path; *at;) {
		size_t n = strcspn(at, "/");

		if (n == 2 && at[0] == '.' && at[1] == '.' && to > out && strcmp(to - (to - out >= 3 ? 3 : 0), "../")) {
			to--;
			while (to > out && to[-1] != '/')
				to--;
		} else if (n && !(n == 1 && *at == '.')) {
			memmove(to, at, n);
			to += n;
			*to++ = '/';
		}
		at += n + (at[n] == '/');
	}
	if (to > out)
		to--;
	*to = 0;
	return out;
}

static char *below(const char *dir, const char *name)
{
	KM_AUTOFREE char *joined = strcmp(dir, ".") ? km_path(dir, name) : km_strdup(name);

	return path_normal(joined);
}

/* names: relative to the directory, or with it in front, as Makefile.lib leaves them. */
static void add_part(struct kbuild_dir *d, const char *name, bool relative, const char *module)
{
	struct kbuild_part p = {.builtin = !module};
	size_t n = strlen(name);

	if (!km_ends(name, ".o"))
		return;
	p.target = relative && strcmp(d->dir, ".") ? km_path(d->dir, name) : km_strdup(name);
	p.source = path_normal(p.target);
	n = strlen(p.source);
	p.source[n - 1] = 'c';
	p.object = module ? km_strndup(module, strlen(module) - 2) : km_strdup("vmlinux");
	for (char *c = p.object; *c; c++)
		if (*c == '-')
			*c = '_';
	km_vec_push(&d->parts, p);
}

static void parse_words(struct kbuild_dir *d, char *words, const char *what)
{
	char *save = NULL, *module = NULL;

	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		if (!strcmp(what, "below-y") || !strcmp(what, "below-m")) {
			KM_AUTOFREE char *path = below(d->dir, w);

			km_strv_push(what[6] == 'y' ? &d->below_y : &d->below_m, path);
		} else if (!strcmp(what, "builtin")) {
			add_part(d, w, false, NULL);
		} else if (!strcmp(what, "module") && !module) {
			module = strrchr(w, '/') ? strrchr(w, '/') + 1 : w;
		} else if (!strcmp(what, "module")) {
			add_part(d, w, true, module);
		}
	}
}

void kbuild_dir_parse(const char *dir, const char *text, struct kbuild_dir *ret)
{
	KM_AUTOFREE char *copy = km_strdup(text);
	char *save = NULL;

	*ret = (struct kbuild_dir){.dir = km_strdup(dir), .cflags = km_strdup(""), .aflags = km_strdup("")};
	for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t n = strcspn(line, " ");
		char **flags = !strncmp(line, "cflags ", 7)   ? &ret->cflags
			       : !strncmp(line, "aflags ", 7) ? &ret->aflags
							      : NULL;

		if (!line[n])
			continue;
		line[n] = 0;
		if (flags) {
			free(*flags);
			*flags = km_strdup(line + n + 1);
		} else {
			parse_words(ret, line + n + 1, line);
		}
	}
}

/* ---- asking --------------------------------------------------------------------------------------------------------
 */
static km_error *ask(km_kernel *k, const char *dir, const char *keep, char **ret)
{
	KM_AUTOFREE char *mk = km_path(k->dir, "query.mk");
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	struct km_done done;

	if (!km_exists(mk))
		KM_TRY(km_file_write(mk, query, strlen(query)));
	km_strv_push(&args, "-s");
	km_strv_push(&args, "-f");
	km_strv_push(&args, mk);
	km_strv_printf(&args, "obj=%s", dir);
	KM_TRY(kbuild_run(k, k->tree, NULL, &args, &done));
	if (done.status) {
		km_error *err = km_error_new(KM_ENV, "cannot ask Kbuild what it builds in %s: %s", dir,
					     *done.err ? done.err : done.out);

		km_done_free(&done);
		return err;
	}
	*ret = km_strdup(done.out);
	km_done_free(&done);
	return km_file_write(keep, *ret, strlen(*ret));
}

static bool has_makefile(const km_kernel *k, const char *dir)
{
	KM_AUTOFREE char *makefile = km_printf("%s/%s/Makefile", k->tree, dir);
	KM_AUTOFREE char *kbuild = km_printf("%s/%s/Kbuild", k->tree, dir);

	return km_exists(kbuild) || km_exists(makefile);
}

/* With priv->lock held. */
static km_error *dir_get(km_kernel *k, const char *dir, const struct kbuild_dir **ret)
{
	struct kernel_priv *priv = k->priv;
	struct kbuild_dir *d = km_map_get(priv->directories, dir);
	KM_AUTOFREE char *flat = NULL;
	KM_AUTOFREE char *keep_dir = km_path(k->dir, "kbuild");
	KM_AUTOFREE char *keep = NULL;
	KM_AUTOFREE char *text = NULL;
	size_t size;

	if (!d) {
		flat = km_strdup(dir);
		for (char *c = flat; *c; c++)
			if (*c == '/')
				*c = '+';
		keep = km_printf("%s/%s.txt", keep_dir, flat);
		KM_TRY(km_mkdirs(keep_dir));
		if (!has_makefile(k, dir))
			text = km_strdup("");
		else if (km_exists(keep))
			KM_TRY(km_file_read(keep, (uint8_t **)&text, &size));
		else
			KM_TRY(ask(k, dir, keep, &text));
		d = km_calloc(1, sizeof(*d));
		kbuild_dir_parse(dir, text, d);
		km_map_put(priv->directories, dir, d);
	}
	*ret = d;
	return NULL;
}

km_error *kbuild_dir_get(km_kernel *k, const char *dir, const struct kbuild_dir **ret)
{
	struct kernel_priv *priv = k->priv;
	km_error *err;

	pthread_mutex_lock(&priv->lock);
	err = dir_get(k, dir, ret);
	pthread_mutex_unlock(&priv->lock);
	return err;
}
