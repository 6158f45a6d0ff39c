/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend channel: which releases a channel has. Each change is the next index, signed by a key that the server never
 * sees. */
#include "admin.h"

enum {
	CHANNEL_NAME = AT_OWN,
	CHANNEL_INDEX,
	CHANNEL_KEY,
	CHANNEL_PASSPHRASE,
	CHANNEL_OUTPUT,
	CHANNEL_LIFETIME,
	CHANNEL_DATE,
	CHANNEL_OWN
};
enum { ADD_AT_ONCE = CHANNEL_OWN, ADD_NEW };
enum { WITHDRAW_REASON = CHANNEL_OWN };
enum { PROMOTE_TO = CHANNEL_NAME, PROMOTE_FROM = CHANNEL_OWN, PROMOTE_AT_ONCE };
enum { STOP_REASON = AT_OWN, HISTORY_DOCUMENT = AT_OWN, HISTORY_LIMIT };

#define SIGN_OPTIONS                                                                                                   \
	[CHANNEL_KEY] = {"key", "FILE,...", "sign with this index key (those of --trust)", .many = true},              \
	[CHANNEL_PASSPHRASE] = {"passphrase-file", "FILE", "its first line is the key's passphrase"},                  \
	[CHANNEL_OUTPUT] = {"output", "FILE", "write the index, unsigned without --key; upload nothing"},              \
	[CHANNEL_LIFETIME] = {"lifetime", "DAYS", "how long the index is valid (365)"},                                \
	[CHANNEL_DATE] = {"date", "DATE", "take this for today, where the clock is not right"}
#define CHANGE_OPTIONS(option, help)                                                                                   \
	COMMON_OPTIONS, [CHANNEL_NAME] = {option, "NAME", help},                                                       \
			[CHANNEL_INDEX] = {"index", "FILE",                                                            \
					   "the last index, verified like the server's, which is the default"},        \
			SIGN_OPTIONS

static const struct cmd_option add_options[] = {
	CHANGE_OPTIONS("channel", "the channel"),
	[ADD_AT_ONCE] = {"at-once", NULL, "every host may have it: no rollout decides when"},
	[ADD_NEW] = {"new", NULL, "begin a new channel with it"},
	{0},
};
static const struct cmd_option withdraw_options[] = {
	CHANGE_OPTIONS("channel", "the channel"),
	[WITHDRAW_REASON] = {"reason", "TEXT", "why; hosts show it"},
	{0},
};
static const struct cmd_option renew_options[] = {CHANGE_OPTIONS("channel", "the channel"), {0}};
static const struct cmd_option promote_options[] = {
	CHANGE_OPTIONS("to", "the channel that gets it"),
	[PROMOTE_FROM] = {"from", "NAME", "the channel that has it"},
	[PROMOTE_AT_ONCE] = {"at-once", NULL, "every host may have it: no rollout decides when"},
	{0},
};
static const struct cmd_option upload_options[] = {COMMON_OPTIONS, {0}};
static const struct cmd_option stop_options[] = {
	COMMON_OPTIONS,
	[STOP_REASON] = {"reason", "TEXT", "why; hosts show it"},
	{0},
};
static const struct cmd_option history_options[] = {
	COMMON_OPTIONS,
	[HISTORY_DOCUMENT] = {"document", "TYPE", "index (the default), rollout or timestamp"},
	[HISTORY_LIMIT] = {"limit", "N", "at most so many (50)"},
	{0},
};

/* What a change needs at hand. */
struct desk {
	struct setup setup;
	struct km_root root;
	struct api api;
	bool online;
	int64_t now, lifetime;
};

static void desk_free(struct desk *desk)
{
	if (desk->online)
		api_close(&desk->api);
	km_root_free(&desk->root);
	setup_free(&desk->setup);
}

/* The root and the server. */
static km_error *desk_connect(const struct cmd_args *args, struct desk *ret)
{
	KM_TRY(setup_read(args, &ret->setup));
	KM_TRY(keys_root(&ret->setup, &ret->root, NULL));
	KM_TRY(api_open(&ret->setup, &ret->api));
	ret->online = true;
	return NULL;
}

