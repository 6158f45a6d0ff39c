/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is PostgreSQL's alone: connections that break, and several servers on one state, one of them killed. */
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "toy_store.h"

static km_error *record(km_store *store, const char *detail)
{
	struct km_store_audit r = {.at = TOY_NOW, .actor = "a", .action = "b", .object = "c", .detail = detail};

	return km_store_audit(store, &r, NULL);
}

static int64_t chain(km_store *store)
{
	int64_t checked;

	check_ok(km_store_audit_verify(store, 1, NULL, &checked));
	return checked;
}

static void test_reconnect(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	km_store *store;
	km_error *err;

	(void)state;
	check_ok(km_store_open(where, &store));
	check_ok(record(store, "one"));
	assert_int_equal(chain(store), 1);
	/* Reader and writer lose their connections while nobody uses them: nobody notices. */
	toy_postgres_cut();
	assert_int_equal(chain(store), 1);
	check_ok(record(store, "two"));

	/* In the middle of a transaction it is lost as a whole, also what comes after. */
	check_ok(km_store_begin(store));
	check_ok(record(store, "three"));
	toy_postgres_cut();
	err = record(store, "four");
	assert_non_null(err);
	assert_int_equal(err->code, KM_ENV);
	assert_int_equal(err->sys, EAGAIN);
	km_error_free(err);
	check_error(record(store, "five"), KM_ENV, "nothing of it is stored");
	check_error(km_store_commit(store), KM_ENV, "nothing of it is stored");
	assert_int_equal(chain(store), 2);
	check_ok(record(store, "six"));
	assert_int_equal(chain(store), 3);
	km_store_close(store);
}

static km_error *cut_at_first(km_store *store, void *ctx)
{
	int *calls = ctx;

	if (!(*calls)++)
		toy_postgres_cut();
	return record(store, "again");
}

static void test_transact_again(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	km_store *store;
	int calls = 0;

	(void)state;
	check_ok(km_store_open(where, &store));
	check_ok(km_store_transact(store, cut_at_first, &calls));
	assert_int_equal(calls, 2);
	assert_int_equal(chain(store), 1);
	km_store_close(store);
}

static km_error *cut_at_last(km_store *store, void *ctx)
{
	int *calls = ctx;
	km_error *err = record(store, "once");

	(*calls)++;
	toy_postgres_cut();
	return err;
}

/* Whether a commit came through that got no answer is not known: nothing is done twice. */
static void test_commit_without_answer(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	km_store *store;
	int calls = 0;

	(void)state;
	check_ok(km_store_open(where, &store));
	check_error(km_store_transact(store, cut_at_last, &calls), KM_ENV, "may have come through");
	assert_int_equal(calls, 1);
	assert_int_equal(chain(store), 0);
	check_ok(record(store, "two"));
	km_store_close(store);
}

/* ---- two servers ------------------------------------------------------------------------------------------------- */
static pid_t other_server(const char *where, void (*work)(km_store *store, int pipe), int *pipe_end)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		km_store *store;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		check_ok(km_store_open(where, &store));
		work(store, fds[1]);
		_exit(0);
	}
	close(fds[1]);
	*pipe_end = fds[0];
	return pid;
}

static void hold(km_store *store, int pipe)
{
	if (km_store_begin(store) || record(store, "never committed") || write(pipe, "x", 1) != 1)
		_exit(1);
	pause();
}

static void test_one_is_killed(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	km_store *store;
	char byte;
	int end;
	pid_t pid;

	(void)state;
	check_ok(km_store_open(where, &store));
	check_ok(record(store, "one"));
	pid = other_server(where, hold, &end);
	assert_int_equal(read(end, &byte, 1), 1);
	/* It holds the lock of writers: reading goes on, and sees nothing of it. */
	assert_int_equal(chain(store), 1);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(end);
	check_ok(record(store, "two"));
	assert_int_equal(chain(store), 2);
	km_store_close(store);
}

enum { DOCUMENTS = 60 };

/* Signs the version that follows the newest one it has seen; how often that was new is what it says. */
static void sign(km_store *store, int pipe)
{
	km_arena *arena = km_arena_create();
	int64_t version = 0;
	int won = 0;

	while (version < DOCUMENTS) {
		struct km_store_document newest = {0},
					 d = {.channel = "stable", .doc = KM_DOC_TIMESTAMP, .bytes = "x", .size = 1};
		enum km_store_why why = KM_STORE_FINE;

		km_error_free(km_store_document(store, "stable", KM_DOC_TIMESTAMP, 0, arena, &newest, NULL));
		version = d.version = newest.version + 1;
		if (version > DOCUMENTS)
			break;

		km_error *err = km_store_document_add(store, &d, NULL, &why);

		if (!err) {
			won++;
			err = record(store, "signed");
		}
		if (err && why != KM_STORE_STALE)
			_exit(1);
		km_error_free(err);
	}
	km_arena_destroy(arena);
	if (write(pipe, &won, sizeof(won)) != sizeof(won))
		_exit(1);
}

static void test_both_sign(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	int ends[3], won, sum = 0, status;
	pid_t pids[3];
	km_store *store;

	(void)state;
	/* Who comes first makes the tables. */
	for (int i = 0; i < 3; i++)
		pids[i] = other_server(where, sign, &ends[i]);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(read(ends[i], &won, sizeof(won)), sizeof(won));
		sum += won;
		waitpid(pids[i], &status, 0);
		assert_int_equal(status, 0);
		close(ends[i]);
	}
	assert_int_equal(sum, DOCUMENTS);
	check_ok(km_store_open(where, &store));
	assert_int_equal(chain(store), DOCUMENTS);
	km_store_close(store);
}

static void test_unreachable(void **state)
{
	static const char where[] = "postgres://kmend:sesame@127.0.0.1:1/kmend?connect_timeout=2";
	km_store *store;
	km_error *err = km_store_open(where, &store);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, KM_ENV);
	assert_null(strstr(err->message, "sesame"));
	km_error_free(err);
}

static void test_whose_tables(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	struct db *db;
	km_store *store;

	(void)state;
	check_ok(db_postgres.open(where, true, &db));
	check_ok(db->backend->run(db, "CREATE TABLE theirs (x BIGINT)", NULL, 0, NULL, NULL));
	check_error(km_store_open(where, &store), KM_REFUSED, "tables of another program");
	check_ok(db->backend->run(db, "DROP TABLE theirs", NULL, 0, NULL, NULL));
	check_ok(km_store_open(where, &store));
	km_store_close(store);
	check_ok(db->backend->run(db, "UPDATE kmend SET value = '1000' WHERE name = 'schema'", NULL, 0, NULL, NULL));
	check_error(km_store_open(where, &store), KM_REFUSED, "a newer kmend wrote it");
	db->backend->close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reconnect),
		cmocka_unit_test(test_transact_again),
		cmocka_unit_test(test_commit_without_answer),
		cmocka_unit_test(test_one_is_killed),
		cmocka_unit_test(test_both_sign),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_whose_tables),
	};
	int failed;

	if (!toy_postgres_start()) {
		printf("# SKIP PostgreSQL: it is not installed (Debian: postgresql)\n");
		return 77;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	toy_postgres_stop();
	return failed;
}
