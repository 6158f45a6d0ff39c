/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PostgreSQL by libpq. Statements are prepared once on each connection; integers and bytes travel in binary. Writers of
 * all servers take one advisory lock after BEGIN, so they go one after the other as with SQLite: no deadlocks, no forks
 * of the audit chain. The same statement gives the transaction's number: by it the server is asked, when the connection
 * breaks during a commit, whether that came through.
 */
#include <endian.h>
#include <errno.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "db.h"

/* Types of parameters and columns (pg_type.dat of PostgreSQL, which never changes them). */
enum { OID_BOOL = 16, OID_BYTEA = 17, OID_INT8 = 20, OID_INT2 = 21, OID_INT4 = 23, OID_TEXT = 25 };
enum { PARAMETERS = 256 };
enum { ASKED = 25, ASKED_EACH = 100000 /* us */ }; /* for the fate of a commit that is still under way */

static const char lock_writers[] = "SELECT CAST(pg_advisory_xact_lock(1802333796) AS TEXT), txid_current()";

struct postgres {
	struct db db;
	PGconn *conn;
	km_map *prepared; /* the names of prepared statements by their text */
	km_strv names;
	int64_t transaction; /* its number, from lock_writers */
};

static bool postgres_takes(const char *where)
{
	return km_starts(where, "postgres://") || km_starts(where, "postgresql://");
}

/* libpq's messages end with a newline and may have several lines; the first one tells. */
static km_error *failed(const char *message, const char *state)
{
	size_t n = strcspn(message, "\n");
	km_error *err = km_error_new(KM_ENV, "PostgreSQL: %.*s", n ? (int)n : 10, n ? message : "no message");
	/* 40: serialization failure, deadlock; 08, 57P: the connection or the server went away; 55P03, 25P03: a lock or
	 * a transaction took too long. Without a state the connection broke. */
	bool passing = !state || km_starts(state, "40") || km_starts(state, "08") || km_starts(state, "57P") ||
		       !strcmp(state, "55P03") || !strcmp(state, "25P03");

	if (state && km_starts(state, "53"))
		err->sys = ENOSPC;
	else if (passing)
		err->sys = EAGAIN;
	return err;
}

static km_error *failed_result(const struct postgres *p, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE), *message = PQresultErrorMessage(result);

	return failed(*message ? message : PQerrorMessage(p->conn), state);
}

static void forget_prepared(struct postgres *p)
{
	km_map_destroy(p->prepared);
	km_strv_free(&p->names);
	p->prepared = km_map_create();
}

/* What a connection needs before it is used, after a reset, too. */
static km_error *set_up(struct postgres *p)
{
	PGresult *result = PQexec(
		p->conn, "SET client_encoding = 'UTF8'; SET lock_timeout = '20s'; "
			 "SET idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = on; "
			 "SET default_transaction_isolation = 'read committed'; SET client_min_messages = warning");
	km_error *err = PQresultStatus(result) == PGRES_COMMAND_OK ? NULL : failed_result(p, result);

	PQclear(result);
	forget_prepared(p);
	return err;
}

static void postgres_close(struct db *db)
{
	struct postgres *p = (struct postgres *)db;

	PQfinish(p->conn);
	km_map_destroy(p->prepared);
	km_strv_free(&p->names);
	free(p);
}

static void quiet(void *ctx, const char *message)
{
	(void)ctx;
	(void)message;
}

static km_error *postgres_open(const char *where, bool writer, struct db **ret)
{
	/* What stands after dbname cannot be set by the URL, what stands before it can. */
	const char *const keys[] = {"connect_timeout",	"application_name", "keepalives_idle",
				    "tcp_user_timeout", "dbname",	    NULL};
	const char *const values[] = {"10", writer ? "kmend-server" : "kmend-server reader", "30", "30000", where,
				      NULL};
	struct postgres *p = km_calloc(1, sizeof(*p));
	km_error *err;

	p->db.backend = &db_postgres;
	p->conn = PQconnectdbParams(keys, values, 1);
	if (!p->conn)
		km_oom();
	PQsetNoticeProcessor(p->conn, quiet, NULL);
	err = PQstatus(p->conn) == CONNECTION_OK ? set_up(p) : failed(PQerrorMessage(p->conn), NULL);
	if (err) {
		postgres_close(&p->db);
		return km_error_add(err, "cannot open the database");
	}
	*ret = &p->db;
	return NULL;
}

