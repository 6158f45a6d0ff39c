/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases: which of several servers does what only one should. */
#include "internal.h"

km_error *km_store_lease(km_store *store, const char *name, const char *holder, int64_t now, int64_t seconds,
			 bool *held)
{
	int64_t got = 0;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = store_end(store, store_int(store,
					 "INSERT INTO leases (name, holder, expires) VALUES ($1, $2, $4) "
					 "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, "
					 "expires = excluded.expires "
					 "WHERE leases.holder = excluded.holder OR leases.expires <= $3 RETURNING 1",
					 DB_VALUES(db_text(name), db_text(holder), db_int(now), db_int(now + seconds)),
					 0, &got));
	if (!err)
		*held = got;
	return err;
}

km_error *km_store_lease_end(km_store *store, const char *name, const char *holder)
{
	KM_TRY(km_store_begin(store));
	return store_end(store, store_run(store, "DELETE FROM leases WHERE name = $1 AND holder = $2",
					  DB_VALUES(db_text(name), db_text(holder)), NULL, NULL));
}
