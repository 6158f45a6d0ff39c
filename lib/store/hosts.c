/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hosts one by one: they come, are tagged, are heard of, and go. */
#include "internal.h"

enum { PAGE = 1000 }; /* rows that are read at once */

void host_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_host *)ret = (struct km_store_host){
		.n = row[0].i,
		.id = row_text(arena, &row[1]),
		.token = row_text(arena, &row[2]),
		.secret = row_text(arena, &row[3]),
		.channel = row_text(arena, &row[4]),
		.tags = row_text(arena, &row[5]),
		.arch = row_text(arena, &row[6]),
		.kernel = row_text(arena, &row[7]),
		.build_id = row_text(arena, &row[8]),
		.boot = row_text(arena, &row[9]),
		.agent = row_text(arena, &row[10]),
		.standing = (enum km_standing)row[11].i,
		.root = row[12].i,
		.timestamp = row[13].i,
		.attached = row[14].i,
		.seen = row[15].i,
		.digest = row[16].i,
	};
}

#define HOST_FROM "SELECT " HOST_COLUMNS " FROM hosts h JOIN contacts c ON c.host = h.n "

km_error *host_number(km_store *store, const char *id, int64_t *ret)
{
	return store_int(store, "SELECT n FROM hosts WHERE id = $1", DB_VALUES(db_text(id)), 0, ret);
}

km_error *km_store_host(km_store *store, const char *id, km_arena *arena, struct km_store_host *ret,
			enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store, HOST_FROM "WHERE h.id = $1", DB_VALUES(db_text(id)), host_read, arena, ret, &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no host %s", id);
}

km_error *km_store_host_by_secret(km_store *store, const char *secret_hash, km_arena *arena, struct km_store_host *ret,
				  enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store, HOST_FROM "WHERE h.secret = $1", DB_VALUES(db_text(secret_hash)), host_read, arena, ret,
			 &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no such host");
}

km_error *km_store_hosts_all(km_store *store, km_error *(*row)(void *ctx, const struct km_store_host *host), void *ctx)
{
	int64_t after = 0;
	km_error *err = NULL;
	size_t n = PAGE;

	while (!err && n == PAGE) {
		km_arena *arena = km_arena_create();
		struct km_store_host *hosts;

		err = store_list(store, HOST_FROM "WHERE h.n > $1 ORDER BY h.n LIMIT $2",
				 DB_VALUES(db_int(after), db_int(PAGE)), host_read, sizeof(*hosts), arena, &hosts, &n);
		for (size_t i = 0; !err && i < n; i++) {
			after = hosts[i].n;
			err = row(ctx, &hosts[i]);
		}
		km_arena_destroy(arena);
	}
	return err;
}

/* ---- coming and going -------------------------------------------------------------------------------------------- */
struct grant { /* what the token gives */
	const char *channel, *tags;
	int64_t limit, hosts, expires, revoked;
};

static void grant_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct grant *)ret = (struct grant){.channel = row_text(arena, &row[0]),
					      .tags = row_text(arena, &row[1]),
					      .limit = row[2].i,
					      .hosts = row[3].i,
					      .expires = row[4].i,
					      .revoked = row[5].i};
}

static km_error *attach_new(km_store *store, const struct km_attach *attach, const char *token,
			    const struct grant *grant, const char *secret_hash, int64_t now, int64_t *n,
			    enum km_store_why *why)
{
	const struct km_fleet_kernel *k = &attach->kernel;

	if (grant->limit && grant->hosts >= grant->limit)
		return store_refuse(why, KM_STORE_LIMIT, "the token %s has all of its %lld hosts", token,
				    (long long)grant->limit);
	KM_TRY(store_int(store,
			 "INSERT INTO hosts (id, token, secret, channel, tags, arch, kernel, build_id, boot, agent, "
			 "standing, root, timestamp, attached) VALUES ($1, $2, $3, $4, '', $5, $6, $7, $8, '', "
			 "$9, 0, 0, $10) ON CONFLICT DO NOTHING RETURNING n",
			 DB_VALUES(db_text(attach->host), db_text(token), db_text(secret_hash), db_text(grant->channel),
				   db_text(k->arch), db_text(k->release), db_text(k->build_id), db_text(k->boot),
				   db_int(KM_UNKNOWN), db_int(now)),
			 0, n));
	if (!*n)
		return store_refuse(why, KM_STORE_EXISTS, "another host has this secret");
	KM_TRY(store_run(store, "INSERT INTO contacts (host, seen, digest) VALUES ($1, $2, 0)",
			 DB_VALUES(db_int(*n), db_int(now)), NULL, NULL));
	KM_TRY(store_run(store, "UPDATE tokens SET hosts = hosts + 1 WHERE id = $1", DB_VALUES(db_text(token)), NULL,
			 NULL));
	return *grant->tags ? tags_set(store, *n, grant->tags) : NULL;
}

