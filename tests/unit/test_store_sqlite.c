/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is SQLite's alone: whose file it is, migrations, a full disk; and that what an operation costs does not
 * grow with the fleet. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "toy_store.h"

static char *dir;

static char *path(const char *name)
{
	return km_path(dir, name);
}

static void raw(const char *where, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(where, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_whose_file(void **state)
{
	KM_AUTOFREE char *other = path("other.db"), *text = path("text.db"), *newer = path("newer.db"),
			 *none = path("none/x.db");
	km_store *store;
	struct stat st;

	(void)state;
	raw(other, "CREATE TABLE theirs (x)");
	check_error(km_store_open(other, &store), KM_REFUSED, "another program's database");
	check_ok(km_file_write(text, "This is no database, but a text that is long enough to look at.", 63));
	check_error(km_store_open(text, &store), KM_INPUT, "not a database");
	check_error(km_store_open(none, &store), KM_ENV, "No such file");
	check_error(km_store_open("mysql://x", &store), KM_USAGE, "mysql is no database that kmend knows");
	check_ok(km_store_open(newer, &store));
	km_store_close(store);
	assert_int_equal(stat(newer, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	raw(newer, "UPDATE kmend SET value = '1000' WHERE name = 'schema'");
	check_error(km_store_open(newer, &store), KM_REFUSED, "a newer kmend wrote it: its tables have version 1000");
}

static km_error *take_value(void *ctx, const struct db_value *row)
{
	snprintf(ctx, 16, "%s%lld", row->kind == DB_TEXT ? (const char *)row->at : "", (long long)row->i);
	return NULL;
}

/* Whether another process sees the shared lock that a connection in WAL mode keeps on the database (os.h: SHARED_FIRST). */
static bool is_locked(const char *where)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0x40000002, .l_len = 510};
	pid_t pid = fork();
	int status, fd;

	if (!pid) {
		fd = open(where, O_RDWR);
		_exit(fd >= 0 && !fcntl(fd, F_GETLK, &lock) && lock.l_type == F_RDLCK ? 0 : 1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/* Without it the next program that leaves the database would remove the log that this one still writes to. */
static void test_others_see_us(void **state)
{
	KM_AUTOFREE char *where = path("seen.db");
	km_store *store;

	(void)state;
	for (int again = 0; again < 2; again++) {
		check_ok(km_store_open(where, &store));
		assert_true(is_locked(where));
		km_store_close(store);
		assert_false(is_locked(where));
	}
}

/* What a test that pulls no plug cannot see: each commit is synced. */
static void test_commits_are_synced(void **state)
{
	KM_AUTOFREE char *where = path("synced.db");
	char journal[16], synchronous[16];
	struct db *db;

	(void)state;
	check_ok(db_sqlite.open(where, true, &db));
	check_ok(db_sqlite.run(db, "PRAGMA journal_mode", NULL, 0, take_value, journal));
	check_ok(db_sqlite.run(db, "PRAGMA synchronous", NULL, 0, take_value, synchronous));
	db_sqlite.close(db);
	assert_string_equal(journal, "wal0");
	assert_string_equal(synchronous, "2");
}

static void test_migrations(void **state)
{
	static const char *const second[] = {"ALTER TABLE admins ADD COLUMN mail TEXT", "UPDATE admins SET mail = name",
					     NULL};
	static const char *const wrong[] = {"CREATE TABLE left_over (x TEXT)", "ALTER TABLE nothing ADD COLUMN y TEXT",
					    NULL};
	const schema_step steps[] = {schema_steps[0], second, wrong};
	KM_AUTOFREE char *where = path("migrate.db");
	struct km_store_admin admin = {.id = "a", .name = "ops", .secret = "s"};
	struct db *db;
	km_store *store;
	int64_t version;

	(void)state;
	check_ok(km_store_open(where, &store));
	check_ok(km_store_admin_add(store, &admin, NULL));
	km_store_close(store);
	check_ok(db_sqlite.open(where, true, &db));
	check_ok(schema_migrate(db, steps, 2, &version));
	assert_int_equal(version, 2);
	check_error(schema_migrate(db, steps, 1, &version), KM_REFUSED, "version 2, this program knows 1");
	check_ok(db->backend->run(db, "BEGIN", NULL, 0, NULL, NULL));
	check_error(schema_migrate(db, steps, 3, &version), KM_ENV, "cannot bring the tables from version 2 to 3");
	check_ok(db->backend->run(db, "ROLLBACK", NULL, 0, NULL, NULL));
	check_ok(schema_migrate(db, steps, 2, &version));
	check_error(db->backend->run(db, "SELECT x FROM left_over", NULL, 0, NULL, NULL), KM_ENV, "no such table");
	db->backend->close(db);
}

/* ---- a full disk ------------------------------------------------------------------------------------------------- */
/* Attaches in groups until it fails; gives how many hosts were acknowledged. */
static int fill(km_store *store, enum km_code *code)
{
	for (int i = 0; i < 100000; i += 10) {
		km_error *err = km_store_begin(store);

		for (int k = i; !err && k < i + 10; k++) {
			struct km_attach attach = toy_attach_of(k);
			int64_t n;

			err = km_store_attach(store, &attach, "t", toy_sum("secret", k), TOY_NOW, &n, NULL);
			if (err)
				km_store_rollback(store);
		}
		if (!err)
			err = km_store_commit(store);
		if (err) {
			*code = err->code;
			km_error_free(err);
			return i;
		}
	}
	fail_msg("the disk does not become full");
	return 0;
}

static void check_full(const char *where, void (*make_room)(void))
{
	km_arena *arena = km_arena_create();
	struct km_store_token token;
	enum km_code code;
	km_store *store;
	int n;

	check_ok(km_store_open(where, &store));
	toy_token(store, "t");
	n = fill(store, &code);
	assert_int_equal(code, KM_ENV);
	assert_true(n > 0);
	/* Reading goes on; after there is room, writing does. */
	check_ok(km_store_token(store, "t", arena, &token, NULL));
	assert_int_equal(token.hosts, n);
	make_room();
	toy_attach(store, "t", n + 100);
	km_store_close(store);
	check_ok(km_store_open(where, &store));
	check_ok(km_store_token(store, "t", arena, &token, NULL));
	assert_int_equal(token.hosts, n + 1);
	check_ok(km_store_check(store));
	km_store_close(store);
	km_arena_destroy(arena);
}

static struct rlimit unlimited;

static void lift_limit(void)
{
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &unlimited), 0);
}

static void test_file_limit(void **state)
{
	KM_AUTOFREE char *where = path("limit.db");
	struct rlimit limit;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &unlimited), 0);
	limit = unlimited;
	limit.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	check_full(where, lift_limit);
}

static char *small;

static void remove_ballast(void)
{
	KM_AUTOFREE char *ballast = km_path(small, "ballast");

	assert_int_equal(unlink(ballast), 0);
}

/* Needs root: a file system of 2 MB that only this process sees, half of it taken. */
static void test_full_disk(void **state)
{
	KM_AUTOFREE char *mount_point = path("small"), *where = NULL, *ballast = NULL, *bytes = km_calloc(1, 1 << 20);

	(void)state;
	check_ok(km_mkdirs(mount_point));
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", mount_point, "tmpfs", 0, "size=2m")) {
		print_message("# SKIP a full file system: it cannot be mounted here: %s\n", strerror(errno));
		skip();
	}
	small = mount_point;
	where = km_path(mount_point, "x.db");
	ballast = km_path(mount_point, "ballast");
	check_ok(km_file_write(ballast, bytes, 1 << 20));
	check_full(where, remove_ballast);
	umount(mount_point);
}

