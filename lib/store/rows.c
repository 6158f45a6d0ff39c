/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From rows to structs, and the refusals that many operations share. */
#include "internal.h"

const char *row_text(km_arena *arena, const struct db_value *value)
{
	return value->kind == DB_TEXT ? km_arena_strndup(arena, value->at, value->n) : NULL;
}

void text_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(const char **)ret = row_text(arena, &row[0]);
}

void row_sum(const struct db_value *value, char ret[static KM_SHA256_HEX])
{
	snprintf(ret, KM_SHA256_HEX, "%s", value->kind == DB_TEXT ? (const char *)value->at : "");
}

struct one {
	row_read read;
	km_arena *arena;
	void *ret;
	bool found;
};

static km_error *one_row(void *ctx, const struct db_value *row)
{
	struct one *one = ctx;

	one->read(row, one->arena, one->ret);
	one->found = true;
	return NULL;
}

km_error *store_one(km_store *store, const char *sql, const struct db_value *values, size_t n, row_read read,
		    km_arena *arena, void *ret, bool *found)
{
	struct one one = {.read = read, .arena = arena, .ret = ret};

	KM_TRY(store_run(store, sql, values, n, one_row, &one));
	*found = one.found;
	return NULL;
}

struct list {
	row_read read;
	km_arena *arena;
	char *at;
	size_t size, n, cap;
};

static km_error *list_row(void *ctx, const struct db_value *row)
{
	struct list *list = ctx;

	if (list->n == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 16;
		list->at = km_realloc(list->at, list->cap, list->size);
	}
	memset(list->at + list->n * list->size, 0, list->size);
	list->read(row, list->arena, list->at + list->n++ * list->size);
	return NULL;
}

km_error *store_list(km_store *store, const char *sql, const struct db_value *values, size_t n, row_read read,
		     size_t size, km_arena *arena, void *ret, size_t *count)
{
	struct list list = {.read = read, .arena = arena, .size = size};
	km_error *err = store_run(store, sql, values, n, list_row, &list);

	if (!err) {
		void *at = km_arena_copy(arena, list.at ? list.at : "", list.n * size);

		memcpy(ret, &at, sizeof(at));
		*count = list.n;
	}
	free(list.at);
	return err;
}

static void int_read(const struct db_value *row, km_arena *arena, void *ret)
{
	(void)arena;
	*(int64_t *)ret = row->i;
}

km_error *store_int(km_store *store, const char *sql, const struct db_value *values, size_t n, int64_t absent,
		    int64_t *ret)
{
	int64_t value = absent;
	bool found;

	KM_TRY(store_one(store, sql, values, n, int_read, NULL, &value, &found));
	*ret = value;
	return NULL;
}

km_error *store_refuse(enum km_store_why *why, enum km_store_why which, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	KM_AUTOFREE char *text = km_vprintf(fmt, ap);
	va_end(ap);
	if (why)
		*why = which;
	return km_error_new(KM_REFUSED, "%s", text);
}

km_error *store_valid(const char *what, const char *id, int64_t expires, int64_t revoked, int64_t now,
		      enum km_store_why *why)
{
	if (revoked)
		return store_refuse(why, KM_STORE_REVOKED, "the %s %s was revoked", what, id);
	if (expires && expires <= now)
		return store_refuse(why, KM_STORE_EXPIRED, "the %s %s has expired", what, id);
	return NULL;
}
