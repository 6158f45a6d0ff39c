/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of prepared kernels: finding one that is ready, making one under a lock, opening it. */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "prepared.h"

static void json_freep(json_t **j)
{
	json_decref(*j);
}
#define AUTOJSON KM_CLEANUP(json_freep) json_t

/* ---- the running kernel --------------------------------------------------------------------------------------------
 */
/* "#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)" → "6.1.176-1", else NULL. */
static char *running_version(void)
{
	struct utsname u;
	const char *at;

	if (uname(&u))
		return NULL;
	at = strstr(u.version, "Debian ");
	return at ? km_strndup(at + 7, strcspn(at + 7, " ")) : NULL;
}

/* Splits "RELEASE=VERSION"; without a release, the running one and its version. */
static void wanted_kernel(const char *named, char **release, char **version)
{
	const char *eq = named ? strchr(named, '=') : NULL;
	struct utsname u;

	*version = NULL;
	if (named) {
		*release = km_strndup(named, eq ? (size_t)(eq - named) : strlen(named));
		*version = eq ? km_strdup(eq + 1) : NULL;
		return;
	}
	*release = km_strdup(uname(&u) ? "" : u.release);
	*version = running_version();
}

/* ---- kernel.json ---------------------------------------------------------------------------------------------------
 */
static km_error *recipe_write(const struct recipe *r, const char *dir)
{
	KM_AUTOFREE char *path = km_path(dir, "kernel.json");
	AUTOJSON *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s*}", "format", PREPARED_FORMAT, "id", r->id, "release", r->release, "version",
				r->version ? r->version : "", "compiler", r->compiler, "compiler_text",
				r->compiler_text, "image", r->image, "modules", r->module_dir);
	KM_AUTOFREE char *text = j ? json_dumps(j, JSON_INDENT(2)) : NULL;

	if (!text)
		return km_error_new(KM_INPUT, "a name of kernel %s is not UTF-8", r->release);
	return km_file_write(path, text, strlen(text));
}

static char *member(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s ? km_strdup(s) : NULL;
}

/* False when dir is no prepared kernel: being made, left by a killed run, or of another format. */
static bool recipe_read(const char *dir, struct recipe *ret)
{
	KM_AUTOFREE char *path = km_path(dir, "kernel.json");
	KM_AUTOFREE char *ready = km_path(dir, "ready");
	AUTOJSON *j = km_exists(ready) ? json_load_file(path, 0, NULL) : NULL;
	KM_CLEANUP(recipe_end) struct recipe r = {0};

	if (!j || json_integer_value(json_object_get(j, "format")) != PREPARED_FORMAT)
		return false;
	r = (struct recipe){.id = member(j, "id"),
			    .release = member(j, "release"),
			    .version = member(j, "version"),
			    .compiler = member(j, "compiler"),
			    .compiler_text = member(j, "compiler_text"),
			    .image = member(j, "image"),
			    .module_dir = member(j, "modules")};
	if (!r.id || !r.release || !r.version || !r.compiler || !r.compiler_text || !r.image)
		return false;
	*ret = r;
	r = (struct recipe){0};
	return true;
}

