/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables. A database carries its version in the table kmend; opening it brings it forward step by step, in one
 * transaction. A step that was released never changes: what is new is a new step.
 *
 * Words of the service (states, severities, documents) are stored as the numbers of their enums in fleet.h and trust.h,
 * which therefore only grow at the end. Times are seconds; 0 is "not".
 */
#include <sys/random.h>

#include "internal.h"

/* clang-format off: it breaks texts where they are full, not where they read well. */
static const char *const first[] = {
	"CREATE TABLE kmend (name TEXT PRIMARY KEY, value TEXT NOT NULL)",

	"CREATE TABLE admins (id TEXT PRIMARY KEY, name TEXT NOT NULL, role BIGINT NOT NULL, "
	"secret TEXT NOT NULL UNIQUE, created BIGINT NOT NULL, expires BIGINT NOT NULL, revoked BIGINT NOT NULL)",

	/* hosts: how many there are, so that an attach need not count them. */
	"CREATE TABLE tokens (id TEXT PRIMARY KEY, name TEXT NOT NULL, channel TEXT NOT NULL, tags TEXT NOT NULL, "
	"host_limit BIGINT NOT NULL, min_severity BIGINT NOT NULL, secret TEXT NOT NULL UNIQUE, "
	"created BIGINT NOT NULL, expires BIGINT NOT NULL, revoked BIGINT NOT NULL, hosts BIGINT NOT NULL)",

	"CREATE TABLE hosts (n AUTOKEY, id TEXT NOT NULL UNIQUE, token TEXT NOT NULL REFERENCES tokens (id), "
	"secret TEXT NOT NULL UNIQUE, channel TEXT NOT NULL, tags TEXT NOT NULL, arch TEXT NOT NULL, "
	"kernel TEXT NOT NULL, build_id TEXT NOT NULL, boot TEXT NOT NULL, agent TEXT NOT NULL, "
	"standing BIGINT NOT NULL, root BIGINT NOT NULL, timestamp BIGINT NOT NULL, attached BIGINT NOT NULL)",
	/* Pages of hosts go by number within what is asked for; the counts are answered by an index alone. */
	"CREATE INDEX hosts_token ON hosts (token, n)",
	"CREATE INDEX hosts_channel ON hosts (channel, n)",
	"CREATE INDEX hosts_standing ON hosts (standing, n)",
	"CREATE INDEX hosts_channel_standing ON hosts (channel, standing, n)",
	"CREATE INDEX hosts_kernel ON hosts (kernel, n)",
	"CREATE INDEX hosts_count_kernel ON hosts (kernel, arch, standing)",
	"CREATE TABLE host_tags (tag TEXT NOT NULL, host BIGINT NOT NULL REFERENCES hosts (n) ON DELETE CASCADE, "
	"PRIMARY KEY (tag, host))",
	"CREATE INDEX host_tags_host ON host_tags (host)",
	/* What moves with every check-in lies close together: 100,000 of them are two megabytes. */
	"CREATE TABLE contacts (host ROWKEY REFERENCES hosts (n) ON DELETE CASCADE, seen BIGINT NOT NULL, "
	"digest BIGINT NOT NULL)",

	"CREATE TABLE releases (n AUTOKEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, version TEXT NOT NULL, "
	"summary TEXT NOT NULL, severity BIGINT NOT NULL, issued BIGINT NOT NULL, uploaded BIGINT NOT NULL, "
	"bytes BYTES NOT NULL)",
	"CREATE TABLE release_cves (release BIGINT NOT NULL REFERENCES releases (n), cve TEXT NOT NULL, "
	"PRIMARY KEY (release, cve))",
	"CREATE TABLE release_kernels (release BIGINT NOT NULL REFERENCES releases (n), arch TEXT NOT NULL, "
	"kernel TEXT NOT NULL, build_id TEXT NOT NULL, PRIMARY KEY (release, kernel, arch, build_id))",
	"CREATE TABLE release_blobs (sha256 TEXT NOT NULL, release BIGINT NOT NULL REFERENCES releases (n), "
	"PRIMARY KEY (sha256, release))",

	"CREATE TABLE reports (host BIGINT NOT NULL REFERENCES hosts (n) ON DELETE CASCADE, "
	"release BIGINT NOT NULL REFERENCES releases (n), state BIGINT NOT NULL, health BIGINT NOT NULL, "
	"since BIGINT NOT NULL, transition_ms BIGINT NOT NULL, age BIGINT NOT NULL, detail TEXT NOT NULL, "
	"updated BIGINT NOT NULL, PRIMARY KEY (host, release))",
	"CREATE INDEX reports_count ON reports (release, host, state, health, since, age, updated)",
	"CREATE INDEX reports_state ON reports (release, state, host)",
	"CREATE INDEX reports_health ON reports (release, health, host)",
	"CREATE TABLE history (n AUTOKEY, host BIGINT NOT NULL REFERENCES hosts (n) ON DELETE CASCADE, "
	"release BIGINT NOT NULL REFERENCES releases (n), state BIGINT NOT NULL, health BIGINT NOT NULL, "
	"since BIGINT NOT NULL, transition_ms BIGINT NOT NULL, age BIGINT NOT NULL, detail TEXT NOT NULL, "
	"updated BIGINT NOT NULL)",
	"CREATE INDEX history_host ON history (host, n)",

	"CREATE TABLE channels (name TEXT PRIMARY KEY, halt TEXT, changed BIGINT NOT NULL)",
	"CREATE TABLE documents (channel TEXT NOT NULL, doc BIGINT NOT NULL, version BIGINT NOT NULL, "
	"sha256 TEXT NOT NULL, bytes BYTES NOT NULL, stored BIGINT NOT NULL, PRIMARY KEY (channel, doc, version))",
	"CREATE INDEX documents_sum ON documents (sha256)",
	/* The newest index of each channel. */
	"CREATE TABLE listed (channel TEXT NOT NULL, release TEXT NOT NULL, place BIGINT NOT NULL, "
	"staged BIGINT NOT NULL, withdrawn TEXT, PRIMARY KEY (channel, release))",

	"CREATE TABLE rollouts (id AUTOKEY, channel TEXT NOT NULL, release TEXT NOT NULL, plan TEXT NOT NULL, "
	"state BIGINT NOT NULL, wave BIGINT NOT NULL, wave_since BIGINT NOT NULL, failed BIGINT NOT NULL, "
	"stalled BIGINT NOT NULL, crashed BIGINT NOT NULL, silent BIGINT NOT NULL, let_in TEXT NOT NULL, "
	"reason TEXT NOT NULL, created BIGINT NOT NULL, creator TEXT NOT NULL, revision BIGINT NOT NULL)",
	"CREATE INDEX rollouts_channel ON rollouts (channel, id)",
	/* 0 and 1: running, halted. */
	"CREATE UNIQUE INDEX rollouts_open ON rollouts (channel, release) WHERE state < 2",

	"CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, expires BIGINT NOT NULL)",
	"CREATE TABLE audit (seq ROWKEY, at BIGINT NOT NULL, actor TEXT NOT NULL, action TEXT NOT NULL, "
	"object TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL)",
	NULL,
};
/* clang-format on */

