/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "toy_store.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *const toy_texts[] = {
	"'; DROP TABLE hosts; --",
	"' OR '1'='1",
	"\" OR 1=1 --",
	"x'); DELETE FROM audit; SELECT ('",
	"$1",
	"?1 :name @x",
	"%s%n%x",
	"\\'; DROP TABLE tokens; --",
	"E'\\x27'",
	"a\tb\nc\rd",
	"NULL",
	"/* */ --",
	"\xe2\x98\x83 \xc3\xbcn\xc3\xaf\xf0\x9f\x98\x80",
	" leading and trailing ",
	"1e309",
	"\x01\x7f",
};
const size_t toy_n_texts = KM_COUNT(toy_texts);

/* ---- a PostgreSQL ------------------------------------------------------------------------------------------------ */
static struct {
	char *dir, *bin;
	pid_t pid;
	uid_t uid;
	gid_t gid;
	int n; /* states made */
} pg;

static char *find_bin(void)
{
	char *bin = NULL;
	glob_t found;

	if (!glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) && found.gl_pathc)
		bin = km_strndup(found.gl_pathv[found.gl_pathc - 1],
				 strlen(found.gl_pathv[found.gl_pathc - 1]) - strlen("/initdb"));
	globfree(&found);
	return bin;
}

/* Runs a program of PostgreSQL, which refuses to be root. The child ends with this process. */
static pid_t start(char *const *argv)
{
	pid_t parent = getpid(), pid = fork();
	int null;

	assert_true(pid >= 0);
	if (pid)
		return pid;
	if (geteuid() == 0 && (setgid(pg.gid) || setuid(pg.uid)))
		_exit(127);
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	if (getppid() != parent)
		_exit(127);
	null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);
	execv(argv[0], argv);
	_exit(127);
}

static char *url(const char *rest)
{
	return km_printf("postgresql:///kmend?host=%s&user=kmend%s", pg.dir, rest);
}

static void sql(const char *database, const char *text)
{
	KM_AUTOFREE char *where = km_printf("host=%s user=kmend dbname=%s application_name=toy", pg.dir, database);
	PGconn *conn = PQconnectdb(where);
	PGresult *result = PQexec(conn, text);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		fail_msg("%s: %s", text, PQerrorMessage(conn));
	PQclear(result);
	PQfinish(conn);
}

static void await(void)
{
	KM_AUTOFREE char *where = km_printf("host=%s user=kmend dbname=postgres", pg.dir);

	for (int i = 0; i < 1000; i++) {
		if (PQping(where) == PQPING_OK)
			return;
		usleep(10000);
	}
	fail_msg("PostgreSQL in %s does not start", pg.dir);
}

bool toy_postgres_start(void)
{
	KM_AUTOFREE char *data = NULL;
	int status;

	pg.bin = find_bin();
	if (!pg.bin)
		return false;
	pg.dir = check_dir();
	pg.uid = geteuid();
	pg.gid = getegid();
	if (geteuid() == 0) {
		const struct passwd *user = getpwnam("postgres");

		assert_non_null(user);
		pg.uid = user->pw_uid;
		pg.gid = user->pw_gid;
		assert_int_equal(chown(pg.dir, pg.uid, pg.gid), 0);
	}
	data = km_path(pg.dir, "data");

	KM_AUTOFREE char *initdb = km_path(pg.bin, "initdb"), *postgres = km_path(pg.bin, "postgres");
	char *const make[] = {initdb, "-D", data, "-A", "trust", "-U", "kmend", "-N", "-E", "UTF8", "--locale=C", NULL};
	char *const run[] = {postgres,
			     "-D",
			     data,
			     "-k",
			     pg.dir,
			     "-c",
			     "listen_addresses=",
			     "-c",
			     "fsync=off",
			     "-c",
			     "shared_buffers=16MB",
			     NULL};

	assert_int_equal(waitpid(start(make), &status, 0) > 0 ? status : -1, 0);
	pg.pid = start(run);
	await();
	sql("postgres", "CREATE DATABASE kmend");
	return true;
}

void toy_postgres_stop(void)
{
	kill(pg.pid, SIGQUIT);
	waitpid(pg.pid, NULL, 0);
	check_dir_end(pg.dir);
	free(pg.bin);
}

void toy_postgres_cut(void)
{
	sql("kmend", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'kmend' AND "
		     "application_name <> 'toy'");
}

/* ---- states ------------------------------------------------------------------------------------------------------ */
static char *sqlite_dir; /* of all files */
static int n_files;

char *toy_where(bool postgres)
{
	if (postgres) {
		KM_AUTOFREE char *create = km_printf("CREATE SCHEMA t%d", ++pg.n),
				 *option = km_printf("&options=-csearch_path%%3Dt%d", pg.n);

		sql("kmend", create);
		return url(option);
	}
	return km_printf("%s/%d.db", sqlite_dir, ++n_files);
}

static bool on_postgres; /* which the tests run on now */

