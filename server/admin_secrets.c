/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens of hosts and of admins. A secret is in one answer, once. */
#include "admin.h"

static bool name_ok(const char *s)
{
	return *s && km_plain(s, KM_TRUST_NAME_MAX);
}

static bool severity_ok(const char *s)
{
	enum km_severity severity;

	return km_severity_of(s, &severity);
}

static bool role_ok(const char *s)
{
	enum km_admin_role role;

	return km_admin_role_of(s, &role);
}

enum { TIME_MAX = 0x7fffffff };

/* id and hash of a new secret, which is the caller's to wipe. */
static char *new_secret(const char *prefix, char id[static KM_TOKEN_ID_LEN + 1], char hash[static KM_SHA256_HEX])
{
	char *secret = km_fleet_secret_new(prefix);

	km_fleet_token_id(secret, id);
	km_fleet_secret_hash(secret, hash);
	return secret;
}

static km_error *answer_secret(struct call *call, const char *id, char *secret)
{
	call_json(call, 201, json_pack("{s:s, s:s}", "id", id, "secret", secret));
	explicit_bzero(secret, strlen(secret));
	free(secret);
	return NULL;
}

/* ---- tokens ---- */

static json_t *token_json(const struct km_store_token *t)
{
	return json_pack("{s:s, s:s, s:s, s:o, s:I, s:s, s:I, s:I, s:I, s:I}", "id", t->id, "name", t->name, "channel",
			 t->channel, "tags", admin_tags_json(t->tags), "limit", (json_int_t)t->limit, "min_severity",
			 km_severity_name(t->min_severity), "created", (json_int_t)t->created, "expires",
			 (json_int_t)t->expires, "revoked", (json_int_t)t->revoked, "hosts", (json_int_t)t->hosts);
}

static km_error *tokens(struct call *call)
{
	struct km_store_token *list;
	json_t *array;
	size_t n;

	KM_TRY(km_store_tokens(call->server->store, call_arena(call), &list, &n));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, token_json(&list[i]));
	return call_json(call, 200, json_pack("{s:o}", "tokens", array));
}

km_http_response *admin_tokens(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), tokens);
}

static void token_reload(struct call *call)
{
	struct km_store_token token;
	km_error *err = km_store_token(call->server->store, call->data, call_arena(call), &token, NULL);

	if (!err)
		table_token_put(call->server->table, &token);
	else
		server_warn_error(err, "a token");
}

static km_error *read_token(struct call *call, struct km_store_token *ret)
{
	struct km_json json;
	struct km_fields f = call_fields(call, &json);
	const char *severity, **tags = NULL;
	km_str text = {0};
	size_t n = 0;

	ret->name = km_fields_text(&f, "name", name_ok);
	ret->channel = km_fields_text(&f, "channel", km_trust_name_ok);
	if (km_fields_has(&f, "tags"))
		tags = km_fields_texts(&f, "tags", KM_FLEET_TAGS, km_trust_name_ok, &n);
	ret->limit = km_fields_maybe_int(&f, "limit", 0, 1000000000, 0);
	ret->expires = km_fields_maybe_int(&f, "expires", 0, TIME_MAX, 0);
	severity = km_fields_maybe_text(&f, "min_severity", severity_ok);
	km_fields_done(&f);
	KM_TRY(km_json_end(&json));
	if (severity)
		km_severity_of(severity, &ret->min_severity);
	for (size_t i = 0; i < n; i++)
		km_str_printf(&text, "%s%s", i ? " " : "", tags[i]);
	ret->tags = km_arena_strdup(call_arena(call), text.at ? text.at : "");
	km_str_free(&text);
	return NULL;
}