static bool postgres_within(struct db *db)
{
	PGTransactionStatusType status = PQtransactionStatus(((struct postgres *)db)->conn);

	return status == PQTRANS_INTRANS || status == PQTRANS_INERROR || status == PQTRANS_ACTIVE;
}

/* The values as libpq wants them. */
struct parameters {
	Oid types[PARAMETERS];
	const char *values[PARAMETERS];
	int lengths[PARAMETERS], formats[PARAMETERS];
	uint64_t ints[PARAMETERS]; /* in network order */
	int n;
};

static void parameters_of(const struct db_value *values, size_t n, struct parameters *ret)
{
	ret->n = (int)n;
	for (size_t i = 0; i < n; i++) {
		ret->types[i] = values[i].kind == DB_INT ? OID_INT8 : values[i].kind == DB_BYTES ? OID_BYTEA : OID_TEXT;
		ret->formats[i] = values[i].kind == DB_INT || values[i].kind == DB_BYTES;
		ret->lengths[i] = (int)values[i].n;
		ret->values[i] = values[i].at;
		if (values[i].kind == DB_INT) {
			ret->ints[i] = htobe64((uint64_t)values[i].i);
			ret->values[i] = (const char *)&ret->ints[i];
			ret->lengths[i] = sizeof(ret->ints[i]);
		} else if (values[i].kind == DB_BYTES && !values[i].at) {
			ret->values[i] = "";
		}
	}
}

static km_error *prepare(struct postgres *p, const char *sql, const struct parameters *parameters, const char **ret)
{
	PGresult *result;
	km_error *err = NULL;

	*ret = km_map_get(p->prepared, sql);
	if (*ret)
		return NULL;
	km_strv_printf(&p->names, "s%zu", p->names.n);
	*ret = p->names.at[p->names.n - 1];
	result = PQprepare(p->conn, *ret, sql, parameters->n, parameters->types);
	if (PQresultStatus(result) == PGRES_COMMAND_OK)
		km_map_put(p->prepared, sql, (char *)*ret);
	else
		err = failed_result(p, result);
	PQclear(result);
	return err;
}

static km_error *value_of(const PGresult *result, int row, int column, struct db_value *ret)
{
	const char *at = PQgetvalue(result, row, column);
	uint64_t wide;
	uint32_t narrow;

	*ret = (struct db_value){.kind = DB_NULL};
	if (PQgetisnull(result, row, column))
		return NULL;
	switch (PQftype(result, column)) {
	case OID_INT8:
		memcpy(&wide, at, sizeof(wide));
		*ret = db_int((int64_t)be64toh(wide));
		return NULL;
	case OID_INT4:
		memcpy(&narrow, at, sizeof(narrow));
		*ret = db_int((int32_t)be32toh(narrow));
		return NULL;
	case OID_TEXT: ret->kind = DB_TEXT; break;
	case OID_BYTEA: ret->kind = DB_BYTES; break;
	default: return km_error_new(KM_BUG, "PostgreSQL gave a column of type %u", PQftype(result, column));
	}
	ret->at = at;
	ret->n = (size_t)PQgetlength(result, row, column);
	return NULL;
}

static km_error *rows(const PGresult *result, db_row_fn row, void *ctx)
{
	struct db_value values[DB_COLUMNS];
	int columns = PQnfields(result);

	if (columns > DB_COLUMNS)
		return km_error_new(KM_BUG, "a statement with %d columns", columns);
	for (int i = 0; i < PQntuples(result) && row; i++) {
		for (int k = 0; k < columns; k++)
			KM_TRY(value_of(result, i, k, &values[k]));
		KM_TRY(row(ctx, values));
	}
	return NULL;
}

static km_error *run_once(struct postgres *p, const char *sql, const struct parameters *parameters, db_row_fn row,
			  void *ctx)
{
	const char *name;
	PGresult *result;
	km_error *err;

	KM_TRY(prepare(p, sql, parameters, &name));
	result = PQexecPrepared(p->conn, name, parameters->n, parameters->values, parameters->lengths,
				parameters->formats, 1);
	switch (PQresultStatus(result)) {
	case PGRES_TUPLES_OK: err = rows(result, row, ctx); break;
	case PGRES_COMMAND_OK:
		/* A transaction that failed answers COMMIT so, and calls it success. */
		err = !strcmp(sql, "COMMIT") && strcmp(PQcmdStatus(result), "COMMIT")
			      ? failed("it took the transaction back", "25P02")
			      : NULL;
		break;
	default: err = failed_result(p, result);
	}
	PQclear(result);
	return err;
}

