/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules that a kernel ships: found by name, opened once. */
#include <dirent.h>
#include <errno.h>

#include "prepared.h"

/* "bpf-tables.ko.xz" → "bpf_tables", or NULL for what is no module. */
static char *module_name(const char *file)
{
	const char *ko = strstr(file, ".ko");
	char *name;

	if (!ko || (ko[3] && ko[3] != '.'))
		return NULL;
	name = km_strndup(file, (size_t)(ko - file));
	for (char *p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return name;
}

static km_error *find_modules(const char *dir, unsigned depth, km_map *paths)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	km_error *err = NULL;

	if (!d)
		return km_error_sys(errno, "cannot read %s", dir);
	while (!err && (e = readdir(d))) {
		KM_AUTOFREE char *path = km_path(dir, e->d_name);
		KM_AUTOFREE char *name = module_name(e->d_name);

		if (*e->d_name == '.' || e->d_type == DT_LNK) /* "build" and "source" point out of here */
			continue;
		if (e->d_type == DT_DIR && depth < 32)
			err = find_modules(path, depth + 1, paths);
		else if (name && !km_map_has(paths, name))
			km_map_put(paths, name, km_strdup(path));
	}
	closedir(d);
	return err;
}

/* With priv->lock held. */
static km_error *paths_of(km_kernel *k, km_map **ret)
{
	struct kernel_priv *p = k->priv;
	km_map *paths;
	km_error *err;

	if (!p->module_paths) {
		paths = km_map_create();
		err = k->module_dir ? find_modules(k->module_dir, 0, paths) : NULL;
		if (err) {
			kernel_map_destroy(paths, free);
			return err;
		}
		p->module_paths = paths;
	}
	*ret = p->module_paths;
	return NULL;
}

km_error *km_kernel_modules(km_kernel *k, km_strv *ret)
{
	struct kernel_priv *p = k->priv;
	km_map *paths;
	km_error *err;

	pthread_mutex_lock(&p->lock);
	err = paths_of(k, &paths);
	for (size_t i = 0; !err && i < km_map_count(paths); i++)
		km_strv_push(ret, km_map_at(paths, i, NULL));
	pthread_mutex_unlock(&p->lock);
	km_strv_sort(ret);
	return err;
}

static km_error *no_module(const km_kernel *k, const km_map *paths, const char *name)
{
	km_vec(const char *) names = {0};
	const char *near;
	km_error *err;

	for (size_t i = 0; i < km_map_count(paths); i++)
		km_vec_push(&names, km_map_at(paths, i, NULL));
	near = km_nearest(name, names.at, names.n);
	err = km_error_new(KM_INPUT, "kernel %s ships no module %s", k->release, name);
	if (!k->module_dir)
		err = km_error_hint(err, "name the directory with its modules: --modules DIR");
	else if (near)
		err = km_error_hint(err, "the nearest name is %s", near);
	km_vec_free(&names);
	return err;
}

static km_error *module_get(km_kernel *k, const char *name, km_object **ret)
{
	struct kernel_priv *p = k->priv;
	km_map *paths;
	const char *path;
	km_object *obj;

	obj = km_map_get(p->modules, name);
	if (!obj) {
		KM_TRY(paths_of(k, &paths));
		path = km_map_get(paths, name);
		if (!path)
			return no_module(k, paths, name);
		KM_TRY(km_module_open(path, &obj));
		km_map_put(p->modules, name, obj);
	}
	*ret = obj;
	return NULL;
}

km_error *km_kernel_module(km_kernel *k, const char *name, km_object **ret)
{
	struct kernel_priv *p = k->priv;
	km_error *err;

	pthread_mutex_lock(&p->lock);
	err = module_get(k, name, ret);
	pthread_mutex_unlock(&p->lock);
	return err;
}
