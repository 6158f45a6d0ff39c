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
			  "SELECT kernel, arch, standing, count(*) FROM hosts GROUP BY kernel, arch, "
			  "standing ORDER BY kernel, arch, standing",
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

/* ---- for a rollout's counts ---------------------------------------------------------------------------------------
 */
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
	return store_run(
		store,
		"SELECT r.host, r.state, r.health, r.since, r.age FROM releases l "
		"JOIN reports r ON r.release = l.n WHERE l.id = $1 AND (r.updated >= $2 OR r.state NOT IN ($3, "
		"$4) AND r.health NOT IN ($5, $6)) ORDER BY r.host",
		DB_VALUES(db_text(release), db_int(since), db_int(KM_PATCH_FAILED), db_int(KM_PATCH_STALLED),
			  db_int(KM_HEALTH_OOPSED), db_int(KM_HEALTH_CRASHED)),
		said_row, &each);
}
