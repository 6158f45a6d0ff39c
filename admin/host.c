/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend host: the hosts that the server knows. */
#include <time.h>

#include "admin.h"

enum {
	LIST_CHANNEL = AT_OWN,
	LIST_STATE,
	LIST_TAG,
	LIST_KERNEL,
	LIST_TOKEN,
	LIST_RELEASE,
	LIST_PATCH_STATE,
	LIST_HEALTH,
	LIST_LIMIT
};
enum { TAG_ADD = AT_OWN, TAG_REMOVE };

static const struct cmd_option list_options[] = {
	COMMON_OPTIONS,
	[LIST_CHANNEL] = {"channel", "NAME", "only hosts of this channel"},
	[LIST_STATE] = {"state", "WORD", "protected, available, waiting, uncovered, reboot or unknown"},
	[LIST_TAG] = {"tag", "TAG", "with this tag"},
	[LIST_KERNEL] = {"kernel", "RELEASE", "that run this kernel"},
	[LIST_TOKEN] = {"token", "ID", "that came with this token"},
	[LIST_RELEASE] = {"release", "RELEASE", "that have said something of this release"},
	[LIST_PATCH_STATE] = {"patch-state", "WORD", "… and of it: loading, loaded, failed, stalled, held, removed"},
	[LIST_HEALTH] = {"health", "WORD", "… and of it: good, warned, oopsed, crashed"},
	[LIST_LIMIT] = {"limit", "N", "at most so many (100; 0: all)"},
	{0},
};
static const struct cmd_option plain_options[] = {COMMON_OPTIONS, {0}};
static const struct cmd_option tag_options[] = {
	COMMON_OPTIONS,
	[TAG_ADD] = {"add", "TAG,...", "add these to its tags", .many = true},
	[TAG_REMOVE] = {"remove", "TAG,...", "take these from its tags", .many = true},
	{0},
};

static km_error *open_server(const struct cmd_args *args, struct api *ret)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};

	KM_TRY(setup_read(args, &setup));
	return api_open(&setup, ret);
}

/* ---- list ---- */

static km_error *list_path(const struct cmd_args *args, const struct api *api, km_str *path)
{
	static const struct {
		int option;
		const char *name;
	} filters[] = {{LIST_CHANNEL, "channel"}, {LIST_STATE, "state"}, {LIST_TAG, "tag"},
		       {LIST_KERNEL, "kernel"},	  {LIST_TOKEN, "token"}, {LIST_PATCH_STATE, "patch_state"},
		       {LIST_HEALTH, "health"}};
	char id[KM_SHA256_HEX];

	km_str_add(path, "hosts");
	for (size_t i = 0; i < KM_COUNT(filters); i++)
		if (args->value[filters[i].option]) {
			KM_AUTOFREE char *value = km_http_escape(args->value[filters[i].option]);

			km_str_printf(path, "%s%s=%s", strchr(path->at, '?') ? "&" : "?", filters[i].name, value);
		}
	if (args->value[LIST_RELEASE]) {
		KM_TRY(find_release(api, args->value[LIST_RELEASE], id));
		km_str_printf(path, "%srelease=%s", strchr(path->at, '?') ? "&" : "?", id);
	}
	if (args->n) {
		KM_AUTOFREE char *value = km_http_escape(args->words[0]);

		km_str_printf(path, "%sq=%s", strchr(path->at, '?') ? "&" : "?", value);
	}
	return NULL;
}

static void view_list(const json_t *hosts)
{
	struct table t;
	char ago[32];
	json_t *h;
	size_t i;

	table_begin(&t, "HOST|CHANNEL|STATE|KERNEL|SEEN|TAGS");
	json_array_foreach(hosts, i, h)
	{
		KM_AUTOFREE char *tags = json_words(json_object_get(h, "tags"));

		table_addf(&t, "%.16s", json_text(h, "id"));
		table_add(&t, json_text(h, "channel"));
		table_add(&t, json_text(h, "state"));
		table_add(&t, json_text(h, "kernel"));
		table_add(&t, time_ago(json_number(h, "seen"), time(NULL), ago));
		table_add(&t, tags);
	}
	table_end(&t, "there is no such host");
}

