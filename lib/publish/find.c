/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules that `kmend build -o DIR` left behind, for one kernel or for many. */
#include "internal.h"

enum { DEPTH = 4 }; /* DIR/KERNEL/core/NAME.ko, and one to spare */

void module_list_free(module_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		km_info_free(list->at[i].info);
		free(list->at[i].blob.path);
	}
	km_vec_free(list);
}

static km_error *search(const char *dir, unsigned depth, km_strv *ret)
{
	km_strv names = {0};
	km_error *err = km_listdir(dir, &names);

	for (size_t i = 0; i < names.n && !err; i++) {
		KM_AUTOFREE char *path = km_path(dir, names.at[i]);

		if (km_is_dir(path) && depth < DEPTH)
			err = search(path, depth + 1, ret);
		else if (km_ends(path, ".ko") && !km_is_dir(path))
			km_strv_push(ret, path);
	}
	km_strv_free(&names);
	return err;
}

static km_error *check(const char *path, const struct km_info *info)
{
	if (!info->ours)
		return km_error_hint(km_error_new(KM_INPUT, "%s was not made by kmend build", path),
				     "a release needs a patch that says which kernel and which diff it is of");
	if (!info->arch || !info->build_id || !*info->build_id || !info->version || !info->source_hash)
		return km_error_new(KM_INPUT, "%s: the metadata has no architecture, build-id, version or source_hash",
				    path);
	if (!info->livepatch && !info->core)
		return km_error_new(KM_INPUT, "%s is no live patch", path);
	return NULL;
}

static km_error *read_module(const char *path, module_list *list)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	uint8_t sum[KM_SHA256_LEN];
	struct module m = {0};
	size_t size;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	/* Of the bytes and not of the file: what is signed is what was looked at. */
	err = km_info_parse(bytes, size, &m.info);
	if (!err)
		err = check(path, m.info);
	if (err) {
		km_info_free(m.info);
		return km_error_add(err, "cannot publish %s", path);
	}
	km_sha256_of(bytes, size, sum);
	km_hex(sum, sizeof(sum), m.blob.sha256);
	m.blob.path = km_strdup(path);
	m.blob.size = size;
	m.flavour = km_flavour_name(m.info->core ? KM_FLAVOUR_CORE : KM_FLAVOUR_KLP);
	km_vec_push(list, m);
	return NULL;
}

static int by_kernel(const void *a, const void *b)
{
	const struct module *x = a, *y = b;
	int order = strcmp(x->info->release, y->info->release);

	order = order ? order : strcmp(x->info->arch, y->info->arch);
	order = order ? order : strcmp(x->info->build_id, y->info->build_id);
	/* klp before core, as the builder lists them */
	return order ? order : -strcmp(x->flavour, y->flavour);
}

km_error *modules_find(const char *const *paths, size_t n, module_list *ret)
{
	km_strv files = {0};
	module_list list = {0};
	km_error *err = NULL;

	for (size_t i = 0; i < n && !err; i++)
		if (km_is_dir(paths[i]))
			err = search(paths[i], 0, &files);
		else
			km_strv_push(&files, paths[i]);
	for (size_t i = 0; i < files.n && !err; i++)
		err = read_module(files.at[i], &list);
	if (!err && !list.n)
		err = km_error_hint(km_error_new(KM_ENV, "there is no module in %s", n ? paths[0] : "nothing"),
				    "kmend build -o DIR makes one");
	km_strv_free(&files);
	if (err) {
		module_list_free(&list);
		return err;
	}
	qsort(list.at, list.n, sizeof(*list.at), by_kernel);
	*ret = list;
	return NULL;
}