static km_error *reconnect(struct postgres *p)
{
	PQreset(p->conn);
	return PQstatus(p->conn) == CONNECTION_OK ? set_up(p) : failed(PQerrorMessage(p->conn), NULL);
}

static km_error *keep_transaction(void *ctx, const struct db_value *row)
{
	*(int64_t *)ctx = row[1].i;
	return NULL;
}

enum fate { FATE_UNKNOWN, FATE_COMMITTED, FATE_ABORTED, FATE_UNDER_WAY };

static km_error *read_fate(void *ctx, const struct db_value *row)
{
	static const struct {
		const char *word;
		enum fate fate;
	} fates[] = {{"committed", FATE_COMMITTED}, {"aborted", FATE_ABORTED}, {"in progress", FATE_UNDER_WAY}};

	for (size_t i = 0; i < KM_COUNT(fates) && row[0].kind == DB_TEXT; i++)
		if (strlen(fates[i].word) == row[0].n && !memcmp(fates[i].word, row[0].at, row[0].n))
			*(enum fate *)ctx = fates[i].fate;
	return NULL;
}

static enum fate ask_fate(struct postgres *p)
{
	struct db_value transaction = db_int(p->transaction);
	enum fate fate = FATE_UNKNOWN;
	struct parameters parameters;

	parameters_of(&transaction, 1, &parameters);
	km_error_free(run_once(p, "SELECT txid_status($1)", &parameters, read_fate, &fate));
	return fate;
}

/* The connection broke before a commit was answered; err is taken. To do it all once more could be to do it twice, so
 * the server is asked whether it came through; if that cannot be told either, the caller must know. */
static km_error *commit_broke(struct postgres *p, km_error *err)
{
	km_error *down = reconnect(p);
	enum fate fate = down ? FATE_UNKNOWN : ask_fate(p);

	km_error_free(down);
	for (int i = 0; i < ASKED && fate == FATE_UNDER_WAY; i++) {
		usleep(ASKED_EACH);
		fate = ask_fate(p);
	}
	if (fate == FATE_COMMITTED) {
		km_error_free(err);
		return NULL;
	}
	if (fate == FATE_ABORTED) {
		err->sys = EAGAIN;
		return err;
	}
	err->sys = ECONNABORTED;
	return km_error_add(err, "the connection broke during a commit, which may have come through");
}

static km_error *postgres_run(struct db *db, const char *sql, const struct db_value *values, size_t n, db_row_fn row,
			      void *ctx)
{
	struct postgres *p = (struct postgres *)db;
	/* Outside of a transaction there is only what can be done twice: reading, and BEGIN. */
	bool within = postgres_within(db);
	struct parameters parameters;
	km_error *err;

	if (n > PARAMETERS)
		return km_error_new(KM_BUG, "a statement with %zu values", n);
	parameters_of(values, n, &parameters);
	if (!strcmp(sql, lock_writers))
		row = keep_transaction, ctx = &p->transaction;
	err = run_once(p, sql, &parameters, row, ctx);
	if (!err || PQstatus(p->conn) == CONNECTION_OK)
		return err;
	if (within)
		return strcmp(sql, "COMMIT") ? err : commit_broke(p, err);
	km_error_free(err);
	KM_TRY(reconnect(p));
	return run_once(p, sql, &parameters, row, ctx);
}

static char *postgres_describe(struct db *db)
{
	const PGconn *conn = ((struct postgres *)db)->conn;
	const char *version = PQparameterStatus(conn, "server_version");

	return km_printf("PostgreSQL %s, %s on %s", version ? version : "?", PQdb(conn), PQhost(conn));
}

static km_error *postgres_check(struct db *db)
{
	(void)db;
	return NULL;
}

static const char *const words[][2] = {{"AUTOKEY", "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"},
				       {"ROWKEY", "BIGINT PRIMARY KEY"},
				       {"TEXT", "TEXT COLLATE \"C\""},
				       {"BYTES", "BYTEA"},
				       {NULL, NULL}};

const struct db_backend db_postgres = {
	.takes = postgres_takes,
	.open = postgres_open,
	.close = postgres_close,
	.run = postgres_run,
	.within = postgres_within,
	.describe = postgres_describe,
	.check = postgres_check,
	.begin = {"BEGIN", lock_writers},
	.tables = "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()",
	.words = words,
};
