/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend bundle export: a channel in one file, for hosts without a network. The host's half is its agent's. */
#include <kmend/agent.h>

#include "admin.h"

enum { EXPORT_OUTPUT = AT_OWN, EXPORT_KERNEL };

static const struct cmd_option export_options[] = {
	COMMON_OPTIONS,
	[EXPORT_OUTPUT] = {"output", "FILE", "the bundle (CHANNEL.bundle)"},
	[EXPORT_KERNEL] = {"kernel", "RELEASE,...", "only payloads for these kernels", .many = true},
	{0},
};

/* What is under way from the server into the bundle. */
struct export
{
	const struct api *api;
	const struct km_root *root;
	const char *channel;
	km_strv kernels;
	km_bundle *bundle;
	km_map *payloads; /* that are in */
	size_t n_releases;
};

static km_error *put(struct export *e, const char *name, const uint8_t *bytes, size_t size)
{
	return km_bundle_add(e->bundle, name, bytes, size);
}

/* A signed document that the local root vouches for. */
static km_error *fetch(struct export *e, enum km_doc doc, const char *path, km_envelope **ret, uint8_t **bytes,
		       size_t *size)
{
	km_envelope *envelope = NULL;
	bool missing;
	km_error *err;

	KM_TRY(api_fetch(e->api, km_doc_max(doc), bytes, size, &missing, "%s", path));
	if (missing)
		return doc == KM_DOC_TIMESTAMP ? find_no_channel(e->api, e->channel)
					       : km_error_new(KM_REFUSED, "the server has no %s", path);
	err = km_envelope_parse(doc, *bytes, *size, &envelope, NULL);
	if (!err)
		err = km_verify(envelope, e->root, NULL);
	if (err) {
		km_envelope_destroy(envelope);
		return km_error_add(err, "what the server gave as %s", path);
	}
	*ret = envelope;
	return NULL;
}

/* ---- roots: all that there are here, so that new hosts and old ones find theirs ---- */

static km_error *put_roots(struct export *e, const struct setup *setup)
{
	char name[KM_SOURCE_NAME];

	for (int64_t n = e->root->version; n > 0; n--) {
		KM_AUTOFREE char *path = km_printf("%s/public/%lld.root", setup->trust, (long long)n);
		KM_AUTOFREE char *number = km_printf("%lld", (long long)n);
		KM_AUTOFREE uint8_t *bytes = NULL;
		size_t size;

		if (!km_exists(path))
			return NULL;
		KM_TRY(km_file_read(path, &bytes, &size));
		km_source_name(KM_DOC_ROOT, number, name);
		KM_TRY(put(e, name, bytes, size));
	}
	return NULL;
}

/* ---- releases ---- */

static bool wanted(const struct export *e, const struct km_release_kernel *kernel)
{
	return !e->kernels.n || km_strv_has(&e->kernels, kernel->release);
}

static km_error *put_payload(struct export *e, const struct km_payload *payload)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	char name[KM_SOURCE_NAME];
	size_t size;
	km_error *err;

	if (km_map_has(e->payloads, payload->sha256))
		return NULL;
	KM_TRY(api_fetch(e->api, payload->size, &bytes, &size, NULL, "/v1/payloads/%s", payload->sha256));
	err = km_payload_check(payload, bytes, size, NULL);
	if (err)
		return km_error_add(err, "the payload that the server gave");
	km_map_put(e->payloads, payload->sha256, NULL);
	km_source_payload_name(payload->sha256, name);
	return put(e, name, bytes, size);
}

static km_error *put_payloads(struct export *e, const struct km_release *r)
{
	for (size_t i = 0; i < r->n_kernels; i++)
		for (size_t j = 0; wanted(e, &r->kernels[i]) && j < r->kernels[i].n_payloads; j++)
			KM_TRY(put_payload(e, &r->kernels[i].payloads[j]));
	return NULL;
}

static km_error *put_release(struct export *e, const char *id)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_CLEANUP(km_release_free) struct km_release release = {0};
	KM_AUTOFREE char *path = km_printf("/v1/releases/%s", id);
	KM_AUTOFREE uint8_t *bytes = NULL;
	char name[KM_SOURCE_NAME];
	size_t size;

	KM_TRY(fetch(e, KM_DOC_RELEASE, path, &envelope, &bytes, &size));
	if (strcmp(envelope->id, id))
		return km_error_new(KM_REFUSED, "the server gave another release for %.12s", id);
	KM_TRY(km_release_parse(envelope, &release));
	km_source_name(KM_DOC_RELEASE, id, name);
	KM_TRY(put(e, name, bytes, size));
	e->n_releases++;
	return put_payloads(e, &release);
}

