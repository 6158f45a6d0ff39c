/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts say of themselves and their patches. */
#include "internal.h"

#define COLUMNS "state, health, since, transition_ms, age, detail, updated"

static void patch_read(const struct db_value *row, km_arena *arena, void *ret)
{
	struct km_store_patch *patch = ret;

	(void)arena;
	row_sum(&row[0], patch->said.release);
	patch->said.state = (enum km_patch_state)row[1].i;
	patch->said.health = (enum km_health)row[2].i;
	patch->said.since = row[3].i;
	patch->said.transition_ms = (int32_t)row[4].i;
	patch->said.age = (int32_t)row[5].i;
	snprintf(patch->said.detail, sizeof(patch->said.detail), "%s", (const char *)row[6].at);
	patch->updated = row[7].i;
}

km_error *km_store_host_patches(km_store *store, int64_t host, km_arena *arena, struct km_store_patch **ret, size_t *n)
{
	return store_list(store,
			  "SELECT l.id, " COLUMNS
			  " FROM reports r JOIN releases l ON l.n = r.release WHERE r.host = $1 ORDER BY l.id",
			  DB_VALUES(db_int(host)), patch_read, sizeof(**ret), arena, ret, n);
}

km_error *km_store_host_history(km_store *store, int64_t host, km_arena *arena, struct km_store_patch **ret, size_t *n)
{
	return store_list(
		store,
		"SELECT l.id, " COLUMNS
		" FROM history r JOIN releases l ON l.n = r.release WHERE r.host = $1 ORDER BY r.n DESC LIMIT $2",
		DB_VALUES(db_int(host), db_int(KM_STORE_HISTORY)), patch_read, sizeof(**ret), arena, ret, n);
}

/* ---- taking a report --------------------------------------------------------------------------------------------- */
struct known { /* what is stored of a patch */
	int64_t release, state, health, updated;
	char id[KM_SHA256_HEX];
	bool named; /* by the new report */
};

static void known_read(const struct db_value *row, km_arena *arena, void *ret)
{
	struct known *known = ret;

	(void)arena;
	known->release = row[0].i;
	known->state = row[1].i;
	known->health = row[2].i;
	known->updated = row[3].i;
	row_sum(&row[4], known->id);
}

static km_error *host_update(km_store *store, const struct km_report *r, int64_t digest, int64_t now, int64_t *host)
{
	const struct km_fleet_kernel *k = &r->kernel;

	KM_TRY(store_int(store,
			 "UPDATE hosts SET arch = $2, kernel = $3, build_id = $4, boot = $5, agent = $6, "
			 "standing = $7, root = $8, timestamp = $9 WHERE id = $1 RETURNING n",
			 DB_VALUES(db_text(r->host), db_text(k->arch), db_text(k->release), db_text(k->build_id),
				   db_text(k->boot), db_text(r->agent), db_int(r->standing), db_int(r->root),
				   db_int(r->timestamp)),
			 0, host));
	return store_run(
		store,
		"UPDATE contacts SET seen = CASE WHEN seen < $2 THEN $2 ELSE seen END, digest = $3 WHERE host = $1",
		DB_VALUES(db_int(*host), db_int(now), db_int(digest)), NULL, NULL);
}

#define PATCH_VALUES(host, release, patch, updated)                                                                    \
	DB_VALUES(db_int(host), db_int(release), db_int((patch)->state), db_int((patch)->health),                      \
		  db_int((patch)->since), db_int((patch)->transition_ms), db_int((patch)->age),                        \
		  db_text((patch)->detail), db_int(updated))

static km_error *history_add(km_store *store, int64_t host, int64_t release, const struct km_report_patch *patch,
			     int64_t now)
{
	KM_TRY(store_run(store,
			 "INSERT INTO history (host, release, " COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
			 PATCH_VALUES(host, release, patch, now), NULL, NULL));
	return store_run(store,
			 "DELETE FROM history WHERE host = $1 AND n <= (SELECT n FROM history "
			 "WHERE host = $1 ORDER BY n DESC LIMIT 1 OFFSET $2)",
			 DB_VALUES(db_int(host), db_int(KM_STORE_HISTORY)), NULL, NULL);
}

static km_error *patch_set(km_store *store, int64_t host, const struct km_report_patch *patch,
			   const struct known *known, int64_t now)
{
	int64_t release = known ? known->release : 0, updated = known ? known->updated : now;

	if (!known)
		KM_TRY(store_int(store, "SELECT n FROM releases WHERE id = $1", DB_VALUES(db_text(patch->release)), 0,
				 &release));
	if (!release) /* not one of ours */
		return NULL;
	if (!known || known->state != patch->state || known->health != patch->health) {
		updated = now;
		KM_TRY(history_add(store, host, release, patch, now));
	}
	return store_run(store,
			 "INSERT INTO reports (host, release, " COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
			 "ON CONFLICT (host, release) DO UPDATE SET state = excluded.state, "
			 "health = excluded.health, since = excluded.since, transition_ms = excluded.transition_ms, "
			 "age = excluded.age, detail = excluded.detail, updated = excluded.updated",
			 PATCH_VALUES(host, release, patch, updated), NULL, NULL);
}

static struct known *known_of(struct known *known, size_t n, const char *release)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(known[i].id, release))
			return &known[i];
	return NULL;
}

static km_error *take(km_store *store, const struct km_report *report, int64_t digest, int64_t now, km_arena *arena,
		      enum km_store_why *why)
{
	struct known *known;
	int64_t host;
	size_t n;

	KM_TRY(host_update(store, report, digest, now, &host));
	if (!host)
		return store_refuse(why, KM_STORE_ABSENT, "there is no host %s", report->host);
	KM_TRY(store_list(store,
			  "SELECT r.release, r.state, r.health, r.updated, l.id FROM reports r "
			  "JOIN releases l ON l.n = r.release WHERE r.host = $1",
			  DB_VALUES(db_int(host)), known_read, sizeof(*known), arena, &known, &n));
	for (size_t i = 0; i < report->n_patches; i++) {
		struct known *old = known_of(known, n, report->patches[i].release);

		if (old)
			old->named = true;
		KM_TRY(patch_set(store, host, &report->patches[i], old, now));
	}
	for (size_t i = 0; i < n; i++)
		if (!known[i].named)
			KM_TRY(store_run(store, "DELETE FROM reports WHERE host = $1 AND release = $2",
					 DB_VALUES(db_int(host), db_int(known[i].release)), NULL, NULL));
	return NULL;
}

km_error *km_store_report(km_store *store, const struct km_report *report, int64_t digest, int64_t now,
			  enum km_store_why *why)
{
	km_arena *arena = km_arena_create();
	km_error *err = km_store_begin(store);

	if (!err)
		err = store_end(store, take(store, report, digest, now, arena, why));
	km_arena_destroy(arena);
	return err;
}
