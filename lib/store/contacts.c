/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Last contacts, many at a time. */
#include "internal.h"

enum { CHUNK = 64 }; /* hosts of one statement: few ways to and from PostgreSQL */

/* "UPDATE … FROM (VALUES ($1, $2), …)": the same text for every chunk, so that it is prepared once. */
static char *statement(void)
{
	km_str sql = {0};

	km_str_add(&sql, "UPDATE contacts SET seen = CASE WHEN contacts.seen < v.column2 THEN v.column2 ELSE "
			 "contacts.seen END FROM (VALUES ");
	for (int i = 0; i < CHUNK; i++)
		km_str_printf(&sql, "%s($%d, $%d)", i ? ", " : "", 2 * i + 1, 2 * i + 2);
	km_str_add(&sql, ") AS v WHERE contacts.host = v.column1 RETURNING host, digest");
	return sql.at;
}

struct chunk {
	struct km_store_seen *rows;
	size_t n;
};

static km_error *one(void *ctx, const struct db_value *row)
{
	struct chunk *chunk = ctx;

	for (size_t i = 0; i < chunk->n; i++)
		if (chunk->rows[i].host == row[0].i) {
			chunk->rows[i].gone = false;
			chunk->rows[i].other = chunk->rows[i].digest != row[1].i;
		}
	return NULL;
}

static km_error *update(km_store *store, const char *sql, struct km_store_seen *rows, size_t n)
{
	struct chunk chunk = {.rows = rows, .n = n};
	struct db_value values[2 * CHUNK];

	for (size_t i = 0; i < CHUNK; i++) {
		/* No host has the number 0. */
		values[2 * i] = db_int(i < n ? rows[i].host : 0);
		values[2 * i + 1] = db_int(i < n ? rows[i].at : 0);
	}
	for (size_t i = 0; i < n; i++) {
		rows[i].gone = true;
		rows[i].other = false;
	}
	return store_run(store, sql, values, 2 * CHUNK, one, &chunk);
}

km_error *km_store_seen(km_store *store, struct km_store_seen *rows, size_t n)
{
	KM_AUTOFREE char *sql = statement();
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = NULL;
	for (size_t i = 0; !err && i < n; i += CHUNK)
		err = update(store, sql, rows + i, n - i < CHUNK ? n - i : CHUNK);
	return store_end(store, err);
}
