/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who asks. A secret is looked for by its SHA-256: how long that takes says nothing of a secret that there is. Who
 * cannot be authenticated is limited by address, and harder than others; who can is never held up by a neighbour's
 * failures.
 */
#include "call.h"

static km_http_response *too_many(unsigned seconds)
{
	return km_http_retry_after(km_http_fail(429, "too-many", "too many requests; come again later"), seconds);
}

/* A line for a person to see, though not one for each try: an address has its say now and then. */
static void note_failure(struct call *call, const char *what)
{
	const char *remote = km_http_request_remote(call->request);
	struct call *note;

	if (limit_take(call->server->notes, remote, km_now()) || limit_take(call->server->all_notes, "", km_now()))
		return;
	note = call_own(call->server, km_arena_printf(call_arena(call), "address:%s", remote), NULL);
	note->actor = km_arena_strdup(call_arena(note), note->actor);
	call_note(note, "auth.refused", km_http_request_route(call->request)->pattern, "%s", what);
	if (!queue_put(call->server->writer, note, false))
		call_free(note);
}

static km_http_response *unknown(struct call *call, const char *what)
{
	const char *remote = km_http_request_remote(call->request);
	unsigned wait = limit_take(call->server->failures, remote, km_now());
	km_http_response *response;

	if (wait)
		return too_many(wait);
	note_failure(call, what);
	response = km_http_fail(401, "unauthorized", "this needs a secret that is known here: %s", what);
	km_http_header(response, "WWW-Authenticate", "Bearer");
	return response;
}

static bool token_live(const struct table_token *token, int64_t now)
{
	return !token->revoked && (!token->expires || now < token->expires);
}

static km_http_response *dead(struct call *call, const struct table_token *token)
{
	note_failure(call, token->revoked ? "a revoked token" : "an expired token");
	return km_http_fail(403, token->revoked ? "token-revoked" : "token-expired", "%s",
			    token->revoked ? "the token was revoked" : "the time of the token is over");
}

/* Whether an unknown secret is worth a look at the store: others on this state may have let its owner in. */
static bool may_look(struct call *call)
{
	return call->server->shared &&
	       limit_has(call->server->failures, km_http_request_remote(call->request), km_now());
}

/* Not knowing is no refusal: whoever has a good secret shall keep it. */
static km_http_response *cannot_look(km_error *err, const char *what)
{
	server_warn_error(err, "cannot look for %s", what);
	return km_http_retry_after(km_http_fail(503, "store", "the state cannot be read; come again"), 10);
}

/* A host that came by another server is in the store only, and maybe its token, too. */
static km_http_response *find_elsewhere(struct call *call, const char *hash, bool *found)
{
	struct table *table = call->server->table;
	struct km_store_token token;
	struct km_store_host host;
	km_error *err;

	*found = false;
	if (!may_look(call))
		return NULL;
	err = km_store_host_by_secret(call->server->store, hash, call_arena(call), &host, NULL);
	if (!err && !table_put(table, &host)) {
		err = km_store_token(call->server->store, host.token, call_arena(call), &token, NULL);
		if (!err) {
			table_token_put(table, &token);
			table_put(table, &host);
		}
	}
	if (err && err->code != KM_REFUSED)
		return cannot_look(err, "a host");
	*found = !err && table_find(table, hash, &call->host);
	km_error_free(err);
	return NULL;
}

static km_http_response *as_host(struct call *call, const char *hash)
{
	bool found = table_find(call->server->table, hash, &call->host);
	km_http_response *cannot = found ? NULL : find_elsewhere(call, hash, &found);
	unsigned wait;

	if (cannot)
		return cannot;
	if (!found)
		return unknown(call, "no host has it");
	call->as = NEED_HOST;
	call->actor = km_arena_printf(call_arena(call), "host:%s", call->host.id);
	if (!token_live(&call->host.token, call->now))
		return dead(call, &call->host.token);
	wait = limit_take(call->server->hosts, call->host.id, km_now());
	return wait ? too_many(wait) : NULL;
}

