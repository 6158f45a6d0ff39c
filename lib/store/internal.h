/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the operations share. */
#ifndef KMEND_STORE_INTERNAL_H
#define KMEND_STORE_INTERNAL_H

#include <kmend/store.h>

#include "db.h"

/* ---- connection.c: the writer and the readers ----------------------------------------------------------------------
 */
/* Runs a statement on the writer if this thread has a transaction open, else on a reader. Texts that are not UTF-8 are
 * KM_INPUT. */
KM_CHECKED km_error *store_run(km_store *store, const char *sql, const struct db_value *values, size_t n, db_row_fn row,
			       void *ctx);
/* For operations that began with km_store_begin(): commits, or takes back what they did when there is an error, which
 * it gives. */
KM_CHECKED km_error *store_end(km_store *store, km_error *err);

/* ---- schema.c ------------------------------------------------------------------------------------------------------
 */
/* What leads from one version of the tables to the next one: statements, NULL-terminated. */
typedef const char *const *schema_step;
extern const schema_step schema_steps[];
/* Brings the tables to version n_steps, inside of a transaction; *version is what they are at then. KM_REFUSED when
 * they are further. */
KM_CHECKED km_error *schema_migrate(struct db *db, const schema_step *steps, int64_t n_steps, int64_t *version);
enum { STORE_ID = 33 };
/* The database's own name, made when it has none. */
KM_CHECKED km_error *schema_id(struct db *db, char ret[static STORE_ID]);

/* ---- rows.c: from rows to structs ----------------------------------------------------------------------------------
 */
/* Reads a row into the struct at ret; texts go into the arena. */
typedef void (*row_read)(const struct db_value *row, km_arena *arena, void *ret);
/* A text of a row that lives as long as the arena; NULL for NULL. */
const char *row_text(km_arena *arena, const struct db_value *value);
/* A row_read for one text. */
void text_read(const struct db_value *row, km_arena *arena, void *ret);
/* A sum of a row. */
void row_sum(const struct db_value *value, char ret[static KM_SHA256_HEX]);
/* The row of an answer that has one at most; *found: whether it did. */
KM_CHECKED km_error *store_one(km_store *store, const char *sql, const struct db_value *values, size_t n, row_read read,
			       km_arena *arena, void *ret, bool *found);
/* All rows as an array of structs of that size, in the arena; *ret is set to it, *count to their number. */
KM_CHECKED km_error *store_list(km_store *store, const char *sql, const struct db_value *values, size_t n,
				row_read read, size_t size, km_arena *arena, void *ret, size_t *count);
/* The integer of an answer with one row and column; `absent` when there is no row. */
KM_CHECKED km_error *store_int(km_store *store, const char *sql, const struct db_value *values, size_t n,
			       int64_t absent, int64_t *ret);
/* A KM_REFUSED of that kind; sets *why unless it is NULL. */
KM_CHECKED km_error *store_refuse(enum km_store_why *why, enum km_store_why which, const char *fmt, ...)
	KM_PRINTF(3, 4);
/* Whether a token or admin with these times may be used. */
KM_CHECKED km_error *store_valid(const char *what, const char *id, int64_t expires, int64_t revoked, int64_t now,
				 enum km_store_why *why);

/* ---- tags.c --------------------------------------------------------------------------------------------------------
 */
/* The tags of a text, sorted, each once. */
KM_CHECKED km_error *tags_of(const char *text, km_strv *ret);
/* With a space between each; for free(). */
char *tags_text(const km_strv *tags);
/* Sets a host's tags. */
KM_CHECKED km_error *tags_set(km_store *store, int64_t host, const char *tags);

/* ---- hosts.c -------------------------------------------------------------------------------------------------------
 */
/* The columns of a host `h` with its contact `c`, and how they become one. */
#define HOST_COLUMNS                                                                                                   \
	"h.n, h.id, h.token, h.secret, h.channel, h.tags, h.arch, h.kernel, h.build_id, h.boot, h.agent, h.standing, " \
	"h.root, h.timestamp, "                                                                                        \
	"h.attached, c.seen, c.digest"
void host_read(const struct db_value *row, km_arena *arena, void *ret);
/* The number of a host, or 0. */
KM_CHECKED km_error *host_number(km_store *store, const char *id, int64_t *ret);

#endif
