/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The store itself: one connection that writes, some that read, and transactions that nest. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "internal.h"

enum { READERS = 4, ATTEMPTS = 3 };

struct km_store {
	const struct db_backend *backend;
	char *where, *describe, id[STORE_ID];
	int64_t schema;

	pthread_mutex_t write_lock; /* held from the outermost begin to its end; guards writer and depth */
	struct db *writer;
	unsigned depth;		     /* of nested transactions */
	_Atomic(const void *) owner; /* who holds the lock: the address of that thread's `self` */

	pthread_mutex_t pool_lock; /* guards what follows */
	pthread_cond_t returned;
	struct db *idle[READERS];
	size_t n_idle, n_open;
};

static _Thread_local char self; /* only its address means something */

static const struct db_backend *const backends[] = {&db_sqlite, &db_postgres};

static bool mine(const km_store *store)
{
	return atomic_load(&store->owner) == &self;
}

/* ---- readers ----------------------------------------------------------------------------------------------------- */
static km_error *reader_take(km_store *store, struct db **ret)
{
	km_error *err = NULL;

	*ret = NULL;
	pthread_mutex_lock(&store->pool_lock);
	while (!store->n_idle && store->n_open == READERS)
		pthread_cond_wait(&store->returned, &store->pool_lock);
	if (store->n_idle)
		*ret = store->idle[--store->n_idle];
	else
		store->n_open++;
	pthread_mutex_unlock(&store->pool_lock);
	if (*ret)
		return NULL;
	err = store->backend->open(store->where, false, ret);
	if (err) {
		pthread_mutex_lock(&store->pool_lock);
		store->n_open--;
		pthread_cond_signal(&store->returned);
		pthread_mutex_unlock(&store->pool_lock);
	}
	return err;
}

