/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What hosts attach with. */
#include "internal.h"

#define COLUMNS "id, name, channel, tags, host_limit, min_severity, secret, created, expires, revoked, hosts"

static void token_read(const struct db_value *row, km_arena *arena, void *ret)
{
	*(struct km_store_token *)ret = (struct km_store_token){
		.id = row_text(arena, &row[0]),
		.name = row_text(arena, &row[1]),
		.channel = row_text(arena, &row[2]),
		.tags = row_text(arena, &row[3]),
		.limit = row[4].i,
		.min_severity = (enum km_severity)row[5].i,
		.secret = row_text(arena, &row[6]),
		.created = row[7].i,
		.expires = row[8].i,
		.revoked = row[9].i,
		.hosts = row[10].i,
	};
}

static km_error *add(km_store *store, const struct km_store_token *token, const char *tags, enum km_store_why *why)
{
	int64_t added;

	KM_TRY(store_int(store,
			 "INSERT INTO tokens (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0) "
			 "ON CONFLICT DO NOTHING RETURNING min_severity + 1",
			 DB_VALUES(db_text(token->id), db_text(token->name), db_text(token->channel), db_text(tags),
				   db_int(token->limit), db_int(token->min_severity), db_text(token->secret),
				   db_int(token->created), db_int(token->expires)),
			 0, &added));
	return added ? NULL : store_refuse(why, KM_STORE_EXISTS, "there is a token %s already", token->id);
}

km_error *km_store_token_add(km_store *store, const struct km_store_token *token, enum km_store_why *why)
{
	KM_CLEANUP(km_strv_free) km_strv tags = {0};
	KM_AUTOFREE char *text = NULL;

	KM_TRY(tags_of(token->tags, &tags));
	text = tags_text(&tags);
	KM_TRY(km_store_begin(store));
	return store_end(store, add(store, token, text, why));
}

km_error *km_store_token_find(km_store *store, const char *secret_hash, int64_t now, km_arena *arena,
			      struct km_store_token *ret, enum km_store_why *why)
{
	struct km_store_token token;
	bool found;

	KM_TRY(store_one(store, "SELECT " COLUMNS " FROM tokens WHERE secret = $1", DB_VALUES(db_text(secret_hash)),
			 token_read, arena, &token, &found));
	if (!found)
		return store_refuse(why, KM_STORE_ABSENT, "there is no such token");
	KM_TRY(store_valid("token", token.id, token.expires, token.revoked, now, why));
	*ret = token;
	return NULL;
}

km_error *km_store_token(km_store *store, const char *id, km_arena *arena, struct km_store_token *ret,
			 enum km_store_why *why)
{
	bool found;

	KM_TRY(store_one(store, "SELECT " COLUMNS " FROM tokens WHERE id = $1", DB_VALUES(db_text(id)), token_read,
			 arena, ret, &found));
	return found ? NULL : store_refuse(why, KM_STORE_ABSENT, "there is no token %s", id);
}

km_error *km_store_tokens(km_store *store, km_arena *arena, struct km_store_token **ret, size_t *n)
{
	return store_list(store, "SELECT " COLUMNS " FROM tokens ORDER BY created, id", NULL, 0, token_read,
			  sizeof(**ret), arena, ret, n);
}

km_error *km_store_token_revoke(km_store *store, const char *id, int64_t now, enum km_store_why *why)
{
	int64_t revoked;
	km_error *err;

	KM_TRY(km_store_begin(store));
	err = store_int(store,
			"UPDATE tokens SET revoked = CASE WHEN revoked = 0 THEN $2 ELSE revoked END "
			"WHERE id = $1 RETURNING revoked",
			DB_VALUES(db_text(id), db_int(now)), 0, &revoked);
	if (!err && !revoked)
		err = store_refuse(why, KM_STORE_ABSENT, "there is no token %s", id);
	return store_end(store, err);
}