/* With the last index in a file and the next one going to a file nobody needs a server. */
static km_error *desk_open(const struct cmd_args *args, bool online, struct desk *ret)
{
	KM_TRY(trust_date(args->value[CHANNEL_DATE], &ret->now));
	KM_TRY(trust_days("--lifetime", args->value[CHANNEL_LIFETIME], km_lifetimes_default.index, &ret->lifetime));
	KM_TRY(setup_read(args, &ret->setup));
	KM_TRY(keys_root(&ret->setup, &ret->root, NULL));
	if (online || !args->value[CHANNEL_OUTPUT]) {
		KM_TRY(api_open(&ret->setup, &ret->api));
		ret->online = true;
	}
	return NULL;
}

static const struct api *desk_api(const struct desk *desk)
{
	return desk->online ? &desk->api : NULL;
}

/* ---- the index so far ---- */

static km_error *index_of_file(const char *file, const struct km_root *root, const char *channel, struct km_index *ret)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	struct km_index index;
	km_error *err;

	KM_TRY(km_envelope_load(KM_DOC_INDEX, file, &envelope));
	err = km_verify(envelope, root, NULL);
	if (!err)
		err = km_index_parse(envelope, &index);
	if (err)
		return km_error_add(err, "%s", file);
	if (!channel || !strcmp(index.channel, channel)) {
		*ret = index;
		return NULL;
	}
	err = km_error_new(KM_REFUSED, "%s is the index of the channel %s, not of %s", file, index.channel, channel);
	km_index_free(&index);
	return err;
}

static km_error *index_of_server(const struct desk *desk, const char *channel, struct km_index *ret)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

	if (!channel)
		return km_error_new(KM_USAGE, "--channel NAME says which channel");
	KM_TRY(find_index(&desk->api, &desk->root, channel, &envelope, ret));
	return envelope ? NULL : find_no_channel(&desk->api, channel);
}

static km_error *last_index(const struct cmd_args *args, const struct desk *desk, const char *channel,
			    struct km_index *ret)
{
	return args->value[CHANNEL_INDEX] ? index_of_file(args->value[CHANNEL_INDEX], &desk->root, channel, ret)
					  : index_of_server(desk, channel, ret);
}

/* ---- the next one ---- */

static json_t *index_json(const km_envelope *index, const char *file, bool uploaded)
{
	return json_pack("{s:s, s:o, s:o, s:b, s:i}", "id", index->id, "body", trust_body_json(index), "file",
			 view_text_json(file), "uploaded", uploaded, "signatures", (int)index->signatures.n);
}

static km_error *sign(const struct cmd_args *args, const struct desk *desk, km_envelope *index)
{
	const char *key = args->value[CHANNEL_KEY];

	if (args->value[CHANNEL_OUTPUT] && !key)
		return NULL; /* it is signed elsewhere */
	KM_TRY(keys_sign_as(&desk->setup, index, key, args->value[CHANNEL_PASSPHRASE]));
	if (!km_verify_count(index, &desk->root, KM_ROLE_INDEX))
		return km_error_new(KM_REFUSED, "%s is no index key of root %lld", key ? key : "what signed",
				    (long long)desk->root.version);
	return NULL;
}

static km_error *upload_index(const struct api *api, const struct km_root *root, const km_envelope *envelope,
			      struct km_index *index)
{
	km_error *err = km_verify(envelope, root, NULL);

	if (err)
		return km_error_hint(err, "kmend sign --key makes a signature, kmend sign --add adds it");
	KM_TRY(km_index_parse(envelope, index));
	return api_document(api, envelope, "channels/%s/index", index->channel);
}

static km_error *finish(const struct cmd_args *args, const struct desk *desk, km_envelope *index)
{
	const char *output = args->value[CHANNEL_OUTPUT];
	KM_CLEANUP(km_index_free) struct km_index sent = {0};

	KM_TRY(sign(args, desk, index));
	KM_TRY(output ? km_envelope_save(index, output) : upload_index(&desk->api, &desk->root, index, &sent));
	if (args->json) {
		view_json(index_json(index, output, !output));
		return NULL;
	}
	KM_TRY(trust_show(index));
	if (!output)
		printf("\nthe server has it\n");
	else
		printf("\n%s: the next index, %s\n", output,
		       index->signatures.n ? "signed" : "unsigned: kmend sign --key signs it");
	return NULL;
}

/* last.version 0: a channel's first one. */
static km_error *finish_change(const struct cmd_args *args, const struct desk *desk, const struct km_index *last,
			       const struct km_channel_change *what)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *next = NULL;

	KM_TRY(km_channel_next(last, what, desk->now, desk->lifetime, &next));
	return finish(args, desk, next);
}

