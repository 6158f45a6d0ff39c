/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a database must do for the store: connections, each used by one thread at a time, that run one statement after
 * the other. Statements are constants of this library, in the SQL that both understand, with $1 … $N; values never
 * become part of them. Where the two have different words, a statement of the schema has one of these, and the back
 * end's `words` its own: AUTOKEY (an integer that grows with each row), ROWKEY (an integer by which rows lie), TEXT
 * (ordered by bytes), BYTES.
 */
#ifndef KMEND_STORE_DB_H
#define KMEND_STORE_DB_H

#include <kmend/base.h>

enum { DB_COLUMNS = 24 }; /* of an answer, at most */

enum db_kind { DB_NULL, DB_INT, DB_TEXT, DB_BYTES };
struct db_value {
	enum db_kind kind;
	int64_t i;
	const void *at; /* a text ends with a NUL */
	size_t n;	/* bytes, without that */
};

static inline struct db_value db_int(int64_t i)
{
	return (struct db_value){.kind = DB_INT, .i = i};
}

/* NULL is NULL. */
static inline struct db_value db_text(const char *text)
{
	return (struct db_value){.kind = text ? DB_TEXT : DB_NULL, .at = text, .n = text ? strlen(text) : 0};
}

static inline struct db_value db_bytes(const void *bytes, size_t n)
{
	return (struct db_value){.kind = DB_BYTES, .at = bytes, .n = n};
}

/* The values of a statement, and how many they are: two arguments. */
#define DB_VALUES(...)                                                                                                 \
	((const struct db_value[]){{.kind = DB_NULL}, ##__VA_ARGS__}) + 1,                                             \
		KM_COUNT(((const struct db_value[]){{.kind = DB_NULL}, ##__VA_ARGS__})) - 1

/* A row of an answer; its values are valid during the call. It must not use the connection. */
typedef km_error *(*db_row_fn)(void *ctx, const struct db_value *row);

struct db_backend;
struct db { /* a connection; the back end's own struct begins with it */
	const struct db_backend *backend;
};

struct db_backend {
	/* Whether `where` is one of its own. */
	bool (*takes)(const char *where);
	/* Connects. The first one opened is the writer, which makes the database if that is what it does. */
	km_error *(*open)(const char *where, bool writer, struct db **ret);
	void (*close)(struct db *db);
	/* Runs one statement; row (or NULL) gets each row of the answer. A lost connection is made anew when no
	 * transaction was open, else the error is as from a conflict: its sys is EAGAIN when the same may work if it is
	 * tried once more. */
	km_error *(*run)(struct db *db, const char *sql, const struct db_value *values, size_t n, db_row_fn row,
			 void *ctx);
	/* Whether a transaction is open, which a full disk or a lost connection may have ended. */
	bool (*within)(struct db *db);
	/* "SQLite 3.40.1, state.db"; for free(). */
	char *(*describe)(struct db *db);
	/* As km_store_check(). */
	km_error *(*check)(struct db *db);
	const char *begin[3];	       /* the statements that begin a writing transaction; NULL-terminated */
	const char *tables;	       /* gives the name of each table */
	const char *const (*words)[2]; /* the schema's word, and its own; ends with {NULL} */
};

extern const struct db_backend db_sqlite, db_postgres;

#endif
