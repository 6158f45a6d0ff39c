/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vectors of strings. */
#include <kmend/base.h>

void km_strv_push(km_strv *v, const char *s)
{
	km_vec_push(v, km_strdup(s));
}

void km_strv_printf(km_strv *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	km_vec_push(v, km_vprintf(fmt, ap));
	va_end(ap);
}

void km_strv_free(km_strv *v)
{
	for (size_t i = 0; i < v->n; i++)
		free(v->at[i]);
	km_vec_free(v);
}

bool km_strv_has(const km_strv *v, const char *s)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->at[i], s))
			return true;
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void km_strv_sort(km_strv *v)
{
	if (v->n > 1)
		qsort(v->at, v->n, sizeof(*v->at), by_bytes);
}

char *const *km_strv_argv(km_strv *v)
{
	km_vec_push(v, NULL);
	v->n--;
	return v->at;
}