/* ---- add, promote, withdraw, renew ---- */

/* A staged release that no rollout names reaches nobody. */
static void say_rollout(const struct cmd_args *args, bool staged, const char *release, const char *channel)
{
	if (staged && !args->json)
		printf("it waits for `kmend rollout start %.12s --channel %s`\n", release, channel);
}

static km_error *add(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(desk_free) struct desk desk = {0};
	KM_CLEANUP(km_index_free) struct km_index last = {0};
	bool new = args->value[ADD_NEW];
	const char *channel = args->value[CHANNEL_NAME];
	char id[KM_SHA256_HEX];
	struct km_channel_change what = {.add = id, .staged = !args->value[ADD_AT_ONCE]};

	(void)status;
	if (new && (!channel || args->value[CHANNEL_INDEX]))
		return km_error_new(KM_USAGE, "--new goes with --channel NAME, and without --index");
	KM_TRY(desk_open(args, !new && !args->value[CHANNEL_INDEX], &desk));
	KM_TRY(find_release(desk_api(&desk), args->words[0], id));
	if (new)
		last.channel = channel;
	else
		KM_TRY(last_index(args, &desk, channel, &last));
	KM_TRY(finish_change(args, &desk, &last, &what));
	say_rollout(args, what.staged, id, last.channel);
	return NULL;
}

static km_error *listed(const struct km_index *index, const char *id)
{
	for (size_t i = 0; i < index->n_releases; i++)
		if (!strcmp(index->releases[i].id, id))
			return index->releases[i].withdrawn
				       ? km_error_new(KM_REFUSED, "%s has withdrawn the release: %s", index->channel,
						      index->releases[i].withdrawn)
				       : NULL;
	return km_error_hint(km_error_new(KM_REFUSED, "%s does not have the release", index->channel),
			     "kmend channel show says what it has");
}

static km_error *promote(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(desk_free) struct desk desk = {0};
	KM_CLEANUP(km_index_free) struct km_index from = {0};
	KM_CLEANUP(km_index_free) struct km_index last = {0};
	char id[KM_SHA256_HEX];
	struct km_channel_change what = {.add = id, .staged = !args->value[PROMOTE_AT_ONCE]};

	(void)status;
	if (!args->value[PROMOTE_FROM] || !args->value[PROMOTE_TO])
		return km_error_new(KM_USAGE, "--from NAME and --to NAME say from which channel to which one");
	KM_TRY(desk_open(args, true, &desk));
	KM_TRY(find_release(&desk.api, args->words[0], id));
	KM_TRY(index_of_server(&desk, args->value[PROMOTE_FROM], &from));
	KM_TRY(listed(&from, id));
	KM_TRY(last_index(args, &desk, args->value[PROMOTE_TO], &last));
	KM_TRY(finish_change(args, &desk, &last, &what));
	say_rollout(args, what.staged, id, last.channel);
	return NULL;
}

static km_error *withdraw(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(desk_free) struct desk desk = {0};
	KM_CLEANUP(km_index_free) struct km_index last = {0};
	char id[KM_SHA256_HEX];
	struct km_channel_change what = {.withdraw = id};

	(void)status;
	KM_TRY(words_reason(args->value[WITHDRAW_REASON], &what.reason));
	KM_TRY(desk_open(args, !args->value[CHANNEL_INDEX], &desk));
	KM_TRY(find_release(desk_api(&desk), args->words[0], id));
	KM_TRY(last_index(args, &desk, args->value[CHANNEL_NAME], &last));
	return finish_change(args, &desk, &last, &what);
}

static km_error *renew(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(desk_free) struct desk desk = {0};
	KM_CLEANUP(km_index_free) struct km_index last = {0};

	(void)status;
	KM_TRY(desk_open(args, !args->value[CHANNEL_INDEX], &desk));
	KM_TRY(last_index(args, &desk, args->value[CHANNEL_NAME], &last));
	return finish_change(args, &desk, &last, &(struct km_channel_change){0});
}

/* ---- upload: what was signed elsewhere ---- */

