/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Releases, the CVEs that they close, and the kernels that they are for. */
#include "admin.h"

static json_t *release_json(const struct km_store_release *r)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "id", r->id, "name", r->name, "version", r->version,
			 "summary", r->summary, "severity", km_severity_name(r->severity), "issued",
			 (json_int_t)r->issued, "uploaded", (json_int_t)r->uploaded);
}

static km_error *releases(struct call *call)
{
	struct km_store_release *list;
	json_t *array;
	size_t n, limit;

	if (!call_arg_limit(call, &limit))
		return NULL;
	KM_TRY(km_store_releases(call->server->store, call_arg(call, "before"), limit, call_arena(call), &list, &n));
	array = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, release_json(&list[i]));
	return call_json(call, 200,
			 json_pack("{s:o, s:o}", "releases", array, "next",
				   n == limit ? json_string(list[n - 1].id) : json_null()));
}

km_http_response *admin_releases(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), releases);
}

/* ---- one ---- */

static json_t *blob_json(const char *sha256, uint64_t size)
{
	return json_pack("{s:s, s:I}", "sha256", sha256, "size", (json_int_t)size);
}

static json_t *kernel_json(const struct km_release_kernel *k)
{
	json_t *payloads = json_array();

	for (size_t i = 0; i < k->n_payloads; i++) {
		json_t *o = blob_json(k->payloads[i].sha256, k->payloads[i].size);

		json_object_set_new(o, "flavour", json_string(k->payloads[i].flavour));
		json_array_append_new(payloads, o);
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "arch", k->arch, "release", k->release, "build_id", k->build_id,
			 "payloads", payloads);
}

/* What the signed body says. */
static km_error *add_body(const struct km_store_release *stored, json_t *o)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	json_t *cves = json_array(), *kernels = json_array();
	struct km_release body;
	km_error *err = km_envelope_parse(KM_DOC_RELEASE, stored->bytes, stored->size, &envelope, NULL);

	if (!err)
		err = km_release_parse(envelope, &body);
	if (err) {
		json_decref(cves);
		json_decref(kernels);
		return err;
	}
	for (size_t i = 0; i < body.n_cves; i++)
		json_array_append_new(cves, json_string(body.cves[i]));
	for (size_t i = 0; i < body.n_kernels; i++)
		json_array_append_new(kernels, kernel_json(&body.kernels[i]));
	json_object_set_new(o, "replace", json_boolean(body.replace));
	json_object_set_new(o, "cves", cves);
	json_object_set_new(o, "kernels", kernels);
	json_object_set_new(o, "source", blob_json(body.source_sha256, body.source_size));
	km_release_free(&body);
	return NULL;
}

/* Where it is listed. */
static km_error *add_channels(struct call *call, const char *id, json_t *array)
{
	struct km_store_channel *channels;
	size_t n;

	KM_TRY(km_store_channels(call->server->store, call_arena(call), &channels, &n));
	for (size_t i = 0; i < n; i++) {
		struct km_store_listed *listed;
		size_t n_listed;

		KM_TRY(km_store_index(call->server->store, channels[i].name, call_arena(call), &listed, &n_listed));
		for (size_t j = 0; j < n_listed; j++)
			if (!strcmp(listed[j].release, id))
				json_array_append_new(array, json_pack("{s:s, s:b, s:s?}", "channel", channels[i].name,
								       "staged", (int)listed[j].staged, "withdrawn",
								       listed[j].withdrawn));
	}
	return NULL;
}

static km_error *add_counts(struct call *call, const char *id, json_t *array)
{
	struct km_store_release_count *counts;
	size_t n;

	KM_TRY(km_store_release_counts(call->server->store, id, call_arena(call), &counts, &n));
	for (size_t i = 0; i < n; i++)
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:I}", "channel", counts[i].channel, "state",
						       km_patch_state_name(counts[i].state), "health",
						       km_health_name(counts[i].health), "hosts",
						       (json_int_t)counts[i].hosts));
	return NULL;
}

static km_error *release(struct call *call)
{
	const char *id = call_param(call, "release");
	struct km_store_release stored;
	enum km_store_why why = KM_STORE_FINE;
	json_t *o, *channels = json_array(), *counts = json_array();
	km_error *err = km_store_release(call->server->store, id, call_arena(call), &stored, &why);

	o = err ? json_object() : release_json(&stored);
	json_object_set_new(o, "channels", channels);
	json_object_set_new(o, "counts", counts);
	if (!err)
		err = add_body(&stored, o);
	if (!err)
		err = add_channels(call, id, channels);
	if (!err)
		err = add_counts(call, id, counts);
	if (!err)
		return call_json(call, 200, o);
	json_decref(o);
	return call_store(call, err, why, "release");
}

