/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SQLite: a file, with its write-ahead log beside it. synchronous=FULL syncs the log at each commit, so what was
 * committed survives the machine's power, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include "db.h"

enum { APPLICATION_ID = 0x6b6d6e64, BUSY_MS = 10000 }; /* "kmnd": what file(1) and we know our files by */

struct sqlite {
	struct db db;
	sqlite3 *handle;
	km_map *statements; /* prepared ones by their text */
	char *path;
};

static bool sqlite_takes(const char *where)
{
	return !strstr(where, "://");
}

static km_error *failed(const struct sqlite *s, int status)
{
	km_error *err = km_error_new(status == SQLITE_NOTADB || status == SQLITE_CORRUPT ? KM_INPUT : KM_ENV, "%s: %s",
				     s->path, s->handle ? sqlite3_errmsg(s->handle) : sqlite3_errstr(status));

	switch (status) {
	case SQLITE_FULL:
		err->sys = ENOSPC;
		return km_error_hint(err, "make room on the file system of %s; nothing that was acknowledged is lost",
				     s->path);
	case SQLITE_BUSY: err->sys = EAGAIN; return km_error_hint(err, "another program holds %s", s->path);
	case SQLITE_NOTADB: return km_error_hint(err, "this file is no SQLite database");
	case SQLITE_CORRUPT: return km_error_hint(err, "restore %s from a backup", s->path);
	default: return err;
	}
}

static void sqlite_close(struct db *db)
{
	struct sqlite *s = (struct sqlite *)db;
	void *statement;

	for (size_t i = 0; i < km_map_count(s->statements); i++) {
		km_map_at(s->statements, i, &statement);
		sqlite3_finalize(statement);
	}
	km_map_destroy(s->statements);
	sqlite3_close(s->handle);
	free(s->path);
	free(s);
}

