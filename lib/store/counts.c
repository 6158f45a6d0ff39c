/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many hosts there are of each kind. */
#include "internal.h"

struct by_number {
	int64_t *at;
	int64_t n;
};

static km_error *tally(void *ctx, const struct db_value *row)
{
	struct by_number *counts = ctx;

	if (row[0].i >= 0 && row[0].i < counts->n)
		counts->at[row[0].i] = row[1].i;
	return NULL;
}

km_error *km_store_count_standing(km_store *store, const char *channel, int64_t ret[static KM_STANDINGS])
{
	int64_t at[KM_STANDINGS] = {0};
	struct by_number counts = {.at = at, .n = KM_STANDINGS};

	if (channel)
		KM_TRY(store_run(store, "SELECT standing, count(*) FROM hosts WHERE channel = $1 GROUP BY standing",
				 DB_VALUES(db_text(channel)), tally, &counts));
	else
		KM_TRY(store_run(store, "SELECT standing, count(*) FROM hosts GROUP BY standing", NULL, 0, tally,
				 &counts));
	memcpy(ret, at, sizeof(at));
	return NULL;
}

static void kernels_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_kernels *)ret = (struct km_store_kernels){.arch = row_text(arena, &row[1]),
								    .kernel = row_text(arena, &row[0]),
								    .standing = (enum km_standing)row[2].i,
								    .hosts = row[3].i};
}

km_error *km_store_count_kernels(km_store *store, km_arena *arena, struct km_store_kernels **ret, size_t *n)
{
	return store_list(store,
			  "SELECT kernel, arch, standing, count(*) FROM hosts GROUP BY kernel, arch, standing ORDER BY "
			  "kernel, arch, standing",
			  NULL, 0, kernels_read, sizeof(**ret), arena, ret, n);
}

static void release_count_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_release_count *)ret = (struct km_store_release_count){.release = row_text(arena, &row[0]),
										.channel = row_text(arena, &row[1]),
										.state = (enum km_patch_state)row[2].i,
										.health = (enum km_health)row[3].i,
										.hosts = row[4].i};
}

#define RELEASE_COUNT(where)                                                                                           \
	"SELECT l.id, h.channel, r.state, r.health, count(*) FROM releases l JOIN reports r ON r.release = l.n "       \
	"JOIN hosts h ON h.n = r.host " where                                                                          \
	" GROUP BY l.id, h.channel, r.state, r.health ORDER BY l.id, h.channel, r.state, r.health"

km_error *km_store_release_counts(km_store *store, const char *release, km_arena *arena,
				  struct km_store_release_count **ret, size_t *n)
{
	if (release)
		return store_list(store, RELEASE_COUNT("WHERE l.id = $1"), DB_VALUES(db_text(release)),
				  release_count_read, sizeof(**ret), arena, ret, n);
	return store_list(store, RELEASE_COUNT(""), NULL, 0, release_count_read, sizeof(**ret), arena, ret, n);
}

/* ---- a rollout's ------------------------------------------------------------------------------------------------- */
static void counts_read(const struct db_value *row, km_arena *arena, void *ret)
{
	(void)arena;
	*(struct km_counts *)ret = (struct km_counts){
		.tried = (uint64_t)row[0].i,
		.loaded = (uint64_t)row[1].i,
		.settled = (uint64_t)row[2].i,
		.failed = (uint64_t)row[3].i,
		.stalled = (uint64_t)row[4].i,
		.crashed = (uint64_t)row[5].i,
		.silent = (uint64_t)row[6].i,
	};
}

/* $1 release, $2 channel, $3 since, $4 the oldest contact of a host that is online, $5 settle; states and healths are
 * those of fleet.h. */