/* ---- cost -------------------------------------------------------------------------------------------------------- */
static unsigned long steps; /* of SQLite's virtual machine, by tens */

static int count_steps(void *ctx)
{
	(void)ctx;
	steps++;
	return 0;
}

static int watch(sqlite3 *db, const char **error, const void *api)
{
	(void)error;
	(void)api;
	sqlite3_progress_handler(db, 10, count_steps, NULL);
	return SQLITE_OK;
}

struct fleet {
	km_store *store;
	km_arena *arena;
	int n;
	int64_t last; /* the number of its last host */
};

/* All run kernel "6.1.0-1" but every tenth; the last one has what no other has. */
static void fleet_fill(struct fleet *f)
{
	toy_token(f->store, "t");
	toy_release(f->store, TOY_RELEASE_A, "high");
	check_ok(km_store_begin(f->store));
	for (int i = 0; i < f->n; i++) {
		f->last = toy_attach(f->store, "t", i);
		if (i % 10 == 0 || i == f->n - 1)
			toy_report(f->store, i, TOY_RELEASE_A, i == f->n - 1 ? KM_PATCH_STALLED : KM_PATCH_LOADED,
				   KM_HEALTH_GOOD, 0, TOY_NOW);
	}
	check_ok(km_store_host_tag(f->store, toy_sum("host", f->n - 1), "rare", NULL));
	check_ok(km_store_commit(f->store));
}