/* The newest prepared kernel of that release (and version and id, unless NULL). */
static km_error *find_ready(const char *kernels, const char *release, const char *version, const char *id, char **ret)
{
	KM_CLEANUP(km_strv_free) km_strv names = {0};
	KM_AUTOFREE char *best = NULL;
	KM_AUTOFREE char *best_version = NULL;

	*ret = NULL;
	KM_TRY(km_listdir(kernels, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *dir = km_path(kernels, names.at[i]);
		KM_CLEANUP(recipe_end) struct recipe r = {0};

		if (*names.at[i] == '.' || !recipe_read(dir, &r) || (release && strcmp(r.release, release)) ||
		    (version && strcmp(r.version, version)) || (id && strcmp(r.id, id)))
			continue;
		if (!id && km_starts(r.version, "own")) /* only found by its whole id */
			continue;
		if (best && version_compare(r.version, best_version) <= 0)
			continue;
		free(best);
		free(best_version);
		best = km_strdup(dir);
		best_version = km_strdup(r.version);
	}
	*ret = best;
	best = NULL;
	return NULL;
}

/* ---- making one ----------------------------------------------------------------------------------------------------
 */
static char *location_id(const struct location *l)
{
	km_sha256 *h = km_sha256_create();
	uint8_t sum[KM_SHA256_LEN];
	char hex[KM_SHA256_HEX];

	km_sha256_add(h, &(uint8_t){PREPARED_FORMAT}, 1);
	for (int i = 0; i < N_PARTS; i++) {
		km_sha256_add(h, l->part[i].name, strlen(l->part[i].name) + 1);
		km_sha256_add(h, l->part[i].version, strlen(l->part[i].version) + 1);
		km_sha256_add(h, l->part[i].architecture ? l->part[i].architecture : "",
			      l->part[i].architecture ? strlen(l->part[i].architecture) + 1 : 1);
	}
	km_sha256_end(h, sum);
	km_hex(sum, sizeof(sum), hex);
	return km_printf("%s-%.12s", l->release, hex);
}

/* What runs that were killed left behind; the lock on the release is held, so nobody works there. */
static void sweep(const char *kernels, const char *release)
{
	KM_AUTOFREE char *prefix = km_printf(".new-%s-", release);
	km_strv names = {0};

	km_error_free(km_listdir(kernels, &names));
	for (size_t i = 0; i < names.n; i++) {
		KM_AUTOFREE char *path = km_path(kernels, names.at[i]);

		if (km_starts(names.at[i], prefix))
			km_error_free(km_remove_tree(path));
	}
	km_strv_free(&names);
}

static km_error *settle(struct recipe *r, const char *fresh, const char *dir)
{
	KM_AUTOFREE char *ready = km_path(fresh, "ready");

	KM_TRY(recipe_write(r, fresh));
	KM_TRY(km_file_write(ready, "", 0));
	KM_TRY(km_remove_tree(dir)); /* of another format */
	return rename(fresh, dir) ? km_error_sys(errno, "cannot rename %s to %s", fresh, dir) : NULL;
}

static km_error *make_from_packages(const struct location *l, const char *cache, const char *dir, const char *fresh,
				    const char *id, km_stages *stages)
{
	KM_AUTOFREE char *debs = km_path(cache, "debs");
	KM_CLEANUP(recipe_end) struct recipe r = {0};
	const struct package *parts[N_PARTS];

	for (int i = 0; i < N_PARTS; i++)
		parts[i] = &l->part[i];
	KM_TRY(km_mkdirs(debs));
	if (!l->from_files) {
		if (stages)
			km_stage(stages, "fetch");
		KM_TRY(apt_fetch(parts, N_PARTS, debs));
	}
	KM_TRY(prepare_packages(l, debs, fresh, stages, &r));
	r.id = km_strdup(id);
	return settle(&r, fresh, dir);
}

static km_error *ready_packages(const struct km_kernel_source *src, const char *cache, const char *kernels,
				km_stages *stages, char **ret)
{
	KM_CLEANUP(location_end) struct location l = {0};
	KM_AUTOFREE char *release = NULL;
	KM_AUTOFREE char *version = NULL;
	KM_AUTOFREE char *lock_path = NULL;
	KM_AUTOFREE char *fresh = NULL;
	KM_AUTOFREE char *id = NULL;
	KM_AUTOFREE char *dir = NULL;
	KM_AUTOCLOSE int lock = -1;
	km_error *err;

	wanted_kernel(src->release, &release, &version);
	if (!*release || strchr(release, '/'))
		return km_error_new(KM_USAGE, "\"%s\" is no kernel release", release);
	KM_TRY(find_ready(kernels, release, version, NULL, ret));
	if (*ret)
		return NULL;
	KM_TRY(locate(release, version, src->debs,
		      &l)); /* before the lock: a name that does not exist leaves nothing behind */
	lock_path = km_printf("%s/.lock-%s", kernels, release);
	KM_TRY(km_lock(lock_path, true, &lock));
	KM_TRY(find_ready(kernels, release, version, NULL, ret));
	if (*ret)
		return NULL;
	sweep(kernels, release);
	id = location_id(&l);
	dir = km_path(kernels, id);
	fresh = km_printf("%s/.new-%s-%d", kernels, release, (int)getpid());
	KM_TRY(km_mkdirs(fresh));
	err = make_from_packages(&l, cache, dir, fresh, id, stages);
	if (err) {
		km_error_free(km_remove_tree(fresh));
		return km_error_add(err, "cannot prepare kernel %s", release);
	}
	*ret = km_strdup(dir);
	return NULL;
}

static km_error *ready_own(const struct km_kernel_source *src, const char *kernels, km_stages *stages, char **ret)
{
	KM_CLEANUP(recipe_end) struct recipe r = {0};
	KM_AUTOFREE char *release = NULL;
	KM_AUTOFREE char *lock_path = NULL;
	KM_AUTOFREE char *fresh = NULL;
	KM_AUTOFREE char *dir = NULL;
	KM_AUTOFREE char *id = NULL;
	KM_AUTOCLOSE int lock = -1;
	char hash[KM_SHA256_HEX];
	km_object *image;
	km_error *err;

	KM_TRY(own_hash(src, hash));
	KM_TRY(km_vmlinux_open(src->vmlinux, &image));
	release = km_strdup(km_vmlinux_release(image));
	km_object_destroy(image);
	if (!*release || strchr(release, '/'))
		return km_error_new(KM_INPUT, "%s names no kernel release", src->vmlinux);
	id = km_printf("%s-%.12s", release, hash);
	lock_path = km_printf("%s/.lock-%s", kernels, release);
	KM_TRY(km_lock(lock_path, true, &lock));
	KM_TRY(find_ready(kernels, release, NULL, id, ret));
	if (*ret)
		return NULL;
	sweep(kernels, release);
	dir = km_path(kernels, id);
	fresh = km_printf("%s/.new-%s-%d", kernels, release, (int)getpid());
	KM_TRY(km_mkdirs(fresh));
	err = prepare_own(src, release, fresh, stages, &r);
	if (!err) {
		r.id = km_strdup(id);
		err = settle(&r, fresh, dir);
	}
	if (err) {
		km_error_free(km_remove_tree(fresh));
		return km_error_add(err, "cannot prepare kernel %s", release);
	}
	*ret = km_strdup(dir);
	return NULL;
}

/* ---- opening one ---------------------------------------------------------------------------------------------------
 */
static char *absolute(const char *dir, const char *path)
{
	if (!path)
		return NULL;
	return *path == '/' ? km_strdup(path) : km_path(dir, path);
}

static void priv_init(struct kernel_priv *p)
{
	p->module_paths = NULL;
	p->modules = km_map_create();
	p->directories = km_map_create();
	p->ways = km_map_create();
	pthread_mutex_init(&p->way_lock, NULL);
	pthread_mutex_init(&p->lock, NULL);
}

static km_error *fill(km_kernel *k, const char *dir)
{
	KM_CLEANUP(recipe_end) struct recipe r = {0};
	KM_AUTOFREE char *image = NULL;
	KM_AUTOFREE char *env = km_path(dir, "env");
	KM_AUTOFREE char *symvers = NULL;
	struct kernel_priv *priv = k->priv;

	if (!recipe_read(dir, &r))
		return km_error_hint(km_error_new(KM_INPUT, "%s is no prepared kernel", dir),
				     "remove it, then try again");
	k->id = km_strdup(r.id);
	k->release = km_strdup(r.release);
	k->package_version = km_strdup(km_starts(r.version, "own") ? "" : r.version);
	k->arch = km_strdup("x86_64");
	k->dir = km_strdup(dir);
	k->tree = km_path(dir, "tree");
	k->headers = km_path(dir, "tree");
	k->module_dir = absolute(dir, r.module_dir);
	k->compiler_text = km_strdup(r.compiler_text);
	KM_TRY(compiler_find(r.compiler_text, &k->compiler));
	KM_TRY(kbuild_env_read(env, &priv->env));
	image = absolute(dir, r.image);
	symvers = km_path(k->tree, "Module.symvers");
	KM_TRY(km_exports_read(symvers, &k->exports));
	return km_vmlinux_open(image, &k->vmlinux);
}

km_error *km_kernel_open(const struct km_kernel_source *src, km_stages *stages, km_kernel **ret)
{
	KM_AUTOFREE char *cache = NULL;
	KM_AUTOFREE char *kernels = NULL;
	KM_AUTOFREE char *dir = NULL;
	km_kernel *k;
	km_error *err;

	KM_TRY(km_cache_dir(&cache));
	kernels = km_path(cache, "kernels");
	KM_TRY(km_mkdirs(kernels));
	if (stages)
		km_stage(stages, "locate");
	if (src->source)
		KM_TRY(ready_own(src, kernels, stages, &dir));
	else
		KM_TRY(ready_packages(src, cache, kernels, stages, &dir));
	if (stages)
		km_stage(stages, "open image");
	k = km_calloc(1, sizeof(*k));
	k->priv = km_calloc(1, sizeof(struct kernel_priv));
	priv_init(k->priv);
	err = fill(k, dir);
	if (err) {
		km_kernel_close(k);
		return err;
	}
	*ret = k;
	return NULL;
}

void kernel_map_destroy(km_map *map, void (*end)(void *))
{
	void *value;

	for (size_t i = 0; map && i < km_map_count(map); i++) {
		km_map_at(map, i, &value);
		end(value);
	}
	if (map)
		km_map_destroy(map);
}

static void end_module(void *obj)
{
	km_object_destroy(obj);
}

static void end_directory(void *dir)
{
	kbuild_dir_free(dir);
}

void km_kernel_close(km_kernel *k)
{
	struct kernel_priv *p;

	if (!k)
		return;
	p = k->priv;
	kernel_map_destroy(p->module_paths, free);
	kernel_map_destroy(p->modules, end_module);
	kernel_map_destroy(p->directories, end_directory);
	kernel_map_destroy(p->ways, way_free);
	pthread_mutex_destroy(&p->way_lock);
	include_graph_free(p->graph);
	km_strv_free(&p->reaching_out);
	km_strv_free(&p->env);
	pthread_mutex_destroy(&p->lock);
	free(p);
	if (k->vmlinux)
		km_object_destroy(k->vmlinux);
	if (k->exports)
		km_exports_destroy(k->exports);
	free(k->id);
	free(k->release);
	free(k->package_version);
	free(k->arch);
	free(k->dir);
	free(k->tree);
	free(k->module_dir);
	free(k->headers);
	free(k->compiler);
	free(k->compiler_text);
	free(k);
}