static km_error *token_create(struct call *call)
{
	struct km_store_token token = {.created = call->now};
	enum km_store_why why = KM_STORE_FINE;
	char id[KM_TOKEN_ID_LEN + 1], hash[KM_SHA256_HEX];
	char *secret;
	km_error *err;

	KM_TRY(read_token(call, &token));
	if (token.expires && token.expires <= call->now)
		return call_fail(call, 400, "bad-value", "a token that has expired already is of no use");
	secret = new_secret("kmt_", id, hash);
	token.id = id;
	token.secret = hash;
	err = km_store_token_add(call->server->store, &token, &why);
	if (!err)
		err = call_audit(call, "token.create", id,
				 km_arena_printf(call_arena(call), "%s, channel %s, limit %lld", token.name,
						 token.channel, (long long)token.limit));
	if (err) {
		free(secret);
		return call_store(call, err, why, "token");
	}
	call->data = km_arena_strdup(call_arena(call), id);
	call->after = token_reload;
	return answer_secret(call, id, secret);
}

km_http_response *admin_token_create(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), token_create);
}

static km_error *token_revoke(struct call *call)
{
	const char *id = call_param(call, "token"), *reason;
	enum km_store_why why = KM_STORE_FINE;
	struct km_store_token token;
	km_error *err;

	KM_TRY(call_reason(call, &reason));
	err = km_store_token_revoke(call->server->store, id, call->now, &why);
	if (err)
		return call_store(call, err, why, "token");
	KM_TRY(km_store_token(call->server->store, id, call_arena(call), &token, NULL));
	KM_TRY(call_audit(call, "token.revoke", id, reason));
	call->data = (void *)id;
	call->after = token_reload;
	return call_json(call, 200, json_pack("{s:s, s:I}", "id", id, "revoked", (json_int_t)token.revoked));
}

km_http_response *admin_token_revoke(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), token_revoke);
}

/* ---- admins ---- */

static km_error *admins(struct call *call)
{
	struct km_store_admin *list;
	json_t *array;
	size_t n;

	KM_TRY(km_store_admins(call->server->store, call_arena(call), &list, &n));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:I, s:I, s:I}", "id", list[i].id, "name",
						list[i].name, "role", km_admin_role_name(list[i].role), "created",
						(json_int_t)list[i].created, "expires", (json_int_t)list[i].expires,
						"revoked", (json_int_t)list[i].revoked));
	return call_json(call, 200, json_pack("{s:o}", "admins", array));
}

km_http_response *admin_admins(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), admins);
}

static km_error *admin_create(struct call *call)
{
	struct km_store_admin admin = {.created = call->now};
	enum km_store_why why = KM_STORE_FINE;
	char id[KM_TOKEN_ID_LEN + 1], hash[KM_SHA256_HEX];
	struct km_json json;
	struct km_fields f = call_fields(call, &json);
	const char *role;
	char *secret;
	km_error *err;

	admin.name = km_fields_text(&f, "name", name_ok);
	role = km_fields_text(&f, "role", role_ok);
	admin.expires = km_fields_maybe_int(&f, "expires", 0, TIME_MAX, 0);
	km_fields_done(&f);
	KM_TRY(km_json_end(&json));
	km_admin_role_of(role, &admin.role);
	secret = new_secret("kma_", id, hash);
	admin.id = id;
	admin.secret = hash;
	err = km_store_admin_add(call->server->store, &admin, &why);
	if (!err)
		err = call_audit(call, "admin.create", id,
				 km_arena_printf(call_arena(call), "%s, %s", admin.name, role));
	if (err) {
		free(secret);
		return call_store(call, err, why, "admin");
	}
	return answer_secret(call, id, secret);
}

km_http_response *admin_admin_create(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), admin_create);
}

static km_error *admin_revoke(struct call *call)
{
	const char *id = call_param(call, "admin"), *reason;
	enum km_store_why why = KM_STORE_FINE;
	km_error *err;

	KM_TRY(call_reason(call, &reason));
	err = km_store_admin_revoke(call->server->store, id, call->now, &why);
	if (err)
		return call_store(call, err, why, "admin");
	KM_TRY(call_audit(call, "admin.revoke", id, reason));
	return call_json(call, 200, json_pack("{s:s, s:I}", "id", id, "revoked", (json_int_t)call->now));
}

km_http_response *admin_admin_revoke(km_http_request *request, void *server)
{
	(void)server;
	return call_write(call_of(request), admin_revoke);
}
