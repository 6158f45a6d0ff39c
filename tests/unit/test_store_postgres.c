/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is PostgreSQL's alone: connections that break, and several servers on one state, one of them killed. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
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

	if (!(*calls)++)
		toy_postgres_cut();
	return err;
}

/* The server says that the commit did not come through: it is done again. */
static void test_commit_lost(void **state)
{
	KM_AUTOFREE char *where = toy_where(true);
	km_store *store;
	int calls = 0;

	(void)state;
	check_ok(km_store_open(where, &store));
	check_ok(km_store_transact(store, cut_at_last, &calls));
	assert_int_equal(calls, 2);
	assert_int_equal(chain(store), 1);
	km_store_close(store);
}

/* ---- a connection that breaks between a commit and its answer ---------------------------------------------------- */
/* Stands between the store and PostgreSQL. Once armed, it takes one more request there, and cuts when the answer comes;
 * with `last`, nobody gets a connection any more. */
struct relay {
	char dir[32], *path, *to;
	int fd;
	bool last;
	atomic_bool armed;
	pthread_t thread;
};
struct relayed {
	struct relay *relay;
	int ends[2];
};

static int unix_socket(const char *path, int (*use)(int fd, const struct sockaddr *address, socklen_t n))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	assert_int_equal(use(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void *pump(void *arg)
{
	struct relayed *r = arg;
	struct pollfd fds[2] = {{.fd = r->ends[0], .events = POLLIN}, {.fd = r->ends[1], .events = POLLIN}};
	bool asked = false, on = true;
	char bytes[8192];

	while (on && poll(fds, 2, 60000) > 0)
		for (int i = 0; i < 2 && on; i++) {
			ssize_t n = fds[i].revents ? read(fds[i].fd, bytes, sizeof(bytes)) : -1;

			if (!fds[i].revents)
				continue;
			asked |= !i && r->relay->armed;
			on = n > 0 && !(i && asked) && write(fds[!i].fd, bytes, (size_t)n) == n;
		}
	if (asked) {
		r->relay->armed = false;
		if (r->relay->last)
			unlink(r->relay->path);
	}
	close(r->ends[0]);
	close(r->ends[1]);
	free(r);
	return NULL;
}

static void *relay_run(void *arg)
{
	struct relay *relay = arg;
	int fd;

	while ((fd = accept4(relay->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct relayed *r = km_calloc(1, sizeof(*r));
		pthread_t thread;

		*r = (struct relayed){relay, {fd, unix_socket(relay->to, connect)}};
		assert_int_equal(pthread_create(&thread, NULL, pump, r), 0);
		pthread_detach(thread);
	}
	return NULL;
}

/* Gives what the store opens; for free(). */
static char *relay_start(struct relay *relay, const char *where)
{
	const char *host = strstr(where, "host=") + strlen("host=");
	int n = (int)strcspn(host, "&");

	snprintf(relay->dir, sizeof(relay->dir), "/tmp/kmend-relay-XXXXXX");
	assert_non_null(mkdtemp(relay->dir));
	relay->path = km_printf("%s/.s.PGSQL.5432", relay->dir);
	relay->to = km_printf("%.*s/.s.PGSQL.5432", n, host);
	relay->fd = unix_socket(relay->path, bind);
	assert_int_equal(listen(relay->fd, 8), 0);
	assert_int_equal(pthread_create(&relay->thread, NULL, relay_run, relay), 0);
	return km_printf("%.*s%s%s", (int)(host - where), where, relay->dir, host + n);
}

static void relay_stop(struct relay *relay)
{
	shutdown(relay->fd, SHUT_RDWR);
	pthread_join(relay->thread, NULL);
	close(relay->fd);
	unlink(relay->path);
	rmdir(relay->dir);
	free(relay->path);
	free(relay->to);
}

struct arming {
	struct relay *relay;
	int calls;
};

static km_error *cut_the_answer(km_store *store, void *ctx)
{
	struct arming *arming = ctx;
	km_error *err = record(store, "once");

	arming->calls++;
	arming->relay->armed = true;
	return err;
}

/* The commit came through, and the server says so. */
static void test_commit_without_answer(void **state)
{
	KM_AUTOFREE char *direct = toy_where(true), *where = NULL;
	struct relay relay = {0};
	struct arming arming = {&relay, 0};
	km_store *store;

	(void)state;
	where = relay_start(&relay, direct);
	check_ok(km_store_open(where, &store));
	check_ok(km_store_transact(store, cut_the_answer, &arming));
	assert_false(relay.armed);
	assert_int_equal(arming.calls, 1);
	assert_int_equal(chain(store), 1);
	check_ok(record(store, "two"));
	assert_int_equal(chain(store), 2);
	km_store_close(store);
	relay_stop(&relay);
}

/* Nor can it be asked: nothing is done twice, and the caller is told. */
static void test_commit_unknown(void **state)
{
	KM_AUTOFREE char *direct = toy_where(true), *where = NULL;
	struct relay relay = {.last = true};
	struct arming arming = {&relay, 0};
	km_store *store;
	km_error *err;

	(void)state;
	where = relay_start(&relay, direct);
	check_ok(km_store_open(where, &store));
	err = km_store_transact(store, cut_the_answer, &arming);
	assert_non_null(err);
	assert_int_equal(err->sys, ECONNABORTED);
	check_error(err, KM_ENV, "may have come through");
	assert_int_equal(arming.calls, 1);
	km_store_close(store);
	check_ok(km_store_open(direct, &store));
	assert_int_equal(chain(store), 1);
	km_store_close(store);
	relay_stop(&relay);
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
		cmocka_unit_test(test_commit_lost),
		cmocka_unit_test(test_commit_without_answer),
		cmocka_unit_test(test_commit_unknown),
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
