/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend release: what there is to look at before and after it is signed. */
#include <time.h>

#include "admin.h"

enum { SHOW_DIFF = AT_OWN, SHOW_BLOBS };

static const struct cmd_option show_options[] = {
	COMMON_OPTIONS,
	[SHOW_DIFF] = {"diff", NULL, "also show the source diff"},
	[SHOW_BLOBS] = {"blobs", "DIR", "where its modules and its diff are (blobs, beside the file)"},
	{0},
};

static const struct cmd_option list_options[] = {COMMON_OPTIONS, {0}};

enum { WITHDRAW_REASON = AT_OWN, WITHDRAW_KEY, WITHDRAW_PASSPHRASE };

static const struct cmd_option withdraw_options[] = {
	COMMON_OPTIONS,
	[WITHDRAW_REASON] = {"reason", "TEXT", "why; hosts show it"},
	[WITHDRAW_KEY] = {"key", "FILE,...", "sign with this index key (those of --trust)", .many = true},
	[WITHDRAW_PASSPHRASE] = {"passphrase-file", "FILE", "its first line is the key's passphrase"},
	{0},
};

/* ---- in files ---- */

static km_error *read_diff(const km_blobs *blobs, char **ret)
{
	const struct km_blob *diff = &blobs->at[blobs->n - 1];
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(km_file_read(diff->path, &bytes, &size));
	*ret = km_strndup((char *)bytes, size);
	return NULL;
}

/* What a terminal would act on instead of showing it could hide a line from the reviewer. */
static void print_diff(const char *diff)
{
	putchar('\n');
	for (const char *c = diff; *c; c++)
		if ((unsigned char)*c < ' ' && *c != '\n' && *c != '\t')
			printf("^%c", *c + '@');
		else if (*c == 0x7f)
			printf("^?");
		else
			putchar(*c);
}

static km_error *show_text(const km_envelope *release, const km_strv *overrides, const char *diff)
{
	KM_TRY(trust_show(release));
	for (size_t i = 0; i < overrides->n; i++)
		printf("%sbuilt with%s  --%s\n", km_colour_on(stdout, KM_YELLOW), km_colour_off(stdout),
		       overrides->at[i]);
	printf("\nThe modules are at hand, say what the release says, and were made of the diff.\n");
	if (diff)
		print_diff(diff);
	return NULL;
}

static void show_json(const km_envelope *release, const km_strv *overrides, const char *diff)
{
	json_t *signatures = json_array(), *o;

	for (size_t i = 0; i < release->signatures.n; i++)
		json_array_append_new(signatures,
				      json_pack("{s:s, s:s}", "role", km_role_name(release->signatures.at[i].role),
						"key", release->signatures.at[i].key));
	o = json_pack("{s:s, s:o, s:o, s:o}", "id", release->id, "body", trust_body_json(release), "signatures",
		      signatures, "overrides", view_strings_json(overrides));
	if (diff)
		json_object_set_new(o, "diff", view_text_json(diff));
	view_json(o);
}

static km_error *show_file(const struct cmd_args *args, const char *file)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *release = NULL;
	KM_AUTOFREE char *diff = NULL;
	km_blobs blobs = {0};
	km_strv overrides = {0};
	km_error *err;

	KM_TRY(km_envelope_load(KM_DOC_RELEASE, file, &release));
	KM_TRY(km_publish_blobs(release, file, args->value[SHOW_BLOBS], &blobs));
	err = km_publish_review(release, &blobs, &overrides);
	if (!err && args->value[SHOW_DIFF])
		err = read_diff(&blobs, &diff);
	if (!err && args->json)
		show_json(release, &overrides, diff);
	else if (!err)
		err = show_text(release, &overrides, diff);
	km_blobs_free(&blobs);
	km_strv_free(&overrides);
	return err;
}

/* ---- on the server ---- */

static bool is_file(const char *word)
{
	return km_exists(word) && !km_is_dir(word);
}

static void show_listed(const json_t *release)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(release, "channels"), i, c)
		printf("%-11s %s%s%s\n", i ? "" : "channels", json_text(c, "channel"),
		       *json_text(c, "withdrawn")		    ? ", withdrawn: "
		       : json_is_true(json_object_get(c, "staged")) ? ", staged"
								    : "",
		       json_text(c, "withdrawn"));
	json_array_foreach(json_object_get(release, "counts"), i, c)
		printf("%-11s %lld in %s: %s%s%s\n", i ? "" : "hosts", (long long)json_number(c, "hosts"),
		       json_text(c, "channel"), json_text(c, "state"), *json_text(c, "health") ? ", " : "",
		       json_text(c, "health"));
}

/* The release's own bytes, which name its diff, are verified; then the diff is the one that was signed. */
static km_error *fetch(const struct setup *setup, const struct api *api, const char *id, km_envelope **ret)
{
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *release = NULL;
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;
	km_error *err;

	KM_TRY(keys_root(setup, &root, NULL));
	KM_TRY(api_fetch(api, km_doc_max(KM_DOC_RELEASE), &bytes, &size, NULL, "/v1/releases/%s", id));
	KM_TRY(km_envelope_parse(KM_DOC_RELEASE, bytes, size, &release, NULL));
	if (strcmp(release->id, id))
		return km_error_new(KM_REFUSED, "the server gave another release, %s", release->id);
	err = km_verify(release, &root, NULL);
	if (err)
		return km_error_add(err, "the server's release %.12s", id);
	*ret = release;
	release = NULL;
	return NULL;
}