static void reader_give(km_store *store, struct db *db)
{
	pthread_mutex_lock(&store->pool_lock);
	store->idle[store->n_idle++] = db;
	pthread_cond_signal(&store->returned);
	pthread_mutex_unlock(&store->pool_lock);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */
/* A full disk or a lost connection ends a transaction on its own: what followed would be none of it. */
static km_error *still_open(const km_store *store)
{
	km_error *err;

	if (store->backend->within(store->writer))
		return NULL;
	err = km_error_new(KM_ENV, "the database has broken the transaction off; nothing of it is stored");
	err->sys = EAGAIN;
	return err;
}

static km_error *write_one(km_store *store, const char *sql)
{
	return store->backend->run(store->writer, sql, NULL, 0, NULL, NULL);
}

km_error *store_run(km_store *store, const char *sql, const struct db_value *values, size_t n, db_row_fn row, void *ctx)
{
	struct db *reader;
	km_error *err;

	for (size_t i = 0; i < n; i++)
		if (values[i].kind == DB_TEXT && !km_utf8_ok(values[i].at))
			return km_error_new(KM_INPUT, "a text for the database is not UTF-8");
	if (mine(store)) {
		KM_TRY(still_open(store));
		return store->backend->run(store->writer, sql, values, n, row, ctx);
	}
	KM_TRY(reader_take(store, &reader));
	err = store->backend->run(reader, sql, values, n, row, ctx);
	reader_give(store, reader);
	return err;
}

km_error *km_store_check(km_store *store)
{
	struct db *reader;
	km_error *err;

	KM_TRY(reader_take(store, &reader));
	err = store->backend->check(reader);
	reader_give(store, reader);
	return err;
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */
static void outermost_end(km_store *store)
{
	store->depth = 0;
	atomic_store(&store->owner, NULL);
	pthread_mutex_unlock(&store->write_lock);
}

km_error *km_store_begin(km_store *store)
{
	km_error *err = NULL;

	if (mine(store)) {
		KM_TRY(still_open(store));
		KM_TRY(write_one(store, "SAVEPOINT op"));
		store->depth++;
		return NULL;
	}
	pthread_mutex_lock(&store->write_lock);
	atomic_store(&store->owner, &self);
	store->depth = 1;
	for (size_t i = 0; store->backend->begin[i] && !err; i++)
		err = write_one(store, store->backend->begin[i]);
	if (err)
		km_store_rollback(store);
	return err;
}

void km_store_rollback(km_store *store)
{
	bool open = store->backend->within(store->writer);

	if (store->depth > 1) {
		if (open)
			km_error_free(write_one(store, "ROLLBACK TO SAVEPOINT op"));
		if (open)
			km_error_free(write_one(store, "RELEASE SAVEPOINT op"));
		store->depth--;
		return;
	}
	/* An error here means that there is nothing to take back any more. */
	if (open)
		km_error_free(write_one(store, "ROLLBACK"));
	outermost_end(store);
}

km_error *km_store_commit(km_store *store)
{
	km_error *err = still_open(store);

	if (!err)
		err = write_one(store, store->depth > 1 ? "RELEASE SAVEPOINT op" : "COMMIT");
	if (err)
		km_store_rollback(store);
	else if (store->depth > 1)
		store->depth--;
	else
		outermost_end(store);
	return err;
}

km_error *store_end(km_store *store, km_error *err)
{
	if (!err)
		return km_store_commit(store);
	km_store_rollback(store);
	return err;
}

km_error *km_store_transact(km_store *store, km_error *(*work)(km_store *store, void *ctx), void *ctx)
{
	/* Inside of another transaction only that one can be tried again. */
	int attempts = mine(store) ? 1 : ATTEMPTS;
	km_error *err = NULL;

	for (int i = 0; i < attempts; i++) {
		if (i)
			usleep(20000U << i);
		km_error_free(err);
		err = km_store_begin(store);
		if (!err)
			err = store_end(store, work(store, ctx));
		if (!err || err->sys != EAGAIN)
			break;
	}
	return err;
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */
static km_error *set_up(km_store *store)
{
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = schema_migrate(store->writer, schema_steps, km_store_schema_newest, &store->schema);
	if (!err)
		err = schema_id(store->writer, store->id);
	return store_end(store, err);
}

km_error *km_store_open(const char *where, km_store **ret)
{
	km_store *store = km_calloc(1, sizeof(*store));
	km_error *err;

	pthread_mutex_init(&store->write_lock, NULL);
	pthread_mutex_init(&store->pool_lock, NULL);
	pthread_cond_init(&store->returned, NULL);
	store->where = km_strdup(where);
	for (size_t i = 0; i < KM_COUNT(backends) && !store->backend; i++)
		if (backends[i]->takes(where))
			store->backend = backends[i];
	if (!store->backend)
		err = km_error_hint(
			km_error_new(KM_USAGE, "%.*s is no database that kmend knows", (int)strcspn(where, ":"), where),
			"give the path of a file, or postgres://…");
	else
		err = store->backend->open(where, true, &store->writer);
	if (!err)
		err = set_up(store);
	if (err) {
		km_store_close(store);
		return km_error_add(err, "cannot open the state");
	}
	store->describe = store->backend->describe(store->writer);
	*ret = store;
	return NULL;
}

void km_store_close(km_store *store)
{
	if (!store)
		return;
	while (mine(store))
		km_store_rollback(store);
	for (size_t i = 0; i < store->n_idle; i++)
		store->backend->close(store->idle[i]);
	if (store->writer)
		store->backend->close(store->writer);
	pthread_mutex_destroy(&store->write_lock);
	pthread_mutex_destroy(&store->pool_lock);
	pthread_cond_destroy(&store->returned);
	free(store->where);
	free(store->describe);
	free(store);
}

void km_store_closep(km_store **store)
{
	km_store_close(*store);
}

const char *km_store_describe(const km_store *store)
{
	return store->describe;
}

const char *km_store_id(const km_store *store)
{
	return store->id;
}

int64_t km_store_schema(const km_store *store)
{
	return store->schema;
}