static km_error *prepare(struct sqlite *s, const char *sql, sqlite3_stmt **ret)
{
	KM_AUTOFREE char *text = NULL;
	int status;

	*ret = km_map_get(s->statements, sql);
	if (*ret)
		return NULL;
	/* To SQLite "$7" is a name, which gets the next free number; "?7" is the seventh. */
	text = km_strdup(sql);
	for (char *dollar = text; (dollar = strchr(dollar, '$'));)
		*dollar = '?';
	status = sqlite3_prepare_v3(s->handle, text, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
	if (status)
		return failed(s, status);
	km_map_put(s->statements, sql, *ret);
	return NULL;
}

static int bind(sqlite3_stmt *statement, int place, const struct db_value *value)
{
	switch (value->kind) {
	case DB_INT: return sqlite3_bind_int64(statement, place, value->i);
	case DB_TEXT: return sqlite3_bind_text64(statement, place, value->at, value->n, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BYTES: return sqlite3_bind_blob64(statement, place, value->n ? value->at : "", value->n, SQLITE_STATIC);
	default: return sqlite3_bind_null(statement, place);
	}
}

static struct db_value column(sqlite3_stmt *statement, int i)
{
	struct db_value value = {.kind = DB_NULL};

	switch (sqlite3_column_type(statement, i)) {
	case SQLITE_INTEGER: return db_int(sqlite3_column_int64(statement, i));
	case SQLITE_TEXT:
		value.kind = DB_TEXT;
		value.at = sqlite3_column_text(statement, i);
		break;
	case SQLITE_BLOB:
		value.kind = DB_BYTES;
		value.at = sqlite3_column_blob(statement, i);
		break;
	default: return value;
	}
	value.n = (size_t)sqlite3_column_bytes(statement, i);
	return value;
}

static km_error *rows(struct sqlite *s, sqlite3_stmt *statement, db_row_fn row, void *ctx)
{
	struct db_value values[DB_COLUMNS];
	int status, n = sqlite3_column_count(statement);
	km_error *err = NULL;

	if (n > DB_COLUMNS)
		return km_error_new(KM_BUG, "a statement with %d columns", n);
	while (!err && (status = sqlite3_step(statement)) != SQLITE_DONE) {
		if (status != SQLITE_ROW)
			return failed(s, status);
		for (int i = 0; i < n; i++)
			values[i] = column(statement, i);
		err = row ? row(ctx, values) : NULL;
	}
	return err;
}

static km_error *sqlite_run(struct db *db, const char *sql, const struct db_value *values, size_t n, db_row_fn row,
			    void *ctx)
{
	struct sqlite *s = (struct sqlite *)db;
	sqlite3_stmt *statement;
	int status = SQLITE_OK;
	km_error *err = NULL;

	KM_TRY(prepare(s, sql, &statement));
	for (size_t i = 0; i < n && !status; i++)
		status = bind(statement, (int)i + 1, &values[i]);
	err = status ? failed(s, status) : rows(s, statement, row, ctx);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return err;
}

static bool sqlite_within(struct db *db)
{
	return !sqlite3_get_autocommit(((struct sqlite *)db)->handle);
}

static km_error *take_int(void *ctx, const struct db_value *row)
{
	*(int64_t *)ctx = row->i;
	return NULL;
}

/* An empty file becomes ours; another program's database is left alone. */
static km_error *claim(struct sqlite *s)
{
	int64_t id = 0, tables = 0;

	KM_TRY(sqlite_run(&s->db, "PRAGMA application_id", NULL, 0, take_int, &id));
	KM_TRY(sqlite_run(&s->db, "SELECT count(*) FROM sqlite_master", NULL, 0, take_int, &tables));
	if (id == APPLICATION_ID)
		return NULL;
	if (id || tables)
		return km_error_hint(km_error_new(KM_REFUSED, "%s is another program's database", s->path),
				     "give a file of its own");
	return sqlite_run(&s->db, "PRAGMA application_id = 0x6b6d6e64", NULL, 0, NULL, NULL);
}

static km_error *set_up(struct sqlite *s, bool writer)
{
	static const char *const common[] = {"PRAGMA foreign_keys = ON",    "PRAGMA synchronous = FULL",
					     "PRAGMA cache_size = -8000",   "PRAGMA trusted_schema = OFF",
					     "PRAGMA cell_size_check = ON", "PRAGMA temp_store = MEMORY"};

	for (size_t i = 0; i < KM_COUNT(common); i++)
		KM_TRY(sqlite_run(&s->db, common[i], NULL, 0, NULL, NULL));
	if (!writer)
		return sqlite_run(&s->db, "PRAGMA query_only = ON", NULL, 0, NULL, NULL);
	KM_TRY(claim(s));
	KM_TRY(sqlite_run(&s->db, "PRAGMA journal_mode = WAL", NULL, 0, NULL, NULL));
	return sqlite_run(&s->db, "PRAGMA journal_size_limit = 67108864", NULL, 0, NULL, NULL);
}

/* SQLite would make it readable by all; hashes of secrets are in it. Its other files take its mode. A file that is there is left alone: closing
 * any descriptor of it drops the locks by which SQLite tells other processes that this one is at work (fcntl(2)), and the last of them to
 * leave would take the log away from under us. */
static km_error *make_private(const char *where)
{
	int fd = open(where, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EEXIST)
		return km_error_sys(errno, "cannot open %s", where);
	km_closep(&fd);
	return NULL;
}

static km_error *sqlite_open(const char *where, bool writer, struct db **ret)
{
	struct sqlite *s = km_calloc(1, sizeof(*s));
	km_error *err = NULL;
	int status;

	s->db.backend = &db_sqlite;
	s->statements = km_map_create();
	s->path = km_strdup(where);
	if (writer)
		err = make_private(where);
	if (!err) {
		status = sqlite3_open_v2(where, &s->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
		err = status ? failed(s, status) : NULL;
	}
	if (!err) {
		sqlite3_busy_timeout(s->handle, BUSY_MS);
		err = set_up(s, writer);
	}
	if (err)
		sqlite_close(&s->db);
	else
		*ret = &s->db;
	return err;
}

static char *sqlite_describe(struct db *db)
{
	return km_printf("SQLite %s, %s", sqlite3_libversion(), ((struct sqlite *)db)->path);
}

static km_error *not_ok(void *ctx, const struct db_value *row)
{
	struct sqlite *s = ctx;

	if (row->kind == DB_TEXT && !strcmp(row->at, "ok"))
		return NULL;
	return km_error_new(KM_INPUT, "%s: %s", s->path, row->kind == DB_TEXT ? (const char *)row->at : "not whole");
}

static km_error *dangling(void *ctx, const struct db_value *row)
{
	struct sqlite *s = ctx;

	return km_error_new(KM_INPUT, "%s: a row of %s names another one that is not there", s->path,
			    (const char *)row->at);
}

static km_error *sqlite_check(struct db *db)
{
	KM_TRY(sqlite_run(db, "PRAGMA integrity_check(1)", NULL, 0, not_ok, db));
	return sqlite_run(db, "PRAGMA foreign_key_check", NULL, 0, dangling, db);
}

static const char *const words[][2] = {{"AUTOKEY", "INTEGER PRIMARY KEY AUTOINCREMENT"},
				       {"ROWKEY", "INTEGER PRIMARY KEY"},
				       {"BYTES", "BLOB"},
				       {NULL, NULL}};

const struct db_backend db_sqlite = {
	.takes = sqlite_takes,
	.open = sqlite_open,
	.close = sqlite_close,
	.run = sqlite_run,
	.within = sqlite_within,
	.describe = sqlite_describe,
	.check = sqlite_check,
	.begin = {"BEGIN IMMEDIATE"},
	.tables = "SELECT name FROM sqlite_master WHERE type = 'table'",
	.words = words,
};
