/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The people and programs of the publisher. */
#include "internal.h"

#define COLUMNS "id, name, role, secret, created, expires, revoked"

static void admin_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_admin *)ret = (struct km_store_admin){
		.id = row_text(arena, &row[0]),
		.name = row_text(arena, &row[1]),
		.role = (enum km_admin_role)row[2].i,
		.secret = row_text(arena, &row[3]),
		.created = row[4].i,
		.expires = row[5].i,
		.revoked = row[6].i,
	};
}

km_error *km_store_admin_add(km_store *store, const struct km_store_admin *admin, enum km_store_why *why)
{
	int64_t added;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = store_int(store,
			"INSERT INTO admins (" COLUMNS
			") VALUES ($1, $2, $3, $4, $5, $6, 0) ON CONFLICT DO NOTHING RETURNING role + 1",
			DB_VALUES(db_text(admin->id), db_text(admin->name), db_int(admin->role), db_text(admin->secret),
				  db_int(admin->created), db_int(admin->expires)),
			0, &added);
	if (!err && !added)
		err = store_refuse(why, KM_STORE_EXISTS, "there is an admin %s already", admin->id);
	return store_end(store, err);
}

km_error *km_store_admin_find(km_store *store, const char *secret_hash, int64_t now, km_arena *arena,
			      struct km_store_admin *ret, enum km_store_why *why)
{
	struct km_store_admin admin;
	bool found;

	KM_TRY(store_one(store, "SELECT " COLUMNS " FROM admins WHERE secret = $1", DB_VALUES(db_text(secret_hash)),
			 admin_read, arena, &admin, &found));
	if (!found)
		return store_refuse(why, KM_STORE_ABSENT, "there is no such admin");
	KM_TRY(store_valid("admin", admin.id, admin.expires, admin.revoked, now, why));
	*ret = admin;
	return NULL;
}

km_error *km_store_admins(km_store *store, km_arena *arena, struct km_store_admin **ret, size_t *n)
{
	return store_list(store, "SELECT " COLUMNS " FROM admins ORDER BY created, id", NULL, 0, admin_read,
			  sizeof(**ret), arena, ret, n);
}

km_error *km_store_admin_revoke(km_store *store, const char *id, int64_t now, enum km_store_why *why)
{
	int64_t revoked;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = store_int(store,
			"UPDATE admins SET revoked = CASE WHEN revoked = 0 THEN $2 ELSE revoked END "
			"WHERE id = $1 RETURNING revoked",
			DB_VALUES(db_text(id), db_int(now)), 0, &revoked);
	if (!err && !revoked)
		err = store_refuse(why, KM_STORE_ABSENT, "there is no admin %s", id);
	return store_end(store, err);
}
