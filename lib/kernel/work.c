/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One build's working copy of a kernel. */
#include <errno.h>
#include <stdlib.h>

#include "prepared.h"

static km_error *make_scratch(char **ret)
{
	const char *tmp = getenv("TMPDIR");
	KM_AUTOFREE char *dir = km_printf("%s/kmend-XXXXXX", tmp && *tmp ? tmp : "/tmp");

	if (!mkdtemp(dir))
		return km_error_sys(errno, "cannot make a directory in %s", tmp && *tmp ? tmp : "/tmp");
	*ret = dir;
	dir = NULL;
	return NULL;
}

km_error *km_work_open(km_kernel *k, km_work **ret)
{
	struct km_work *w = km_calloc(1, sizeof(*w));
	km_error *err;

	w->kernel = k;
	w->copy.lock = w->original.lock = -1;
	pthread_mutex_init(&w->lock, NULL);
	pthread_rwlock_init(&w->texts, NULL);
	for (size_t i = 0; i < KM_COUNT(w->directory); i++)
		pthread_mutex_init(&w->directory[i], NULL);
	err = make_scratch(&w->scratch);
	if (!err)
		err = copy_open(k->dir, "", &w->copy);
	if (err) {
		km_work_close(w);
		return err;
	}
	*ret = w;
	return NULL;
}

static void changed_end(struct changed_file *c)
{
	free(c->path);
	free(c->old_text);
	free(c->new_text);
	free(c->lined);
}

void km_work_close(km_work *w)
{
	if (!w)
		return;
	if (w->copy.tree) {
		KM_AUTOFREE char *pristine = km_path(w->kernel->dir, "tree");
		km_error *err = copy_restore(&w->copy, pristine);

		if (err) /* the next owner of the copy tries again */
			km_warn("%s", err->message);
		km_error_free(err);
		copy_close(&w->copy);
	}
	if (w->original.tree)
		copy_close(&w->original);
	if (w->scratch)
		km_error_free(km_remove_tree(w->scratch));
	free(w->scratch);
	for (size_t i = 0; i < w->changed.n; i++)
		changed_end(&w->changed.at[i]);
	km_vec_free(&w->changed);
	pthread_mutex_destroy(&w->lock);
	pthread_rwlock_destroy(&w->texts);
	for (size_t i = 0; i < KM_COUNT(w->directory); i++)
		pthread_mutex_destroy(&w->directory[i]);
	free(w);
}

const char *km_work_tree(const km_work *w)
{
	return w->copy.tree;
}

void km_work_hunks(const km_work *w, unsigned *moved, unsigned *fuzzy)
{
	*moved = w->moved_hunks;
	*fuzzy = w->fuzzy_hunks;
}

km_error *work_original(struct km_work *w)
{
	km_error *err = NULL;

	pthread_mutex_lock(&w->lock);
	if (!w->original.tree)
		err = copy_open(w->kernel->dir, "original-", &w->original);
	pthread_mutex_unlock(&w->lock);
	return err;
}

void km_touched_free(km_touched_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].path);
		km_strv_free(&l->at[i].functions);
	}
	km_vec_free(l);
}

void km_unit_list_free(km_unit_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].source);
		free(l->at[i].object);
		free(l->at[i].why_text);
	}
	km_vec_free(l);
}

void km_left_out_free(km_left_out_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->at[i].path);
		free(l->at[i].reason);
	}
	km_vec_free(l);
}

void km_unit_objects_free(struct km_unit_objects *o)
{
	free(o->plain);
	free(o->original);
	free(o->patched);
	*o = (struct km_unit_objects){0};
}
