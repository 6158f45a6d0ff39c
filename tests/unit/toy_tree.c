/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "toy_tree.h"

void toy_file_put(const char *dir, const char *path, const char *text)
{
	char *full = km_path(dir, path), *above = km_strdup(full);

	*strrchr(above, '/') = 0;
	check_ok(km_mkdirs(above));
	check_ok(km_file_write(full, text, strlen(text)));
	free(above);
	free(full);
}

km_kernel *toy_tree_create(const struct toy_file *files, size_t n)
{
	km_kernel *k = km_calloc(1, sizeof(*k));
	struct kernel_priv *p = km_calloc(1, sizeof(*p));

	k->dir = check_dir();
	k->tree = km_path(k->dir, "tree");
	k->release = km_strdup("6.1.0-toy");
	k->priv = p;
	p->modules = km_map_create();
	p->directories = km_map_create();
	p->ways = km_map_create();
	pthread_mutex_init(&p->way_lock, NULL);
	pthread_mutex_init(&p->lock, NULL);
	km_strv_push(&p->env, "CC=gcc");
	check_ok(km_mkdirs(k->tree));
	for (size_t i = 0; i < n; i++)
		toy_file_put(k->tree, files[i].path, files[i].text);
	return k;
}

void toy_tree_answer(km_kernel *k, const char *dir, const char *answer)
{
	struct kernel_priv *p = k->priv;
	struct kbuild_dir *d = km_calloc(1, sizeof(*d));

	kbuild_dir_parse(dir, answer, d);
	km_map_put(p->directories, dir, d);
}

void toy_tree_destroy(km_kernel *k)
{
	char *dir = km_strdup(k->dir);

	km_kernel_close(k);
	check_dir_end(dir);
}