static km_http_response *token_elsewhere(struct call *call, const char *hash, bool *found)
{
	struct km_store_token token;
	km_error *err;

	*found = false;
	if (!may_look(call))
		return NULL;
	err = km_store_token_find(call->server->store, hash, call->now, call_arena(call), &token, NULL);
	if (err && err->code != KM_REFUSED)
		return cannot_look(err, "a token");
	if (!err)
		table_token_put(call->server->table, &token);
	*found = !err && table_token_find(call->server->table, hash, &call->token);
	km_error_free(err);
	return NULL;
}

static km_http_response *as_token(struct call *call, const char *hash)
{
	bool found = table_token_find(call->server->table, hash, &call->token);
	km_http_response *cannot = found ? NULL : token_elsewhere(call, hash, &found);
	unsigned wait;

	if (cannot)
		return cannot;
	if (!found)
		return unknown(call, "no token has it");
	call->as = NEED_TOKEN;
	call->actor = km_arena_printf(call_arena(call), "token:%s", call->token.id);
	if (!token_live(&call->token, call->now))
		return dead(call, &call->token);
	wait = limit_take(call->server->tokens, call->token.id, km_now());
	return wait ? too_many(wait) : NULL;
}

static km_http_response *as_admin(struct call *call, const char *hash, unsigned need)
{
	static const enum need ranks[] = {[KM_ADMIN_VIEWER] = NEED_VIEWER,
					  [KM_ADMIN_OPERATOR] = NEED_OPERATOR,
					  [KM_ADMIN_RELEASER] = NEED_RELEASER};
	struct km_store_admin admin;
	enum km_store_why why = KM_STORE_FINE;
	unsigned wait;
	km_error *err;

	err = km_store_admin_find(call->server->store, hash, call->now, call_arena(call), &admin, &why);
	if (err && err->code != KM_REFUSED)
		return cannot_look(err, "an admin token");
	if (err) {
		km_error_free(err);
		return unknown(call, why == KM_STORE_ABSENT ? "no admin token has it" : km_store_why_name(why));
	}
	call->as = ranks[admin.role];
	call->actor = km_arena_printf(call_arena(call), "admin:%s", admin.name);
	wait = limit_take(call->server->tokens, admin.id, km_now());
	if (wait)
		return too_many(wait);
	/* What an operator may, a releaser may, too. */
	if (call->as < (need & NEED_ADMINS & -(need & NEED_ADMINS))) {
		note_failure(call, "a role that may not");
		return km_http_fail(403, "role", "the role of this admin token, %s, is not enough",
				    km_admin_role_name(admin.role));
	}
	return NULL;
}

static km_http_response *identify(struct call *call, unsigned need)
{
	const char *secret = km_http_request_bearer(call->request);
	char hash[KM_SHA256_HEX];

	if (!secret)
		return unknown(call, "there is none");
	km_fleet_secret_hash(secret, hash);
	if (need & NEED_HOST && km_starts(secret, "kmh_"))
		return as_host(call, hash);
	if (need & NEED_TOKEN && km_starts(secret, "kmt_"))
		return as_token(call, hash);
	if (need & NEED_ADMINS && km_starts(secret, "kma_"))
		return as_admin(call, hash, need);
	return unknown(call, "it is of another kind");
}

km_http_response *call_begin(km_http_request *request, void *ctx)
{
	struct server *server = ctx;
	struct call *call = km_calloc(1, sizeof(*call));
	unsigned need = km_http_request_route(request)->need, wait;

	call->server = server;
	call->request = request;
	call->now = server_now();
	call->actor = "nobody";
	km_http_request_keep(request, call, call_free);
	wait = limit_take(server->addresses, km_http_request_remote(request), km_now());
	if (wait)
		return too_many(wait);
	return need ? identify(call, need) : NULL;
}