static km_error *fetch_diff(const struct api *api, const km_envelope *release, char **ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_payload diff = {0};
	struct km_release r;
	size_t size;
	km_error *err;

	KM_TRY(km_release_parse(release, &r));
	memcpy(diff.sha256, r.source_sha256, KM_SHA256_HEX);
	diff.size = r.source_size;
	km_release_free(&r);
	KM_TRY(api_fetch(api, diff.size, &bytes, &size, NULL, "/v1/sources/%s", diff.sha256));
	err = km_payload_check(&diff, bytes, size, NULL);
	if (err)
		return km_error_add(err, "the diff that the server gave");
	*ret = km_strndup((char *)bytes, size);
	return NULL;
}

static km_error *show_server(const struct cmd_args *args)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *release = NULL;
	KM_AUTOFREE char *diff = NULL;
	char id[KM_SHA256_HEX];
	json_t *said = NULL;

	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	KM_TRY(find_release(&api, args->words[0], id));
	KM_TRY(fetch(&setup, &api, id, &release));
	if (args->value[SHOW_DIFF])
		KM_TRY(fetch_diff(&api, release, &diff));
	KM_TRY(api_get(&api, &said, "releases/%s", id));
	if (args->json) {
		if (diff)
			json_object_set_new(said, "diff", view_text_json(diff));
		view_json(said);
		return NULL;
	}
	km_error *err = trust_show(release);
	if (!err)
		show_listed(said);
	if (!err && diff)
		print_diff(diff);
	json_decref(said);
	return err;
}

static km_error *show(const struct cmd_args *args, int *status)
{
	(void)status;
	return is_file(args->words[0]) ? show_file(args, args->words[0]) : show_server(args);
}

static km_error *list(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	json_t *releases = NULL, *r;
	struct table t;
	char when[32];
	size_t i;

	(void)status;
	KM_TRY(setup_read(args, &setup));
	KM_TRY(api_open(&setup, &api));
	KM_TRY(api_pages(&api, "releases", "releases", "before", 0, &releases));
	if (args->json) {
		view_json(json_pack("{s:o}", "releases", releases));
		return NULL;
	}
	table_begin(&t, "ID|NAME|VERSION|SEVERITY|UPLOADED|SUMMARY");
	json_array_foreach(releases, i, r)
	{
		table_addf(&t, "%.12s", json_text(r, "id"));
		table_add(&t, json_text(r, "name"));
		table_add(&t, json_text(r, "version"));
		table_add(&t, json_text(r, "severity"));
		table_add(&t, short_time(json_number(r, "uploaded"), when));
		table_add(&t, json_text(r, "summary"));
	}
	table_end(&t, "the server has no release");
	json_decref(releases);
	return NULL;
}

/* ---- withdraw: from every channel that has it ---- */

static km_error *withdraw_from(const struct cmd_args *args, const struct setup *setup, const struct api *api,
			       const struct km_root *root, const char *channel, const struct km_channel_change *what)
{
	KM_CLEANUP(km_index_free) struct km_index last = {0};
	KM_CLEANUP(km_envelope_destroyp) km_envelope *now = NULL;
	KM_CLEANUP(km_envelope_destroyp) km_envelope *next = NULL;

	KM_TRY(find_index(api, root, channel, &now, &last));
	if (!now)
		return NULL;
	KM_TRY(km_channel_next(&last, what, time(NULL), km_lifetimes_default.index, &next));
	KM_TRY(keys_sign_as(setup, next, args->value[WITHDRAW_KEY], args->value[WITHDRAW_PASSPHRASE]));
	KM_TRY(km_verify(next, root, NULL));
	return api_document(api, next, "channels/%s/index", channel);
}

static km_error *withdraw_all(const struct cmd_args *args, const struct setup *setup, const struct api *api,
			      const json_t *listed, const struct km_channel_change *what, json_t *done)
{
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	json_t *c;
	size_t i;

	KM_TRY(keys_root(setup, &root, NULL));
	json_array_foreach(listed, i, c)
	{
		const char *channel = json_text(c, "channel");

		if (*json_text(c, "withdrawn"))
			continue;
		km_error *err = withdraw_from(args, setup, api, &root, channel, what);
		if (err)
			return km_error_add(err, "the channel %s", channel);
		json_array_append_new(done, json_string(channel));
		if (!args->json)
			printf("withdrawn from %s\n", channel);
	}
	return NULL;
}

static km_error *withdraw(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	char id[KM_SHA256_HEX];
	struct km_channel_change what = {.withdraw = id};
	json_t *said = NULL, *done = json_array();
	km_error *err = words_reason(args->value[WITHDRAW_REASON], &what.reason);

	(void)status;
	if (!err)
		err = setup_read(args, &setup);
	if (!err)
		err = api_open(&setup, &api);
	if (!err)
		err = find_release(&api, args->words[0], id);
	if (!err)
		err = api_get(&api, &said, "releases/%s", id);
	if (!err)
		err = withdraw_all(args, &setup, &api, json_object_get(said, "channels"), &what, done);
	if (!err && !json_array_size(done))
		err = km_error_new(KM_NOTHING, "no channel has the release, or all have withdrawn it");
	if (!err && args->json)
		view_json(json_pack("{s:s, s:O}", "id", id, "channels", done));
	json_decref(said);
	json_decref(done);
	return err;
}

const struct cmd release_cmds[] = {
	{"release list", "", "list the releases that the server has", 0, 0, list_options, list, NULL},
	{"release show", "FILE|RELEASE", "show what one says, after checking it", 1, 1, show_options, show, NULL},
	{"release withdraw", "RELEASE", "take one from every channel: no host loads it any more", 1, 1,
	 withdraw_options, withdraw, NULL},
	{0},
};
