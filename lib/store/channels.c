/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Channels, and whether all of one is halted. */
#include "internal.h"

static void channel_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_channel *)ret = (struct km_store_channel){
		.name = row_text(arena, &row[0]), .halt = row_text(arena, &row[1]), .changed = row[2].i};
}

km_error *km_store_channels(km_store *store, km_arena *arena, struct km_store_channel **ret, size_t *n)
{
	return store_list(store, "SELECT name, halt, changed FROM channels ORDER BY name", NULL, 0, channel_read,
			  sizeof(**ret), arena, ret, n);
}

km_error *km_store_channel(km_store *store, const char *name, km_arena *arena, struct km_store_channel *ret,
			   enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store, "SELECT name, halt, changed FROM channels WHERE name = $1", DB_VALUES(db_text(name)),
			 channel_read, arena, ret, &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no channel %s", name);
}

km_error *km_store_channel_halt(km_store *store, const char *name, const char *reason, int64_t now,
				enum km_store_why *why)
{
	int64_t found;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = store_int(store, "UPDATE channels SET halt = $2, changed = $3 WHERE name = $1 RETURNING 1",
			DB_VALUES(db_text(name), db_text(reason), db_int(now)), 0, &found);
	if (!err && !found)
		err = store_refuse(why, KM_STORE_ABSENT, "there is no channel %s", name);
	return store_end(store, err);
}