static km_error *attach_again(km_store *store, const struct km_attach *attach, const char *token,
			      const char *secret_hash, int64_t now, int64_t n, enum km_store_why *why)
{
	const struct km_fleet_kernel *k = &attach->kernel;
	int64_t updated;

	KM_TRY(store_int(store,
			 "UPDATE hosts SET secret = $3, arch = $4, kernel = $5, build_id = $6, boot = $7, "
			 "attached = $8 WHERE n = $1 AND token = $2 RETURNING n",
			 DB_VALUES(db_int(n), db_text(token), db_text(secret_hash), db_text(k->arch),
				   db_text(k->release), db_text(k->build_id), db_text(k->boot), db_int(now)),
			 0, &updated));
	if (!updated)
		return store_refuse(why, KM_STORE_EXISTS, "the host %s came with another token", attach->host);
	return store_run(store, "UPDATE contacts SET seen = $2, digest = 0 WHERE host = $1",
			 DB_VALUES(db_int(n), db_int(now)), NULL, NULL);
}

static km_error *attach_any(km_store *store, const struct km_attach *attach, const char *token, const char *secret_hash,
			    int64_t now, int64_t *n, km_arena *arena, enum km_store_why *why)
{
	struct grant grant;
	bool found;

	KM_TRY(store_one(store, "SELECT channel, tags, host_limit, hosts, expires, revoked FROM tokens WHERE id = $1",
			 DB_VALUES(db_text(token)), grant_read, arena, &grant, &found));
	if (!found)
		return store_refuse(why, KM_STORE_ABSENT, "there is no token %s", token);
	KM_TRY(store_valid("token", token, grant.expires, grant.revoked, now, why));
	KM_TRY(host_number(store, attach->host, n));
	if (*n)
		return attach_again(store, attach, token, secret_hash, now, *n, why);
	return attach_new(store, attach, token, &grant, secret_hash, now, n, why);
}

km_error *km_store_attach(km_store *store, const struct km_attach *attach, const char *token, const char *secret_hash,
			  int64_t now, int64_t *n, enum km_store_why *why)
{
	km_arena *arena = km_arena_create();
	int64_t number = 0;
	km_error *err = km_store_begin(store);

	if (!err)
		err = store_end(store, attach_any(store, attach, token, secret_hash, now, &number, arena, why));
	km_arena_destroy(arena);
	if (!err)
		*n = number;
	return err;
}

static km_error *detach(km_store *store, const char *id, km_arena *arena, enum km_store_why *why)
{
	const char *token;
	bool found;

	/* What hangs on the host goes with it: the schema says so. */
	KM_TRY(store_one(store, "DELETE FROM hosts WHERE id = $1 RETURNING token", DB_VALUES(db_text(id)), text_read,
			 arena, &token, &found));
	if (!found)
		return store_refuse(why, KM_STORE_ABSENT, "there is no host %s", id);
	return store_run(store, "UPDATE tokens SET hosts = hosts - 1 WHERE id = $1", DB_VALUES(db_text(token)), NULL,
			 NULL);
}

km_error *km_store_detach(km_store *store, const char *id, enum km_store_why *why)
{
	km_arena *arena = km_arena_create();
	km_error *err = km_store_begin(store);

	if (!err)
		err = store_end(store, detach(store, id, arena, why));
	km_arena_destroy(arena);
	return err;
}

km_error *km_store_host_tag(km_store *store, const char *id, const char *tags, enum km_store_why *why)
{
	int64_t n;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = host_number(store, id, &n);
	if (!err && !n)
		err = store_refuse(why, KM_STORE_ABSENT, "there is no host %s", id);
	if (!err)
		err = tags_set(store, n, tags);
	return store_end(store, err);
}