/* A server that is new takes the first root for good: only one of the publisher's own gets there. */
static km_error *upload_root(const struct desk *desk, const km_envelope *envelope)
{
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *own = NULL;
	KM_AUTOFREE char *path = NULL;

	KM_TRY(km_root_parse(envelope, &root));
	path = km_printf("%s/public/%lld.root", desk->setup.trust, (long long)root.version);
	KM_TRY(km_envelope_load(KM_DOC_ROOT, path, &own));
	if (strcmp(own->id, envelope->id))
		return km_error_new(KM_REFUSED, "it is another root than %s", path);
	return api_document(&desk->api, envelope, "roots");
}

static km_error *upload_file(const struct desk *desk, const char *path, km_envelope **ret)
{
	KM_CLEANUP(km_index_free) struct km_index index = {0};
	KM_AUTOFREE uint8_t *bytes = NULL;
	enum km_doc doc = KM_DOC_INDEX;
	size_t size;
	bool known;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &size));
	known = km_envelope_peek(bytes, size, &doc);
	if (known && doc != KM_DOC_INDEX && doc != KM_DOC_ROOT)
		return km_error_hint(km_error_new(KM_USAGE, "%s is a %s", path, km_doc_name(doc)),
				     "indexes and roots are uploaded so; kmend publish brings a release");
	KM_TRY(km_envelope_load(doc, path, ret));
	err = doc == KM_DOC_ROOT ? upload_root(desk, *ret) : upload_index(&desk->api, &desk->root, *ret, &index);
	return err ? km_error_add(err, "%s", path) : NULL;
}

static km_error *upload(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(desk_free) struct desk desk = {0};
	json_t *done = json_array();
	km_error *err = NULL;

	(void)status;
	err = desk_connect(args, &desk);
	for (int i = 0; i < args->n && !err; i++) {
		KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;

		err = upload_file(&desk, args->words[i], &envelope);
		if (!err && args->json)
			json_array_append_new(done, index_json(envelope, args->words[i], true));
		else if (!err)
			printf("%s: the server has it\n", args->words[i]);
	}
	if (!err && args->json)
		view_json(json_pack("{s:O}", "documents", done));
	json_decref(done);
	return err;
}

/* ---- what there is ---- */

static km_error *ask(const struct cmd_args *args, json_t **channels, json_t **releases)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};

	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	KM_TRY(api_get(&api, channels, "channels"));
	if (!releases)
		return NULL;
	km_error *err = api_pages(&api, "releases", "releases", "before", 0, releases);
	if (err)
		json_decref(*channels);
	return err;
}

static km_error *list(const struct cmd_args *args, int *status)
{
	json_t *page = NULL, *c;
	struct table t;
	size_t i;

	(void)status;
	KM_TRY(ask(args, &page, NULL));
	if (args->json) {
		view_json(page);
		return NULL;
	}
	table_begin(&t, "CHANNEL|HOSTS|RELEASES|INDEX|ROLLOUT|HALTED");
	json_array_foreach(json_object_get(page, "channels"), i, c)
	{
		table_add(&t, json_text(c, "name"));
		table_addf(&t, "%lld", (long long)json_number(c, "hosts"));
		table_addf(&t, "%zu", json_array_size(json_object_get(c, "releases")));
		table_addf(&t, "%lld", (long long)json_number(c, "index"));
		table_addf(&t, "%lld", (long long)json_number(c, "rollout"));
		table_add(&t, json_text(c, "halt"));
	}
	table_end(&t, "there is no channel");
	json_decref(page);
	return NULL;
}

static void show_releases(const json_t *channel, const json_t *releases)
{
	struct table t;
	json_t *e;
	size_t i;

	table_begin(&t, "RELEASE|TO HOSTS");
	json_array_foreach(json_object_get(channel, "releases"), i, e)
	{
		KM_AUTOFREE char *name = find_release_name(releases, json_text(e, "id"));

		table_add(&t, name);
		if (*json_text(e, "withdrawn"))
			table_addf(&t, "withdrawn: %s", json_text(e, "withdrawn"));
		else
			table_add(&t, json_is_true(json_object_get(e, "staged")) ? "as its rollout goes" : "at once");
	}
	table_end(&t, "it has no release");
}

