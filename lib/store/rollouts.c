/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rollouts: each has a revision, so that of two servers that move it on one is told to look again. */
#include "internal.h"

_Static_assert(KM_ROLLOUT_RUNNING == 0 && KM_ROLLOUT_HALTED == 1, "`state < 2` means open, in rollouts_open, too");

#define COLUMNS                                                                                                        \
	"channel, release, plan, state, wave, wave_since, failed, stalled, crashed, silent, let_in, reason, created, " \
	"creator, revision"

/* let_in: when each wave up to the last one was let in, with a space between each. */
static void let_in_read(const struct db_value *value, struct km_progress_of *at)
{
	const char *text = value->kind == DB_TEXT ? value->at : "";

	for (size_t i = 0; i < KM_FLEET_WAVES && *text; i++) {
		char *end;

		at->let_in[i] = strtoll(text, &end, 10);
		text = end + (*end == ' ');
	}
}

static char *let_in_text(const struct km_progress_of *at)
{
	km_str text = {0};

	for (size_t i = 0; i <= at->wave && i < KM_FLEET_WAVES; i++)
		km_str_printf(&text, "%s%lld", i ? " " : "", (long long)at->let_in[i]);
	return text.at;
}

static void rollout_read(const struct db_value *row, km_arena *arena, void *ret)
{
	struct km_store_rollout *r = ret;

	*r = (struct km_store_rollout){
		.id = row[0].i,
		.channel = row_text(arena, &row[1]),
		.release = row_text(arena, &row[2]),
		.plan = row_text(arena, &row[3]),
		.at = {.state = (enum km_rollout_state)row[4].i, .wave = (size_t)row[5].i, .wave_since = row[6].i},
		.reason = row_text(arena, &row[12]),
		.created = row[13].i,
		.by = row_text(arena, &row[14]),
		.revision = row[15].i,
	};
	r->at.forgiven.failed = (uint64_t)row[7].i;
	r->at.forgiven.stalled = (uint64_t)row[8].i;
	r->at.forgiven.crashed = (uint64_t)row[9].i;
	r->at.forgiven.silent = (uint64_t)row[10].i;
	let_in_read(&row[11], &r->at);
}

/* Nine of the values: where it is. */
#define PLACE_VALUES(r, let_in)                                                                                        \
	db_int((r)->at.state), db_int((int64_t)(r)->at.wave), db_int((r)->at.wave_since),                              \
		db_int((int64_t)(r)->at.forgiven.failed), db_int((int64_t)(r)->at.forgiven.stalled),                   \
		db_int((int64_t)(r)->at.forgiven.crashed), db_int((int64_t)(r)->at.forgiven.silent), db_text(let_in),  \
		db_text((r)->reason)

km_error *km_store_rollout_add(km_store *store, const struct km_store_rollout *r, int64_t *id, enum km_store_why *why)
{
	KM_AUTOFREE char *let_in = let_in_text(&r->at);
	int64_t added = 0;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = store_int(store,
			"INSERT INTO rollouts (" COLUMNS
			") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 1) "
			"ON CONFLICT DO NOTHING RETURNING id",
			DB_VALUES(db_text(r->channel), db_text(r->release), db_text(r->plan), PLACE_VALUES(r, let_in),
				  db_int(r->created), db_text(r->by)),
			0, &added);
	if (!err && !added)
		err = store_refuse(why, KM_STORE_EXISTS, "%s has an open rollout of this release", r->channel);
	err = store_end(store, err);
	if (!err)
		*id = added;
	return err;
}

static km_error *set(km_store *store, const struct km_store_rollout *r, enum km_store_why *why)
{
	KM_AUTOFREE char *let_in = let_in_text(&r->at);
	int64_t revision, others;

	KM_TRY(store_int(store, "SELECT revision FROM rollouts WHERE id = $1", DB_VALUES(db_int(r->id)), 0, &revision));
	if (!revision)
		return store_refuse(why, KM_STORE_ABSENT, "there is no rollout %lld", (long long)r->id);
	if (revision != r->revision)
		return store_refuse(why, KM_STORE_STALE, "somebody has changed the rollout %lld meanwhile",
				    (long long)r->id);
	KM_TRY(store_int(store,
			 "SELECT count(*) FROM rollouts o JOIN rollouts r ON o.channel = r.channel "
			 "AND o.release = r.release AND o.id <> r.id WHERE r.id = $1 AND o.state < 2",
			 DB_VALUES(db_int(r->id)), 0, &others));
	if (others && r->at.state < 2)
		return store_refuse(why, KM_STORE_EXISTS, "there is another open rollout of this release");
	return store_run(store,
			 "UPDATE rollouts SET state = $3, wave = $4, wave_since = $5, failed = $6, stalled = $7, "
			 "crashed = $8, silent = $9, let_in = $10, reason = $11, revision = revision + 1 "
			 "WHERE id = $1 AND revision = $2",
			 DB_VALUES(db_int(r->id), db_int(r->revision), PLACE_VALUES(r, let_in)), NULL, NULL);
}

km_error *km_store_rollout_set(km_store *store, const struct km_store_rollout *rollout, enum km_store_why *why)
{
	KM_TRY(km_store_begin(store));
	return store_end(store, set(store, rollout, why));
}

km_error *km_store_rollout(km_store *store, int64_t id, km_arena *arena, struct km_store_rollout *ret,
			   enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store, "SELECT id, " COLUMNS " FROM rollouts WHERE id = $1", DB_VALUES(db_int(id)),
			 rollout_read, arena, ret, &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no rollout %lld", (long long)id);
}

km_error *km_store_rollouts(km_store *store, const char *channel, bool open, int64_t before, size_t limit,
			    km_arena *arena, struct km_store_rollout **ret, size_t *n)
{
	static const char all[] =
		"SELECT id, " COLUMNS " FROM rollouts WHERE id < $1 AND state < $2 ORDER BY id DESC LIMIT $3";
	static const char one[] =
		"SELECT id, " COLUMNS
		" FROM rollouts WHERE id < $1 AND state < $2 AND channel = $4 ORDER BY id DESC LIMIT $3";
	const struct db_value values[] = {db_int(before ? before : INT64_MAX), db_int(open ? 2 : KM_ROLLOUT_STATES),
					  db_int((int64_t)limit), db_text(channel)};

	return store_list(store, channel ? one : all, values, channel ? 4 : 3, rollout_read, sizeof(**ret), arena, ret,
			  n);
}