const schema_step schema_steps[] = {first};
const int64_t km_store_schema_newest = KM_COUNT(schema_steps);

/* The statement with the words of the schema replaced by the database's own. */
static char *translate(const char *sql, const char *const (*words)[2])
{
	km_str text = {0};

	while (*sql) {
		size_t n = strspn(sql, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), i = 0;

		while (words[i][0] && !(strlen(words[i][0]) == n && !strncmp(words[i][0], sql, n)))
			i++;
		if (n && words[i][0])
			km_str_add(&text, words[i][1]);
		else
			km_str_addn(&text, sql, n ? n : 1);
		sql += n ? n : 1;
	}
	return text.at;
}

static km_error *step(struct db *db, schema_step statements)
{
	for (; *statements; statements++) {
		KM_AUTOFREE char *sql = translate(*statements, db->backend->words);

		KM_TRY(db->backend->run(db, sql, NULL, 0, NULL, NULL));
	}
	return NULL;
}

struct tables {
	bool ours, any;
};

static km_error *table(void *ctx, const struct db_value *row)
{
	struct tables *tables = ctx;

	tables->any = true;
	tables->ours |= !strcmp(row->at, "kmend");
	return NULL;
}

static km_error *number(void *ctx, const struct db_value *row)
{
	*(int64_t *)ctx = strtoll(row->at, NULL, 10);
	return NULL;
}

static km_error *version_of(struct db *db, int64_t *ret)
{
	struct tables tables = {0};

	*ret = 0;
	KM_TRY(db->backend->run(db, db->backend->tables, NULL, 0, table, &tables));
	if (tables.ours)
		return db->backend->run(db, "SELECT value FROM kmend WHERE name = 'schema'", NULL, 0, number, ret);
	if (tables.any)
		return km_error_hint(km_error_new(KM_REFUSED, "it has tables of another program"),
				     "give kmend a database of its own");
	return NULL;
}

km_error *schema_migrate(struct db *db, const schema_step *steps, int64_t n_steps, int64_t *version)
{
	char text[24];
	int64_t at;

	KM_TRY(version_of(db, &at));
	if (at > n_steps)
		return km_error_hint(
			km_error_new(KM_REFUSED,
				     "a newer kmend wrote it: its tables have version %lld, this program knows %lld",
				     (long long)at, (long long)n_steps),
			"update kmend-server, or restore the backup made before the update");
	*version = n_steps;
	if (at == n_steps)
		return NULL;
	for (int64_t i = at; i < n_steps; i++) {
		km_error *err = step(db, steps[i]);

		if (err)
			return km_error_add(err, "cannot bring the tables from version %lld to %lld", (long long)i,
					    (long long)i + 1);
	}
	snprintf(text, sizeof(text), "%lld", (long long)n_steps);
	return db->backend->run(db,
				"INSERT INTO kmend (name, value) VALUES ('schema', $1) ON CONFLICT (name) "
				"DO UPDATE SET value = excluded.value",
				DB_VALUES(db_text(text)), NULL, NULL);
}

static km_error *name(void *ctx, const struct db_value *row)
{
	snprintf(ctx, STORE_ID, "%s", (const char *)row->at);
	return NULL;
}

km_error *schema_id(struct db *db, char ret[static STORE_ID])
{
	uint8_t random[(STORE_ID - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return km_error_new(KM_ENV, "the machine gives no random bytes");
	km_hex(random, sizeof(random), ret);
	KM_TRY(db->backend->run(db, "INSERT INTO kmend (name, value) VALUES ('id', $1) ON CONFLICT (name) DO NOTHING",
				DB_VALUES(db_text(ret)), NULL, NULL));
	return db->backend->run(db, "SELECT value FROM kmend WHERE name = 'id'", NULL, 0, name, ret);
}
