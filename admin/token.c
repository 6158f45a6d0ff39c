/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend token, kmend admin: who may attach hosts, and who may run the server. */
#include <time.h>
#include <unistd.h>

#include "admin.h"

enum { TOKEN_CHANNEL = AT_OWN, TOKEN_TAGS, TOKEN_LIMIT, TOKEN_SEVERITY, TOKEN_EXPIRES, TOKEN_OUTPUT };
enum { ADMIN_ROLE = AT_OWN, ADMIN_EXPIRES, ADMIN_OUTPUT };
enum { REVOKE_REASON = AT_OWN };

static const struct cmd_option list_options[] = {COMMON_OPTIONS, {0}};
static const struct cmd_option create_options[] = {
	COMMON_OPTIONS,
	[TOKEN_CHANNEL] = {"channel", "NAME", "the channel of its hosts"},
	[TOKEN_TAGS] = {"tags", "TAG,...", "tags that its hosts begin with", .many = true},
	[TOKEN_LIMIT] = {"limit", "N", "at most so many hosts (any number)"},
	[TOKEN_SEVERITY] = {"severity", "LEVEL", "only releases of this severity and above (low)"},
	[TOKEN_EXPIRES] = {"expires", "TIME", "its hosts get nothing after it: a date, or +30d (never)"},
	[TOKEN_OUTPUT] = {"output", "FILE", "write the word for kmend attach there, and show it nowhere"},
	{0},
};
static const struct cmd_option admin_options[] = {
	COMMON_OPTIONS,
	[ADMIN_ROLE] = {"role", "ROLE", "viewer (the default), operator or releaser"},
	[ADMIN_EXPIRES] = {"expires", "TIME", "it is worth nothing after it: a date, or +30d (never)"},
	[ADMIN_OUTPUT] = {"output", "FILE", "write the token there, and show it nowhere"},
	{0},
};
static const struct cmd_option revoke_options[] = {
	COMMON_OPTIONS,
	[REVOKE_REASON] = {"reason", "TEXT", "why; for the audit log"},
	{0},
};

/* ---- create ---- */

static km_error *add_expires(json_t *body, const char *text)
{
	int64_t expires;

	if (!text)
		return NULL;
	KM_TRY(words_time("--expires", text, time(NULL), &expires));
	json_object_set_new(body, "expires", json_integer(expires));
	return NULL;
}

static km_error *token_body(const struct cmd_args *args, json_t *body)
{
	const char *channel = args->value[TOKEN_CHANNEL];
	km_strv tags = {0};
	int64_t limit;

	if (!channel || !km_trust_name_ok(channel))
		return km_error_new(KM_USAGE,
				    channel ? "'%s' cannot be the name of a channel"
					    : "--channel NAME says which patches its hosts get",
				    channel ? channel : "");
	json_object_set_new(body, "name", json_string(args->words[0]));
	json_object_set_new(body, "channel", json_string(channel));
	if (args->value[TOKEN_LIMIT]) {
		KM_TRY(words_number("--limit", args->value[TOKEN_LIMIT], 1000000000, &limit));
		json_object_set_new(body, "limit", json_integer(limit));
	}
	if (args->value[TOKEN_SEVERITY])
		json_object_set_new(body, "min_severity", json_string(args->value[TOKEN_SEVERITY]));
	trust_words(args->value[TOKEN_TAGS], &tags);
	json_object_set_new(body, "tags", view_strings_json(&tags));
	km_strv_free(&tags);
	return add_expires(body, args->value[TOKEN_EXPIRES]);
}

/* A file that nobody else can read, or the terminal. */
static km_error *give(const struct cmd_args *args, const char *output, const json_t *answer, const char *key,
		      const char *word, const char *what)
{
	if (output) {
		KM_AUTOFREE char *line = km_printf("%s\n", word);

		KM_TRY(secret_write(output, line));
	}
	if (args->json) {
		json_t *o = json_pack("{s:s, s:s}", "id", json_text(answer, "id"), "output", output ? output : "");

		if (!output)
			json_object_set_new(o, key, json_string(word));
		view_json(o);
		return NULL;
	}
	printf("%s %s\n", what, json_text(answer, "id"));
	if (output)
		printf("%s has it\n", output);
	else
		printf("\n  %s\n\nIt is shown this once.\n", word);
	return NULL;
}

/* Takes body. */
static km_error *ask_secret(const struct setup *setup, struct api *api, const char *path, json_t *body,
			    const char *output, json_t **ret)
{
	km_error *err = api_open(setup, api);

	if (!err)
		err = secret_reserve(output);
	if (err) {
		json_decref(body);
		return err;
	}
	err = api_send(api, "POST", body, ret, "%s", path);
	if (err && output)
		unlink(output);
	return err;
}

static km_error *create_token(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	KM_AUTOFREE char *word = NULL;
	json_t *body = json_object(), *answer = NULL;
	char fingerprint[KM_SHA256_HEX];
	km_error *err = token_body(args, body);

	(void)status;
	if (!err)
		err = setup_read(args, &setup);
	/* Of this machine's root: the server must not choose what new hosts trust. */
	if (!err)
		err = keys_root(&setup, &root, fingerprint);
	if (!err)
		err = ask_secret(&setup, &api, "tokens", body, args->value[TOKEN_OUTPUT], &answer);
	else
		json_decref(body);
	if (err)
		return err;
	word = km_printf("%s.%s", json_text(answer, "secret"), fingerprint);
	err = give(args, args->value[TOKEN_OUTPUT], answer, "word", word, "for `kmend attach`, token");
	json_decref(answer);
	return err;
}