#define WHEN(condition) "sum(CASE WHEN " condition " THEN 1 ELSE 0 END)"
#define LOADED		"r.state = 1"
#define FAILED		"r.state = 2 AND r.updated >= $3"
#define STALLED		"r.state = 3 AND r.updated >= $3"
static const char
	counts_sql[] = "SELECT " WHEN(LOADED " OR (" FAILED ") OR (" STALLED ")") ", " WHEN(LOADED) ", " WHEN(LOADED " "
														     "A"
														     "N"
														     "D"
														     " "
														     "r"
														     "."
														     "h"
														     "e"
														     "a"
														     "l"
														     "t"
														     "h"
														     " "
														     "="
														     " "
														     "1"
														     " "
														     "A"
														     "N"
														     "D"
														     " "
														     "r"
														     "."
														     "a"
														     "g"
														     "e"
														     " "
														     ">"
														     "="
														     " "
														     "$"
														     "5"
														     " "
														     "A"
														     "N"
														     "D"
														     " "
														     "c"
														     "."
														     "s"
														     "e"
														     "e"
														     "n"
														     " "
														     ">"
														     "="
														     " "
														     "$"
														     "4") ", " WHEN(
		FAILED) ", " WHEN(STALLED) ", " WHEN("r.health IN (3, 4) AND r.updated >= $3") ", " WHEN(LOADED
													 " AND c.seen "
													 "< $4") " FROM"
														 " repo"
														 "rts "
														 "r "
														 "CROSS"
														 " JOIN"
														 " host"
														 "s h "
														 "CROSS"
														 " JOIN"
														 " cont"
														 "acts "
														 "c "
														 "WHERE"
														 " r."
														 "relea"
														 "se = "
														 "(SELE"
														 "CT n "
														 "FROM "
														 "relea"
														 "ses "
														 "WHERE"
														 " id "
														 "= "
														 "$1) "
														 "AND "
														 "h.n "
														 "= "
														 "r."
														 "host "
														 "AND "
														 "h."
														 "chann"
														 "el "
														 "|| "
														 "'' = "
														 "$2 "
														 "AND "
														 "c."
														 "host "
														 "= "
														 "r."
														 "host";
_Static_assert(KM_PATCH_LOADED == 1 && KM_PATCH_FAILED == 2 && KM_PATCH_STALLED == 3, "as in counts_sql");
_Static_assert(KM_HEALTH_GOOD == 1 && KM_HEALTH_OOPSED == 3 && KM_HEALTH_CRASHED == 4, "as in counts_sql");

km_error *km_store_counts(km_store *store, const struct km_store_count_of *of, struct km_counts *ret)
{
	bool found;

	return store_one(store, counts_sql,
			 DB_VALUES(db_text(of->release), db_text(of->channel), db_int(of->since),
				   db_int(of->now - of->silent), db_int(of->settle)),
			 counts_read, NULL, ret, &found);
}

struct each_said {
	km_error *(*row)(void *ctx, int64_t host, const struct km_report_patch *said);
	void *ctx;
	struct km_report_patch said;
};

static km_error *said_row(void *ctx, const struct db_value *row)
{
	struct each_said *each = ctx;

	each->said.state = (enum km_patch_state)row[1].i;
	each->said.health = (enum km_health)row[2].i;
	each->said.since = row[3].i;
	each->said.age = (int32_t)row[4].i;
	return each->row(each->ctx, row[0].i, &each->said);
}

km_error *km_store_said(km_store *store, const char *release, int64_t since,
			km_error *(*row)(void *ctx, int64_t host, const struct km_report_patch *said), void *ctx)
{
	struct each_said each = {.row = row, .ctx = ctx, .said = {.transition_ms = -1}};

	snprintf(each.said.release, sizeof(each.said.release), "%s", release);
	return store_run(store,
			 "SELECT r.host, r.state, r.health, r.since, r.age FROM releases l JOIN reports r ON r.release = "
			 "l.n WHERE l.id = $1 AND (r.updated >= $2 OR r.state NOT IN ($3, $4) AND r.health NOT IN ($5, $6))",
			 DB_VALUES(db_text(release), db_int(since), db_int(KM_PATCH_FAILED), db_int(KM_PATCH_STALLED),
				   db_int(KM_HEALTH_OOPSED), db_int(KM_HEALTH_CRASHED)),
			 said_row, &each);
}