static km_error *list(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_str_free) km_str path = {0};
	json_t *hosts = NULL;
	int64_t limit = 100;

	(void)status;
	if (args->value[LIST_LIMIT])
		KM_TRY(words_number("--limit", args->value[LIST_LIMIT], 10000000, &limit));
	if ((args->value[LIST_PATCH_STATE] || args->value[LIST_HEALTH]) && !args->value[LIST_RELEASE])
		return km_error_new(KM_USAGE, "--patch-state and --health go with --release");
	KM_TRY(open_server(args, &api));
	KM_TRY(list_path(args, &api, &path));
	KM_TRY(api_pages(&api, path.at, "hosts", "after", (size_t)limit, &hosts));
	if (args->json) {
		view_json(json_pack("{s:o}", "hosts", hosts));
		return NULL;
	}
	view_list(hosts);
	json_decref(hosts);
	return NULL;
}

/* ---- show ---- */

static void view_patches(const char *head, const json_t *patches, const json_t *releases)
{
	struct table t;
	char when[32];
	json_t *p;
	size_t i;

	table_begin(&t, head);
	json_array_foreach(patches, i, p)
	{
		KM_AUTOFREE char *name = find_release_name(releases, json_text(p, "release"));

		table_add(&t, short_time(json_number(p, "updated"), when));
		table_add(&t, name);
		table_add(&t, json_text(p, "state"));
		table_add(&t, json_text(p, "health"));
		if (json_number(p, "transition_ms") >= 0)
			table_addf(&t, "%lld ms", (long long)json_number(p, "transition_ms"));
		else
			table_add(&t, "");
		table_add(&t, json_text(p, "detail"));
	}
	table_end(&t, "it has said nothing of any patch");
}

static void view_host(const json_t *h, const json_t *releases)
{
	static const struct {
		const char *name, *key;
	} lines[] = {{"host", "id"},   {"channel", "channel"},	 {"state", "state"}, {"kernel", "kernel"},
		     {"arch", "arch"}, {"build-id", "build_id"}, {"agent", "agent"}, {"token", "token"}};
	KM_AUTOFREE char *tags = json_words(json_object_get(h, "tags"));
	char ago[32], when[32];

	for (size_t i = 0; i < KM_COUNT(lines); i++)
		printf("%-11s %s\n", lines[i].name, json_text(h, lines[i].key));
	printf("%-11s %s\n%-11s %s\n", "tags", tags, "attached", short_time(json_number(h, "attached"), when));
	printf("%-11s %s\n", "seen", time_ago(json_number(h, "seen"), time(NULL), ago));
	putchar('\n');
	view_patches("SINCE|PATCH|STATE|HEALTH|TRANSITION|DETAIL", json_object_get(h, "patches"), releases);
	if (!json_array_size(json_object_get(h, "history")))
		return;
	putchar('\n');
	view_patches("WAS|PATCH|STATE|HEALTH|TRANSITION|DETAIL", json_object_get(h, "history"), releases);
}

static km_error *show(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	json_t *host = NULL, *releases = NULL;
	char id[KM_SHA256_HEX];
	km_error *err;

	(void)status;
	KM_TRY(open_server(args, &api));
	KM_TRY(find_host(&api, args->words[0], id));
	KM_TRY(api_get(&api, &host, "hosts/%s", id));
	if (args->json) {
		view_json(host);
		return NULL;
	}
	err = api_pages(&api, "releases", "releases", "before", 0, &releases);
	if (!err)
		view_host(host, releases);
	json_decref(host);
	json_decref(releases);
	return err;
}

/* ---- tag, forget ---- */