static km_error *create_admin(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	const char *role = args->value[ADMIN_ROLE] ? args->value[ADMIN_ROLE] : "viewer";
	json_t *body = json_pack("{s:s, s:s}", "name", args->words[0], "role", role), *answer = NULL;
	km_error *err =
		body ? add_expires(body, args->value[ADMIN_EXPIRES]) : km_error_new(KM_USAGE, "a word is not in UTF-8");

	(void)status;
	if (!err)
		err = setup_read(args, &setup);
	if (!err)
		err = ask_secret(&setup, &api, "admins", body, args->value[ADMIN_OUTPUT], &answer);
	else
		json_decref(body);
	if (err)
		return err;
	err = give(args, args->value[ADMIN_OUTPUT], answer, "secret", json_text(answer, "secret"), "admin token");
	json_decref(answer);
	return err;
}

/* ---- list ---- */

static const char *life(const json_t *o, int64_t now, char out[static 32])
{
	int64_t expires = json_number(o, "expires");

	if (json_number(o, "revoked"))
		return "revoked";
	if (!expires)
		return "valid";
	if (expires <= now)
		return "expired";
	return short_time(expires, out);
}

static km_error *fetch_list(const struct cmd_args *args, const char *key, json_t **ret)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};

	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	return api_get(&api, ret, "%s", key);
}

static km_error *list_tokens(const struct cmd_args *args, int *status)
{
	json_t *page = NULL, *o;
	struct table t;
	char until[32];
	size_t i;

	(void)status;
	KM_TRY(fetch_list(args, "tokens", &page));
	if (args->json) {
		view_json(page);
		return NULL;
	}
	table_begin(&t, "ID|NAME|CHANNEL|HOSTS|LIMIT|SEVERITY|UNTIL|TAGS");
	json_array_foreach(json_object_get(page, "tokens"), i, o)
	{
		KM_AUTOFREE char *tags = json_words(json_object_get(o, "tags"));

		table_add(&t, json_text(o, "id"));
		table_add(&t, json_text(o, "name"));
		table_add(&t, json_text(o, "channel"));
		table_addf(&t, "%lld", (long long)json_number(o, "hosts"));
		if (json_number(o, "limit"))
			table_addf(&t, "%lld", (long long)json_number(o, "limit"));
		else
			table_add(&t, "none");
		table_add(&t, json_text(o, "min_severity"));
		table_add(&t, life(o, time(NULL), until));
		table_add(&t, tags);
	}
	table_end(&t, "there is no token; kmend token create makes one");
	json_decref(page);
	return NULL;
}

static km_error *list_admins(const struct cmd_args *args, int *status)
{
	json_t *page = NULL, *o;
	struct table t;
	char until[32];
	size_t i;

	(void)status;
	KM_TRY(fetch_list(args, "admins", &page));
	if (args->json) {
		view_json(page);
		return NULL;
	}
	table_begin(&t, "ID|NAME|ROLE|UNTIL");
	json_array_foreach(json_object_get(page, "admins"), i, o)
	{
		table_add(&t, json_text(o, "id"));
		table_add(&t, json_text(o, "name"));
		table_add(&t, json_text(o, "role"));
		table_add(&t, life(o, time(NULL), until));
	}
	table_end(&t, "there is no admin token");
	json_decref(page);
	return NULL;
}

/* ---- revoke ---- */

static km_error *end_token(const struct cmd_args *args, const char *key, const char *done)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	const char *reason, *id = args->words[0];
	json_t *answer = NULL;

	KM_TRY(words_reason(args->value[REVOKE_REASON], &reason));
	if (strlen(id) != 16 || strspn(id, "0123456789abcdef") != 16)
		return km_error_hint(km_error_new(KM_USAGE, "'%s' is no id of a token", id),
				     "16 hex digits, as `list` shows them");
	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	KM_TRY(api_send(&api, "POST", json_pack("{s:s}", "reason", reason), &answer, "%s/%s/revoke", key, id));
	if (args->json) {
		view_json(answer);
		return NULL;
	}
	json_decref(answer);
	printf("%s %s\n", id, done);
	return NULL;
}

static km_error *revoke_token(const struct cmd_args *args, int *status)
{
	(void)status;
	return end_token(args, "tokens", "is revoked: its hosts get nothing any more");
}

static km_error *revoke_admin(const struct cmd_args *args, int *status)
{
	(void)status;
	return end_token(args, "admins", "is revoked");
}

const struct cmd token_cmds[] = {
	{"token create", "NAME", "make the word that hosts attach with", 1, 1, create_options, create_token, NULL},
	{"token list", "", "list the tokens, without their secrets", 0, 0, list_options, list_tokens, NULL},
	{"token revoke", "ID", "end a token and all of its hosts", 1, 1, revoke_options, revoke_token, NULL},
	{0},
};
const struct cmd admin_cmds[] = {
	{"admin create", "NAME", "make a token for a person or program of the publisher's", 1, 1, admin_options,
	 create_admin, NULL},
	{"admin list", "", "list them, without their secrets", 0, 0, list_options, list_admins, NULL},
	{"admin revoke", "ID", "end one", 1, 1, revoke_options, revoke_admin, NULL},
	{0},
};
