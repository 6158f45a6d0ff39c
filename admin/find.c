/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a word on the command line means: releases and hosts by the begin of their ids or by their names. */
#include "admin.h"

enum { ID_LEN = KM_SHA256_HEX - 1, SHORT_LEN = 12, BEGIN_MIN = 4 };

static bool is_begin(const char *word)
{
	size_t n = strlen(word);

	return n >= BEGIN_MIN && n <= ID_LEN && strspn(word, "0123456789abcdef") == n;
}

/* ---- releases ---- */

static bool fits(const json_t *release, const char *word)
{
	const char *name = json_text(release, "name");
	KM_AUTOFREE char *full = km_printf("%s-%s", name, json_text(release, "version"));

	return !strcmp(word, name) || !strcmp(word, full) ||
	       (is_begin(word) && km_starts(json_text(release, "id"), word));
}

static km_error *among(const json_t *releases, const char *word, char ret[static KM_SHA256_HEX])
{
	const json_t *found = NULL;
	json_t *release;
	km_str names = {0};
	size_t i, n = 0;
	km_error *err;

	json_array_foreach(releases, i, release) if (fits(release, word) && km_hex_ok(json_text(release, "id"), ID_LEN))
	{
		km_str_printf(&names, "%s%.*s (%s-%s)", n++ ? ", " : "", SHORT_LEN, json_text(release, "id"),
			      json_text(release, "name"), json_text(release, "version"));
		found = release;
	}
	if (n == 1) {
		memcpy(ret, json_text(found, "id"), KM_SHA256_HEX);
		err = NULL;
	} else if (n) {
		err = km_error_hint(km_error_new(KM_USAGE, "'%s' can be %zu releases: %s", word, n, names.at),
				    "write NAME-VERSION or more of the id");
	} else {
		err = km_error_hint(km_error_new(KM_USAGE, "the server has no release '%s'", word),
				    "kmend release list shows them");
	}
	km_str_free(&names);
	return err;
}

static bool is_file(const char *word)
{
	return km_exists(word) && !km_is_dir(word);
}

km_error *find_release(const struct api *api, const char *word, char ret[static KM_SHA256_HEX])
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	json_t *releases = NULL;
	km_error *err;

	if (strlen(word) == ID_LEN && is_begin(word)) {
		memcpy(ret, word, KM_SHA256_HEX);
		return NULL;
	}
	if (is_file(word) || !api) {
		KM_TRY(km_envelope_load(KM_DOC_RELEASE, word, &envelope));
		memcpy(ret, envelope->id, KM_SHA256_HEX);
		return NULL;
	}
	KM_TRY(api_pages(api, "releases", "releases", "before", 0, &releases));
	err = among(releases, word, ret);
	json_decref(releases);
	return err;
}

char *find_release_name(const json_t *releases, const char *id)
{
	json_t *release;
	size_t i;

	json_array_foreach(releases, i, release) if (!strcmp(json_text(release, "id"), id)) return km_printf(
		"%s %s (%.*s)", json_text(release, "name"), json_text(release, "version"), SHORT_LEN, id);
	return km_printf("%.*s", SHORT_LEN, id);
}

/* ---- hosts ---- */

km_error *find_host(const struct api *api, const char *word, char ret[static KM_SHA256_HEX])
{
	json_t *page = NULL, *hosts, *host;
	const char *found = NULL;
	size_t i, n = 0;
	km_error *err = NULL;

	if (!is_begin(word))
		return km_error_hint(km_error_new(KM_USAGE, "'%s' is no begin of a host's id", word),
				     "at least %d hex digits; kmend host list shows the ids", BEGIN_MIN);
	if (strlen(word) == ID_LEN) {
		memcpy(ret, word, KM_SHA256_HEX);
		return NULL;
	}
	KM_TRY(api_get(api, &page, "hosts?q=%s&limit=100", word));
	hosts = json_object_get(page, "hosts");
	json_array_foreach(hosts, i,
			   host) if (km_starts(json_text(host, "id"), word) && km_hex_ok(json_text(host, "id"), ID_LEN))
	{
		found = json_text(host, "id");
		n++;
	}
	if (n == 1)
		memcpy(ret, found, KM_SHA256_HEX);
	else
		err = km_error_hint(
			km_error_new(KM_USAGE, n ? "'%s' is the begin of several hosts' ids" : "there is no host '%s'",
				     word),
			"kmend host list shows the ids");
	json_decref(page);
	return err;
}

/* ---- indexes ---- */

/* The version of the newest index by what the server says of its channels; 0: no such channel. What it says decides
 * only which document is asked for. */
static km_error *newest_index(const struct api *api, const char *channel, int64_t *ret)
{
	json_t *page = NULL, *c;
	size_t i;

	*ret = 0;
	KM_TRY(api_get(api, &page, "channels"));
	json_array_foreach(json_object_get(page, "channels"), i, c) if (!strcmp(json_text(c, "name"), channel)) *ret =
		json_number(c, "index");
	json_decref(page);
	return NULL;
}

static km_error *check_index(const km_envelope *envelope, const struct km_root *root, const char *channel,
			     int64_t version, struct km_index *ret)
{
	struct km_index index;
	km_error *err = NULL;

	KM_TRY(km_verify(envelope, root, NULL));
	KM_TRY(km_index_parse(envelope, &index));
	if (strcmp(index.channel, channel))
		err = km_error_new(KM_REFUSED, "it is of the channel %s", index.channel);
	else if (index.version != version)
		err = km_error_new(KM_REFUSED, "it has the version %lld", (long long)index.version);
	if (err)
		km_index_free(&index);
	else
		*ret = index;
	return err;
}

km_error *find_index(const struct api *api, const struct km_root *root, const char *channel, km_envelope **envelope,
		     struct km_index *ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	km_envelope *e = NULL;
	int64_t version;
	size_t size;
	km_error *err;

	*envelope = NULL;
	if (!km_trust_name_ok(channel))
		return km_error_new(KM_USAGE, "'%s' cannot be the name of a channel", channel);
	KM_TRY(newest_index(api, channel, &version));
	if (!version)
		return NULL;
	KM_TRY(api_fetch(api, km_doc_max(KM_DOC_INDEX), &bytes, &size, NULL, "/v1/channels/%s/index/%lld", channel,
			 (long long)version));
	err = km_envelope_parse(KM_DOC_INDEX, bytes, size, &e, NULL);
	if (!err)
		err = check_index(e, root, channel, version, ret);
	if (err) {
		km_envelope_destroy(e);
		return km_error_hint(km_error_add(err, "the server's index %lld of %s", (long long)version, channel),
				     "what the local root does not vouch for is no ground for the next index");
	}
	*envelope = e;
	return NULL;
}

km_error *find_no_channel(const struct api *api, const char *channel)
{
	json_t *page = NULL;
	const char *names[64], *near;
	json_t *c;
	size_t i, n = 0;
	km_error *err = km_error_new(KM_USAGE, "the server has no channel '%s'", channel);
	km_error *failed = api_get(api, &page, "channels");

	km_error_free(failed);
	json_array_foreach(json_object_get(page, "channels"), i, c) if (n < KM_COUNT(names)) names[n++] =
		json_text(c, "name");
	near = km_nearest(channel, names, n);
	err = near ? km_error_hint(err, "did you mean '%s'?", near)
		   : km_error_hint(err, "kmend channel list shows them; kmend channel add --new begins one");
	json_decref(page);
	return err;
}