static void drop(km_strv *tags, const char *tag)
{
	for (size_t i = 0; i < tags->n; i++)
		if (!strcmp(tags->at[i], tag)) {
			free(tags->at[i]);
			memmove(&tags->at[i], &tags->at[i + 1], (tags->n - i - 1) * sizeof(*tags->at));
			tags->n--;
			return;
		}
}

static void add(km_strv *tags, const char *tag)
{
	if (!km_strv_has(tags, tag))
		km_strv_push(tags, tag);
}

/* The words replace all tags; the options change those that it has. */
static km_error *new_tags(const struct cmd_args *args, const struct api *api, const char *id, km_strv *ret)
{
	km_strv words = {0};
	json_t *host = NULL, *tag;
	size_t i;

	for (int n = 1; n < args->n; n++)
		add(ret, args->words[n]);
	if (!args->value[TAG_ADD] && !args->value[TAG_REMOVE])
		return NULL;
	if (args->n > 1)
		return km_error_new(KM_USAGE,
				    "--add and --remove change the tags, words replace them all: one of both");
	KM_TRY(api_get(api, &host, "hosts/%s", id));
	json_array_foreach(json_object_get(host, "tags"), i, tag) if (json_is_string(tag))
		add(ret, json_string_value(tag));
	json_decref(host);
	trust_words(args->value[TAG_ADD], &words);
	for (i = 0; i < words.n; i++)
		add(ret, words.at[i]);
	km_strv_free(&words);
	trust_words(args->value[TAG_REMOVE], &words);
	for (i = 0; i < words.n; i++)
		drop(ret, words.at[i]);
	km_strv_free(&words);
	return NULL;
}

static km_error *check_tags(const km_strv *tags)
{
	for (size_t i = 0; i < tags->n; i++)
		if (!km_trust_name_ok(tags->at[i]))
			return km_error_hint(km_error_new(KM_USAGE, "'%s' cannot be a tag", tags->at[i]),
					     "1 to 64 of a-z 0-9 - _ . that begin with a letter or digit");
	return NULL;
}

static km_error *tag(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_strv_free) km_strv tags = {0};
	char id[KM_SHA256_HEX];
	json_t *answer = NULL;

	(void)status;
	KM_TRY(open_server(args, &api));
	KM_TRY(find_host(&api, args->words[0], id));
	KM_TRY(new_tags(args, &api, id, &tags));
	KM_TRY(check_tags(&tags));
	KM_TRY(api_send(&api, "PUT", json_pack("{s:o}", "tags", view_strings_json(&tags)), &answer, "hosts/%s/tags",
			id));
	if (args->json) {
		view_json(answer);
		return NULL;
	}
	KM_AUTOFREE char *words = json_words(json_object_get(answer, "tags"));
	printf("%.16s: %s\n", id, *words ? words : "no tags");
	json_decref(answer);
	return NULL;
}

static km_error *forget(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(api_close) struct api api = {0};
	char id[KM_SHA256_HEX];
	json_t *answer = NULL;

	(void)status;
	KM_TRY(open_server(args, &api));
	KM_TRY(find_host(&api, args->words[0], id));
	KM_TRY(api_send(&api, "DELETE", NULL, &answer, "hosts/%s", id));
	if (args->json) {
		view_json(answer);
		return NULL;
	}
	json_decref(answer);
	printf("%.16s is forgotten: it gets nothing until it is attached anew\n", id);
	return NULL;
}

const struct cmd host_cmds[] = {
	{"host list", "[TEXT]", "list hosts; TEXT begins an id, a tag or a kernel", 0, 1, list_options, list, NULL},
	{"host show", "HOST", "show a host, its patches and what they went through", 1, 1, plain_options, show, NULL},
	{"host tag", "HOST [TAG...]", "replace a host's tags, or change them", 1, 33, tag_options, tag, NULL},
	{"host forget", "HOST", "forget a host", 1, 1, plain_options, forget, NULL},
	{0},
};
