/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modules.h"

#include <errno.h>
#include <fts.h>
#include <libkmod.h>

struct lab_modules {
	struct kmod_ctx *kmod;
	km_map *paths; /* name -> path (char *) */
	char *dir;
};

char *lab_module_name(const char *path)
{
	const char *base = strrchr(path, '/'), *dot;
	char *name;

	base = base ? base + 1 : path;
	dot = strstr(base, ".ko");
	if (!dot || dot == base || (dot[3] && dot[3] != '.'))
		return NULL;
	name = km_strndup(base, dot - base);
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

static void index_file(struct lab_modules *m, const char *path)
{
	KM_AUTOFREE char *name = lab_module_name(path);

	if (name && !km_map_has(m->paths, name))
		km_map_put(m->paths, name, km_strdup(path));
}

static km_error *index_all(struct lab_modules *m)
{
	char *roots[] = {m->dir, NULL};
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT, NULL);

	if (!fts)
		return km_error_sys(errno, "cannot read %s", m->dir);
	for (FTSENT *e = fts_read(fts); e; e = fts_read(fts))
		if (e->fts_info == FTS_F || e->fts_info == FTS_NSOK)
			index_file(m, e->fts_path);
	fts_close(fts);
	return NULL;
}

km_error *lab_modules_open(const char *dir, struct lab_modules **ret)
{
	const char *no_config = NULL;
	struct lab_modules *m = km_calloc(1, sizeof(*m));
	km_error *err;

	m->dir = km_strdup(dir);
	m->paths = km_map_create();
	m->kmod = kmod_new(dir, &no_config);
	err = m->kmod ? index_all(m) : km_error_sys(ENOMEM, "cannot begin with libkmod");
	if (err) {
		lab_modules_close(m);
		return err;
	}
	*ret = m;
	return NULL;
}

void lab_modules_close(struct lab_modules *m)
{
	void *path;

	if (!m)
		return;
	for (size_t i = 0; i < km_map_count(m->paths); i++) {
		km_map_at(m->paths, i, &path);
		free(path);
	}
	km_map_destroy(m->paths);
	if (m->kmod)
		kmod_unref(m->kmod);
	free(m->dir);
	free(m);
}

static char *underscored(const char *name)
{
	char *s = km_strdup(name);

	for (char *p = s; *p; p++)
		if (*p == '-')
			*p = '_';
	return s;
}

const char *lab_modules_path(const struct lab_modules *m, const char *name)
{
	KM_AUTOFREE char *key = underscored(name);

	return km_map_get(m->paths, key);
}

/* "a,b" of modinfo's depends, or the words after "pre:" of its softdep up to "post:". */
static void add_words(const char *text, bool soft, km_strv *ret)
{
	bool in = !soft;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ", ");
		KM_AUTOFREE char *word = km_strndup(p, n);

		p += n;
		p += strspn(p, ", ");
		if (km_ends(word, ":"))
			in = !strcmp(word, "pre:");
		else if (in && *word)
			km_strv_push(ret, word);
	}
}

km_error *lab_modules_depends(const struct lab_modules *m, const char *name, km_strv *ret)
{
	const char *path = lab_modules_path(m, name);
	struct kmod_list *info = NULL, *l;
	struct kmod_module *mod;
	int got;

	if (!path)
		return km_error_new(KM_INPUT, "this kernel ships no module '%s' (%s)", name, m->dir);
	got = kmod_module_new_from_path(m->kmod, path, &mod);
	if (got < 0)
		return km_error_sys(-got, "cannot open the module %s", path);
	got = kmod_module_get_info(mod, &info);
	kmod_list_foreach(l, info)
	{
		const char *key = kmod_module_info_get_key(l);

		if (!strcmp(key, "depends") || !strcmp(key, "softdep"))
			add_words(kmod_module_info_get_value(l), *key == 's', ret);
	}
	kmod_module_info_free_list(info);
	kmod_module_unref(mod);
	return got < 0 ? km_error_sys(-got, "cannot read the module %s", path) : NULL;
}

static km_error *close_over(const struct lab_modules *m, const char *name, unsigned depth, km_strv *ret)
{
	KM_AUTOFREE char *key = underscored(name);
	km_strv needs = {0};
	km_error *err;

	if (km_strv_has(ret, key))
		return NULL;
	if (depth > 32)
		return km_error_new(KM_INPUT, "the modules of %s depend on each other in a circle at '%s'", m->dir,
				    name);
	err = lab_modules_depends(m, name, &needs);
	for (size_t i = 0; i < needs.n && !err; i++)
		if (lab_modules_path(m, needs.at[i])) /* what is not a file is built in */
			err = close_over(m, needs.at[i], depth + 1, ret);
	if (!err && !km_strv_has(ret, key))
		km_strv_push(ret, key);
	km_strv_free(&needs);
	return err;
}

km_error *lab_modules_closure(const struct lab_modules *m, const char *name, km_strv *ret)
{
	return close_over(m, name, 0, ret);
}