/* ---- the channel's documents, those that the timestamp names ---- */

static km_error *put_named(struct export *e, enum km_doc doc, const struct km_named *named, km_envelope **ret)
{
	KM_AUTOFREE char *path =
		km_printf("/v1/channels/%s/%s/%lld", e->channel, km_doc_name(doc), (long long)named->version);
	KM_AUTOFREE uint8_t *bytes = NULL;
	char name[KM_SOURCE_NAME];
	size_t size;

	KM_TRY(fetch(e, doc, path, ret, &bytes, &size));
	if (strcmp((*ret)->id, named->sha256))
		return km_error_new(KM_REFUSED, "the %s is not the one that the timestamp names", km_doc_name(doc));
	km_source_name(doc, NULL, name);
	return put(e, name, bytes, size);
}

static km_error *put_releases(struct export *e, const km_envelope *envelope)
{
	KM_CLEANUP(km_index_free) struct km_index index = {0};

	KM_TRY(km_index_parse(envelope, &index));
	for (size_t i = 0; i < index.n_releases; i++)
		if (!index.releases[i].withdrawn)
			KM_TRY(put_release(e, index.releases[i].id));
	return NULL;
}

static km_error *put_channel(struct export *e)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_CLEANUP(km_envelope_destroyp) km_envelope *index = NULL;
	KM_CLEANUP(km_envelope_destroyp) km_envelope *rollout = NULL;
	KM_CLEANUP(km_timestamp_free) struct km_timestamp timestamp = {0};
	KM_AUTOFREE char *path = km_printf("/v1/channels/%s/timestamp", e->channel);
	KM_AUTOFREE uint8_t *bytes = NULL;
	char name[KM_SOURCE_NAME];
	size_t size;

	KM_TRY(fetch(e, KM_DOC_TIMESTAMP, path, &envelope, &bytes, &size));
	KM_TRY(km_timestamp_parse(envelope, &timestamp));
	if (strcmp(timestamp.channel, e->channel))
		return km_error_new(KM_REFUSED, "the server gave the timestamp of %s", timestamp.channel);
	km_source_name(KM_DOC_TIMESTAMP, NULL, name);
	KM_TRY(put(e, name, bytes, size));
	KM_TRY(put_named(e, KM_DOC_INDEX, &timestamp.index, &index));
	KM_TRY(put_named(e, KM_DOC_ROLLOUT, &timestamp.rollout, &rollout));
	return put_releases(e, index);
}

/* ---- the verb ---- */

static km_error *fill(struct export *e, const struct setup *setup, const char *output)
{
	km_error *err;

	KM_TRY(km_bundle_create(output, &e->bundle));
	err = put_roots(e, setup);
	if (!err)
		err = put_channel(e);
	if (err)
		km_bundle_drop(e->bundle);
	return err ? err : km_bundle_end(e->bundle);
}

static km_error *export(const struct cmd_args *args, int *status)
{
	KM_CLEANUP(setup_free) struct setup setup = {0};
	KM_CLEANUP(api_close) struct api api = {0};
	KM_CLEANUP(km_root_free) struct km_root root = {0};
	struct export e = {.api = &api, .root = &root, .channel = args->words[0]};
	KM_AUTOFREE char *output = args->value[EXPORT_OUTPUT] ? km_strdup(args->value[EXPORT_OUTPUT])
							      : km_printf("%s.bundle", args->words[0]);
	km_error *err;

	(void)status;
	if (!km_trust_name_ok(e.channel))
		return km_error_new(KM_USAGE, "'%s' cannot be the name of a channel", e.channel);
	KM_TRY(setup_read(args, &setup));
	KM_TRY(keys_root(&setup, &root, NULL));
	KM_TRY(api_open(&setup, &api));
	trust_words(args->value[EXPORT_KERNEL], &e.kernels);
	e.payloads = km_map_create();
	err = fill(&e, &setup, output);
	if (!err && args->json)
		view_json(json_pack("{s:s, s:s, s:i, s:i}", "file", output, "channel", e.channel, "releases",
				    (int)e.n_releases, "payloads", (int)km_map_count(e.payloads)));
	else if (!err)
		printf("%s: %s with %zu releases and %zu payloads; `kmend bundle import` takes it on a host\n", output,
		       e.channel, e.n_releases, km_map_count(e.payloads));
	km_map_destroy(e.payloads);
	km_strv_free(&e.kernels);
	return err;
}

const struct cmd bundle_cmds[] = {
	{"bundle export", "CHANNEL", "write all that hosts of a channel need into one file", 1, 1, export_options,
	 export, NULL},
	{0},
};