static int setup(void **state)
{
	struct toy_store *t = km_calloc(1, sizeof(*t));

	t->postgres = on_postgres;
	t->where = toy_where(t->postgres);
	t->arena = km_arena_create();
	check_ok(km_store_open(t->where, &t->store));
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct toy_store *t = *state;

	km_store_close(t->store);
	km_arena_destroy(t->arena);
	free(t->where);
	free(t);
	return 0;
}

int toy_store_tests(const char *name, const struct toy_test *tests, size_t n)
{
	KM_AUTOFREE struct CMUnitTest *units = km_calloc(n, sizeof(*units));
	KM_AUTOFREE char *with_sqlite = km_printf("%s, SQLite", name),
			 *with_postgres = km_printf("%s, PostgreSQL", name);
	int failed;

	for (size_t i = 0; i < n; i++)
		units[i] = (struct CMUnitTest){.name = tests[i].name,
					       .test_func = tests[i].test,
					       .setup_func = setup,
					       .teardown_func = teardown};
	sqlite_dir = check_dir();
	on_postgres = false;
	failed = _cmocka_run_group_tests(with_sqlite, units, n, NULL, NULL);
	if (toy_postgres_start()) {
		on_postgres = true;
		failed += _cmocka_run_group_tests(with_postgres, units, n, NULL, NULL);
		toy_postgres_stop();
	} else {
		printf("# SKIP PostgreSQL: it is not installed (Debian: postgresql)\n");
	}
	check_dir_end(sqlite_dir);
	return failed;
}

void toy_store_refused(km_error *err, const enum km_store_why *why, enum km_store_why want)
{
	if (!err)
		fail_msg("no error; expected: %s", km_store_why_name(want));
	if (err->code != KM_REFUSED || *why != want)
		fail_msg("expected %s, got code %d, %s: %s", km_store_why_name(want), err->code,
			 km_store_why_name(*why), err->message);
	km_error_free(err);
}

/* ---- things ------------------------------------------------------------------------------------------------------ */
const char *toy_sum(const char *kind, int i)
{
	static _Thread_local char texts[4][KM_SHA256_HEX];
	static _Thread_local unsigned next;
	KM_AUTOFREE char *text = km_printf("%s %d", kind, i);
	char *ret = texts[next++ % KM_COUNT(texts)];
	uint8_t sum[KM_SHA256_LEN];

	km_sha256_of(text, strlen(text), sum);
	km_hex(sum, sizeof(sum), ret);
	return ret;
}

void toy_token(km_store *store, const char *id)
{
	struct km_store_token token = {.id = id,
				       .name = "web servers",
				       .channel = "stable",
				       .tags = "web",
				       .min_severity = KM_SEVERITY_LOW,
				       .secret = id,
				       .created = TOY_NOW};

	check_ok(km_store_token_add(store, &token, NULL));
}

struct km_attach toy_attach_of(int i)
{
	struct km_attach attach = {.kernel = {.arch = "x86_64", .build_id = "0123", .boot = "4567"}};

	snprintf(attach.host, sizeof(attach.host), "%s", toy_sum("host", i));
	snprintf(attach.kernel.release, sizeof(attach.kernel.release), "6.1.0-%d", i % 8);
	return attach;
}

int64_t toy_attach(km_store *store, const char *token, int i)
{
	struct km_attach attach = toy_attach_of(i);
	int64_t n;

	check_ok(km_store_attach(store, &attach, token, toy_sum("secret", i), TOY_NOW, &n, NULL));
	return n;
}

void toy_release(km_store *store, const char *id, const char *severity)
{
	static const char *cves[] = {"CVE-2026-0001", "CVE-2026-0002"};
	struct km_payload payload = {.flavour = "klp", .size = 1};
	struct km_release_kernel kernel = {
		.arch = "x86_64", .release = "6.1.0-1", .build_id = "0123", .payloads = &payload, .n_payloads = 1};
	struct km_release body = {.name = "fix",
				  .version = "1",
				  .summary = "a fix",
				  .severity = severity,
				  .issued = TOY_NOW,
				  .cves = cves,
				  .n_cves = 2,
				  .kernels = &kernel,
				  .n_kernels = 1};

	snprintf(payload.sha256, sizeof(payload.sha256), "%s", toy_sum(id, 1));
	snprintf(body.source_sha256, sizeof(body.source_sha256), "%s", toy_sum(id, 2));
	check_ok(km_store_release_add(store, id, &body, id, strlen(id), TOY_NOW, NULL));
}

void toy_report(km_store *store, int i, const char *release, enum km_patch_state state, enum km_health health,
		int32_t age, int64_t now)
{
	struct km_attach attach = toy_attach_of(i);
	struct km_report_patch patch = {
		.state = state, .health = health, .since = now, .transition_ms = 12, .age = age};
	struct km_report report = {
		.kernel = attach.kernel, .agent = "0.1.0", .standing = KM_PROTECTED, .patches = &patch, .n_patches = 1};

	memcpy(report.host, attach.host, sizeof(report.host));
	snprintf(patch.release, sizeof(patch.release), "%s", release);
	check_ok(km_store_report(store, &report, now, now, NULL));
}