km_http_response *admin_release(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), release);
}

/* ---- CVEs ---- */

struct channel_hosts { /* hosts of one channel, looked up once */
	const char *name;
	int64_t hosts;
};

km_error *admin_count_hosts(struct call *call, const char *channel, int64_t *ret)
{
	int64_t standing[KM_STANDINGS];

	KM_TRY(km_store_count_standing(call->server->store, channel, standing));
	*ret = 0;
	for (int i = 0; i < KM_STANDINGS; i++)
		*ret += standing[i];
	return NULL;
}

static int64_t loaded(const struct km_store_release_count *counts, size_t n, const struct km_store_cve *cve)
{
	int64_t hosts = 0;

	for (size_t i = 0; i < n; i++)
		if (counts[i].state == KM_PATCH_LOADED && !strcmp(counts[i].release, cve->release) &&
		    !strcmp(counts[i].channel, cve->channel))
			hosts += counts[i].hosts;
	return hosts;
}

static km_error *hosts_of(struct call *call, struct channel_hosts *known, size_t *n, const char *channel, int64_t *ret)
{
	size_t i = 0;

	while (i < *n && strcmp(known[i].name, channel))
		i++;
	if (i == *n) {
		known[i].name = channel;
		KM_TRY(admin_count_hosts(call, channel, &known[i].hosts));
		++*n;
	}
	*ret = known[i].hosts;
	return NULL;
}

static km_error *cve_rows(struct call *call, json_t *array)
{
	km_store *store = call->server->store;
	struct km_store_release_count *counts;
	struct channel_hosts *known;
	struct km_store_cve *cves;
	size_t n, n_counts, n_known = 0;

	KM_TRY(km_store_cves(store, call_arena(call), &cves, &n));
	KM_TRY(km_store_release_counts(store, NULL, call_arena(call), &counts, &n_counts));
	known = km_arena_alloc(call_arena(call), n * sizeof(*known));
	for (size_t i = 0; i < n; i++) {
		int64_t hosts;

		KM_TRY(hosts_of(call, known, &n_known, cves[i].channel, &hosts));
		json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "cve", cves[i].cve, "severity",
						       km_severity_name(cves[i].severity), "channel", cves[i].channel,
						       "release", cves[i].release, "closed",
						       (json_int_t)loaded(counts, n_counts, &cves[i]), "hosts",
						       (json_int_t)hosts));
	}
	return NULL;
}

static km_error *cves(struct call *call)
{
	json_t *array = json_array();
	km_error *err = cve_rows(call, array);

	if (!err)
		return call_json(call, 200, json_pack("{s:o}", "cves", array));
	json_decref(array);
	return err;
}

km_http_response *admin_cves(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), cves);
}

/* ---- kernels ---- */

static json_t *covered_json(const struct km_store_covered *covered, size_t n, const struct km_store_kernels *kernel)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		if (!strcmp(covered[i].kernel, kernel->kernel) && !strcmp(covered[i].arch, kernel->arch))
			json_array_append_new(array,
					      json_pack("{s:s, s:s, s:s}", "channel", covered[i].channel, "release",
							covered[i].release, "build_id", covered[i].build_id));
	return array;
}

static km_error *kernels(struct call *call)
{
	struct km_store_kernels *rows;
	struct km_store_covered *covered;
	size_t n, n_covered;
	json_t *array;

	KM_TRY(km_store_count_kernels(call->server->store, call_arena(call), &rows, &n));
	KM_TRY(km_store_covered(call->server->store, call_arena(call), &covered, &n_covered));
	array = json_array();
	for (size_t i = 0, next; i < n; i = next) {
		json_t *standing = json_object();
		int64_t hosts = 0;

		for (next = i;
		     next < n && !strcmp(rows[next].kernel, rows[i].kernel) && !strcmp(rows[next].arch, rows[i].arch);
		     next++) {
			json_object_set_new(standing, km_standing_name(rows[next].standing),
					    json_integer(rows[next].hosts));
			hosts += rows[next].hosts;
		}
		json_array_append_new(array, json_pack("{s:s, s:s, s:I, s:o, s:o}", "arch", rows[i].arch, "kernel",
						       rows[i].kernel, "hosts", (json_int_t)hosts, "standing", standing,
						       "covered", covered_json(covered, n_covered, &rows[i])));
	}
	return call_json(call, 200, json_pack("{s:o}", "kernels", array));
}

km_http_response *admin_kernels(km_http_request *request, void *server)
{
	(void)server;
	return call_read(call_of(request), kernels);
}
