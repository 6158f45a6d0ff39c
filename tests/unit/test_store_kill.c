/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was acknowledged survives kill -9: a server of three threads attaches hosts, takes reports, appends to the audit
 * log and adds documents, says of each what was committed, and is killed at a random moment; again and again on the
 * same state.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "toy_store.h"

enum { SQLITE_ROUNDS = 200, POSTGRES_ROUNDS = 20, ROUNDS_OF_A_STATE = 25, THREADS = 3, GROUP = 4, PAUSE_US = 40000 };
enum kind { ATTACHED, REPORTED, AUDITED, DOCUMENTED };
struct acknowledged { /* one write into the pipe */
	enum kind kind;
	int i;	     /* which host or record */
	int64_t seq; /* of the record; the document's version */
};

/* ---- the server -------------------------------------------------------------------------------------------------- */
struct server {
	km_store *store;
	int pipe, first; /* the number of the first host */
};

static km_error *write_document(km_store *store, int64_t *version)
{
	struct km_store_document d = {.channel = "stable", .doc = KM_DOC_TIMESTAMP, .bytes = "x", .size = 1};
	km_arena *arena = km_arena_create();
	struct km_store_document newest = {0};
	km_error *err = km_store_document(store, "stable", KM_DOC_TIMESTAMP, 0, arena, &newest, NULL);

	km_error_free(err); /* none yet */
	km_arena_destroy(arena);
	*version = d.version = newest.version + 1;
	return km_store_document_add(store, &d, NULL, NULL);
}

static km_error *write_host(km_store *store, int i, bool report)
{
	struct km_attach attach = toy_attach_of(i);
	struct km_report_patch patch = {.release = TOY_RELEASE_A, .state = KM_PATCH_LOADED, .since = i};
	struct km_report r = {.kernel = attach.kernel, .patches = &patch, .n_patches = 1};
	int64_t n;

	memcpy(r.host, attach.host, sizeof(r.host));
	KM_TRY(km_store_attach(store, &attach, "t", toy_sum("secret", i), TOY_NOW, &n, NULL));
	return report ? km_store_report(store, &r, i, TOY_NOW, NULL) : NULL;
}

static km_error *write_record(km_store *store, int i, int64_t *seq)
{
	KM_AUTOFREE char *detail = km_printf("host %d", i);
	struct km_store_audit record = {
		.at = TOY_NOW, .actor = "host", .action = "attach", .object = "", .detail = detail};

	return km_store_audit(store, &record, seq);
}

/* A few writes in one transaction, acknowledged after it. */
static km_error *group(const struct server *s, int i)
{
	struct acknowledged said[2 * GROUP + 1];
	size_t n = 0;

	KM_TRY(km_store_begin(s->store));
	for (int k = i; k < i + GROUP; k++) {
		said[n] = (struct acknowledged){.kind = k % 2 ? REPORTED : ATTACHED, .i = k};
		KM_TRY(write_host(s->store, k, said[n++].kind == REPORTED));
		said[n] = (struct acknowledged){.kind = AUDITED, .i = k};
		KM_TRY(write_record(s->store, k, &said[n++].seq));
	}
	said[n] = (struct acknowledged){.kind = DOCUMENTED};
	KM_TRY(write_document(s->store, &said[n++].seq));
	KM_TRY(km_store_commit(s->store));
	return write(s->pipe, said, n * sizeof(*said)) < 0 ? km_error_new(KM_ENV, "the pipe is gone") : NULL;
}

static void *serve(void *ctx)
{
	const struct server *s = ctx;
	km_error *err = NULL;

	for (int i = s->first; !err && i < s->first + 5000; i += GROUP)
		err = group(s, i);
	if (err)
		km_error_print("server", err);
	return NULL;
}

_Noreturn static void server(const char *where, int pipe, int round)
{
	struct server servers[THREADS];
	pthread_t threads[THREADS];
	km_store *store;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	check_ok(km_store_open(where, &store));
	for (int i = 0; i < THREADS; i++) {
		servers[i] = (struct server){.store = store, .pipe = pipe, .first = 100000 * round + 10000 * i};
		pthread_create(&threads[i], NULL, serve, &servers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(1);
}

/* ---- what is left of it ------------------------------------------------------------------------------------------ */
static void check_one(km_store *store, km_arena *arena, const struct acknowledged *said)
{
	KM_AUTOFREE char *detail = km_printf("host %d", said->i);
	struct km_store_audit *records;
	struct km_store_document newest;
	struct km_store_host host;
	size_t n;

	switch (said->kind) {
	case ATTACHED:
	case REPORTED:
		check_ok(km_store_host_by_secret(store, toy_sum("secret", said->i), arena, &host, NULL));
		assert_string_equal(host.id, toy_sum("host", said->i));
		assert_int_equal(host.digest, said->kind == REPORTED ? said->i : 0);
		break;
	case AUDITED:
		check_ok(km_store_audit_list(store, said->seq - 1, 1, arena, &records, &n));
		assert_int_equal(n, 1);
		assert_string_equal(records[0].detail, detail);
		break;
	case DOCUMENTED:
		check_ok(km_store_document(store, "stable", KM_DOC_TIMESTAMP, 0, arena, &newest, NULL));
		assert_true(newest.version >= said->seq);
		break;
	}
}

/* Gives how many writes had been acknowledged. */
static size_t check_all(const char *where, int pipe)
{
	km_arena *arena = km_arena_create();
	struct acknowledged said;
	struct km_store_token token;
	km_store *store;
	int64_t checked;
	size_t n = 0;

	check_ok(km_store_open(where, &store));
	for (; read(pipe, &said, sizeof(said)) == sizeof(said); n++)
		check_one(store, arena, &said);
	check_ok(km_store_check(store));
	/* A commit that PostgreSQL had under way when the server died comes before this. */
	check_ok(km_store_begin(store));
	check_ok(km_store_audit_verify(store, 1, NULL, &checked));
	/* Each host has its record, from the same transaction. */
	check_ok(km_store_token(store, "t", arena, &token, NULL));
	km_store_rollback(store);
	assert_int_equal(checked, token.hosts);
	km_store_close(store);
	km_arena_destroy(arena);
	return n;
}

static size_t killed_once(const char *where, int round)
{
	int fds[2];
	pid_t pid;
	size_t n;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		close(fds[0]);
		server(where, fds[1], round);
	}
	close(fds[1]);
	usleep((useconds_t)(random() % PAUSE_US));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	n = check_all(where, fds[0]);
	close(fds[0]);
	return n;
}

static void new_state(const char *where)
{
	km_store *store;

	check_ok(km_store_open(where, &store));
	toy_token(store, "t");
	toy_release(store, TOY_RELEASE_A, "high");
	km_store_close(store);
}

static void test_kill(void **state)
{
	struct toy_store *t = *state;
	int rounds = t->postgres ? POSTGRES_ROUNDS : SQLITE_ROUNDS;
	KM_AUTOFREE char *where = NULL;
	size_t n = 0;

	for (int i = 0; i < rounds; i++) {
		if (i % ROUNDS_OF_A_STATE == 0) {
			free(where);
			where = toy_where(t->postgres);
			new_state(where);
		}
		n += killed_once(where, i);
	}
	print_message("# killed %d times, %zu writes had been acknowledged\n", rounds, n);
	assert_true(n > (size_t)rounds);
}

int main(void)
{
	static const struct toy_test tests[] = {TOY_TEST(test_kill)};
	unsigned seed = (unsigned)time(NULL);

	print_message("# seed %u\n", seed);
	srandom(seed);
	return toy_store_tests("store: kill -9", tests, KM_COUNT(tests));
}