static const struct km_store_filter filters[] = {
	{.after = 0},
	{.channel = "stable"},
	{.channel = "none"},
	{.token = "t"},
	{.tag = "web"},
	{.tag = "rare"},
	{.tag = "rare", .channel = "stable", .token = "t"},
	{.kernel = "6.1.0-1"},
	{.kernel = "none", .channel = "stable"},
	{.by_standing = true, .standing = KM_UNKNOWN},
	{.by_standing = true, .standing = KM_REBOOT},
	{.by_standing = true, .standing = KM_UNKNOWN, .channel = "stable"},
	{.by_standing = true, .standing = KM_REBOOT, .channel = "stable"},
	{.release = TOY_RELEASE_A},
	{.release = TOY_RELEASE_A, .by_state = true, .state = KM_PATCH_STALLED, .channel = "stable"},
	{.release = TOY_RELEASE_A, .by_state = true, .state = KM_PATCH_FAILED},
	{.release = TOY_RELEASE_A, .by_health = true, .health = KM_HEALTH_CRASHED},
	{.text = "6.1.0-1"},
	{.text = "rare"},
	{.text = "00000"},
};
enum { FILTERS = KM_COUNT(filters) };

/* A page from the begin and one near the end. */
static void page(struct fleet *f, int i)
{
	struct km_store_filter filter = filters[i];
	struct km_store_host *hosts;
	size_t n;

	filter.limit = 20;
	check_ok(km_store_hosts(f->store, &filter, f->arena, &hosts, &n));
	filter.after = f->last - 100;
	check_ok(km_store_hosts(f->store, &filter, f->arena, &hosts, &n));
}

static void check_in(struct fleet *f)
{
	struct km_store_seen seen[64];

	for (int i = 0; i < 64; i++)
		seen[i] = (struct km_store_seen){.host = f->last - i, .at = TOY_NOW + 60};
	check_ok(km_store_seen(f->store, seen, KM_COUNT(seen)));
}

static void attach_and_go(struct fleet *f)
{
	toy_attach(f->store, "t", f->n + 1);
	check_ok(km_store_detach(f->store, toy_sum("host", f->n + 1), NULL));
}

static void report(struct fleet *f)
{
	toy_report(f->store, f->n / 2, TOY_RELEASE_A, KM_PATCH_FAILED, KM_HEALTH_NONE, 0, TOY_NOW + 70);
}

static void find(struct fleet *f)
{
	struct km_store_host host;
	struct km_store_patch *patches;
	size_t n;
	bool may;

	check_ok(km_store_host_by_secret(f->store, toy_sum("secret", f->n / 2), f->arena, &host, NULL));
	check_ok(km_store_host_patches(f->store, host.n, f->arena, &patches, &n));
	check_ok(km_store_host_history(f->store, host.n, f->arena, &patches, &n));
	check_ok(km_store_may_blob(f->store, "stable", KM_SEVERITY_LOW, toy_sum(TOY_RELEASE_A, 1), &may));
}

static void (*const operations[])(struct fleet *f) = {check_in, attach_and_go, report, find};
enum { COSTS = FILTERS + KM_COUNT(operations) };

static void measure(int n, unsigned long ret[static COSTS])
{
	KM_AUTOFREE char *name = km_printf("fleet-%d.db", n), *where = path(name);
	struct fleet f = {.arena = km_arena_create(), .n = n};

	check_ok(km_store_open(where, &f.store));
	fleet_fill(&f);
	for (int i = 0; i < COSTS; i++) {
		steps = 0;
		if (i < FILTERS)
			page(&f, i);
		else
			operations[i - FILTERS](&f);
		ret[i] = steps;
	}
	km_store_close(f.store);
	km_arena_destroy(f.arena);
}

static void test_cost_is_flat(void **state)
{
	unsigned long few[COSTS], many[COSTS];

	(void)state;
	sqlite3_auto_extension((void (*)(void))watch);
	measure(1000, few);
	measure(8000, many);
	sqlite3_cancel_auto_extension((void (*)(void))watch);
	for (int i = 0; i < COSTS; i++) {
		/* A scan would need 8,000 rows and several steps for each. */
		if (many[i] > few[i] + few[i] / 2 + 20 || many[i] > 2000)
			fail_msg("operation %d: %lu0 steps with 1000 hosts, %lu0 with 8000", i, few[i], many[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whose_file), cmocka_unit_test(test_others_see_us),
		cmocka_unit_test(test_commits_are_synced),
		cmocka_unit_test(test_migrations), cmocka_unit_test(test_file_limit),
		cmocka_unit_test(test_full_disk),  cmocka_unit_test(test_cost_is_flat),
	};
	int failed;

	dir = check_dir();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	check_dir_end(dir);
	return failed;
}