static km_error *show(const struct cmd_args *args, int *status)
{
	json_t *page = NULL, *releases = NULL, *c, *found = NULL;
	km_error *err = NULL;
	size_t i;

	(void)status;
	KM_TRY(ask(args, &page, &releases));
	json_array_foreach(json_object_get(page, "channels"), i, c) if (!strcmp(json_text(c, "name"), args->words[0]))
		found = c;
	if (!found) {
		err = km_error_hint(km_error_new(KM_USAGE, "the server has no channel '%s'", args->words[0]),
				    "kmend channel list shows them");
	} else if (args->json) {
		view_json(json_incref(found));
	} else {
		printf("%s, index %lld, %lld hosts\n", json_text(found, "name"), (long long)json_number(found, "index"),
		       (long long)json_number(found, "hosts"));
		if (*json_text(found, "halt"))
			printf("%sHALTED%s: %s\n", km_colour_on(stdout, KM_RED), km_colour_off(stdout),
			       json_text(found, "halt"));
		putchar('\n');
		show_releases(found, releases);
	}
	json_decref(page);
	json_decref(releases);
	return err;
}

static km_error *history(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	const char *document = args->value[HISTORY_DOCUMENT] ? args->value[HISTORY_DOCUMENT] : "index";
	json_t *page = NULL, *d;
	int64_t limit = 50;
	struct table t;
	char when[32];
	size_t i;

	(void)status;
	if (!km_trust_name_ok(args->words[0]) || !km_trust_name_ok(document))
		return km_error_new(KM_USAGE, "there is no channel '%s', or no document '%s'", args->words[0],
				    document);
	if (args->value[HISTORY_LIMIT])
		KM_TRY(words_number("--limit", args->value[HISTORY_LIMIT], 1000, &limit));
	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	KM_TRY(api_get(&api, &page, "channels/%s/history?document=%s&limit=%lld", args->words[0], document,
		       (long long)limit));
	if (args->json) {
		view_json(page);
		return NULL;
	}
	table_begin(&t, "DOCUMENT|VERSION|STORED|SHA-256");
	json_array_foreach(json_object_get(page, "documents"), i, d)
	{
		table_add(&t, json_text(d, "document"));
		table_addf(&t, "%lld", (long long)json_number(d, "version"));
		table_add(&t, short_time(json_number(d, "stored"), when));
		table_add(&t, json_text(d, "sha256"));
	}
	table_end(&t, "there is none");
	json_decref(page);
	return NULL;
}

/* ---- the emergency ---- */

static km_error *stop(const struct cmd_args *args, const char *action, const char *done)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	const char *reason;
	json_t *answer = NULL;

	KM_TRY(words_reason(args->value[STOP_REASON], &reason));
	if (!km_trust_name_ok(args->words[0]))
		return km_error_new(KM_USAGE, "'%s' cannot be the name of a channel", args->words[0]);
	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	KM_TRY(api_send(&api, "POST", json_pack("{s:s}", "reason", reason), &answer, "channels/%s/%s", args->words[0],
			action));
	if (args->json) {
		view_json(answer);
		return NULL;
	}
	json_decref(answer);
	printf("the channel %s %s\n", args->words[0], done);
	return NULL;
}

static km_error *halt(const struct cmd_args *args, int *status)
{
	(void)status;
	return stop(args, "halt", "is halted: no host loads anything of it");
}

static km_error *resume(const struct cmd_args *args, int *status)
{
	(void)status;
	return stop(args, "resume", "goes on");
}

const struct cmd channel_cmds[] = {
	{"channel list", "", "list the channels", 0, 0, upload_options, list, NULL},
	{"channel show", "CHANNEL", "show which releases a channel has", 1, 1, upload_options, show, NULL},
	{"channel add", "RELEASE", "give a release to a channel", 1, 1, add_options, add, NULL},
	{"channel promote", "RELEASE", "give a release of one channel to the next one", 1, 1, promote_options, promote,
	 NULL},
	{"channel withdraw", "RELEASE", "take a release from a channel: no host loads it any more", 1, 1,
	 withdraw_options, withdraw, NULL},
	{"channel renew", "", "sign the same index with new dates", 0, 0, renew_options, renew, NULL},
	{"channel upload", "FILE...", "bring indexes that were signed elsewhere, and roots, to the server", 1, 64,
	 upload_options, upload, NULL},
	{"channel history", "CHANNEL", "list the indexes that a channel has had", 1, 1, history_options, history, NULL},
	{"channel halt", "CHANNEL", "stop everything of a channel, at once", 1, 1, stop_options, halt, NULL},
	{"channel resume", "CHANNEL", "let it go on", 1, 1, stop_options, resume, NULL},
	{0},
};
