/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdatomic.h>

#include "call.h"
#include "documents.h"
#include "engine.h"
#include "metrics.h"
#include "routes.h"
#include "writer.h"

enum { ROUTES_MAX = 64, CLASSES = 6, BUCKETS = 10 };

static const double bounds[BUCKETS] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5};

struct metrics {
	atomic_uint_fast64_t requests[ROUTES_MAX + 1][CLASSES]; /* the last: no route */
	atomic_uint_fast64_t buckets[BUCKETS + 1], microseconds, in, out;
};

struct metrics *metrics_create(void)
{
	return km_calloc(1, sizeof(struct metrics));
}

void metrics_destroy(struct metrics *metrics)
{
	free(metrics);
}

void metrics_count(struct metrics *m, size_t route, const struct km_http_done *done)
{
	int class = done->status / 100;
	size_t i = 0;

	m->requests[route < ROUTES_MAX ? route : ROUTES_MAX][class > 0 && class < CLASSES ? class : 0]++;
	while (i < BUCKETS && done->seconds > bounds[i])
		i++;
	m->buckets[i]++;
	m->microseconds += (uint64_t)(done->seconds * 1e6);
	m->in += done->in;
	m->out += done->out;
}

/* ---- text ---- */

static void head(km_str *s, const char *name, const char *type, const char *help)
{
	km_str_printf(s, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void requests(const struct metrics *m, km_str *s)
{
	uint64_t sum = 0;

	head(s, "kmend_requests_total", "counter", "requests by route and class of status; 0: no answer of ours");
	for (size_t i = 0; i <= ROUTES_MAX; i++)
		for (int c = 0; c < CLASSES; c++) {
			uint64_t n = m->requests[i][c];
			const struct km_http_route *route = i < ROUTES_MAX ? routes_at(i) : NULL;

			if (n)
				km_str_printf(s,
					      "kmend_requests_total{method=\"%s\",route=\"%s\",status=\"%dxx\"} %llu\n",
					      route ? route->method : "", route ? route->pattern : "", c,
					      (unsigned long long)n);
		}
	head(s, "kmend_request_seconds", "histogram",
	     "from the first line of a request to the last byte of its answer");
	for (size_t i = 0; i < BUCKETS; i++) {
		sum += m->buckets[i];
		km_str_printf(s, "kmend_request_seconds_bucket{le=\"%g\"} %llu\n", bounds[i], (unsigned long long)sum);
	}
	sum += m->buckets[BUCKETS];
	km_str_printf(s, "kmend_request_seconds_bucket{le=\"+Inf\"} %llu\n", (unsigned long long)sum);
	km_str_printf(s, "kmend_request_seconds_sum %.6f\n", (double)m->microseconds / 1e6);
	km_str_printf(s, "kmend_request_seconds_count %llu\n", (unsigned long long)sum);
	head(s, "kmend_bytes_total", "counter", "bytes of bodies");
	km_str_printf(s, "kmend_bytes_total{way=\"in\"} %llu\nkmend_bytes_total{way=\"out\"} %llu\n",
		      (unsigned long long)m->in, (unsigned long long)m->out);
}

static void gauge(km_str *s, const char *name, const char *help, double value)
{
	head(s, name, "gauge", help);
	km_str_printf(s, "%s %.15g\n", name, value);
}

struct expiry {
	km_str *s;
	int64_t now;
};

static void expiry(void *ctx, enum km_doc doc, const char *channel, const struct held *held)
{
	const struct expiry *e = ctx;

	km_str_printf(e->s, "kmend_document_days_left{document=\"%s\",channel=\"%s\"} %.3f\n", km_doc_name(doc),
		      channel, (double)(held->expires - e->now) / 86400);
}

static km_error *channels(struct call *call, const struct snapshot *snapshot, km_str *s)
{
	head(s, "kmend_hosts", "gauge", "hosts by channel and by how they say that they stand");
	for (size_t i = 0; i < snapshot->n_channels; i++) {
		int64_t standing[KM_STANDINGS];

		KM_TRY(km_store_count_standing(call->server->store, snapshot->channels[i].name, standing));
		for (int j = 0; j < KM_STANDINGS; j++)
			km_str_printf(s, "kmend_hosts{channel=\"%s\",state=\"%s\"} %lld\n", snapshot->channels[i].name,
				      km_standing_name((enum km_standing)j), (long long)standing[j]);
	}
	head(s, "kmend_channel_halted", "gauge", "1: all of the channel is halted");
	for (size_t i = 0; i < snapshot->n_channels; i++)
		km_str_printf(s, "kmend_channel_halted{channel=\"%s\"} %d\n", snapshot->channels[i].name,
			      !!snapshot->channels[i].halt);
	return NULL;
}

static km_error *rollouts(struct call *call, km_str *s)
{
	uint64_t states[KM_ROLLOUT_STATES] = {0};
	struct km_store_rollout *list;
	int64_t before = 0;
	size_t n;

	do {
		KM_TRY(km_store_rollouts(call->server->store, NULL, false, before, KM_STORE_PAGE_MAX, call_arena(call),
					 &list, &n));
		for (size_t i = 0; i < n; i++) {
			states[list[i].at.state]++;
			before = list[i].id;
		}
	} while (n == KM_STORE_PAGE_MAX);
	head(s, "kmend_rollouts", "gauge", "rollouts by state");
	for (int i = 0; i < KM_ROLLOUT_STATES; i++)
		km_str_printf(s, "kmend_rollouts{state=\"%s\"} %llu\n", km_rollout_state_name((enum km_rollout_state)i),
			      (unsigned long long)states[i]);
	return NULL;
}

static km_error *text(struct call *call, km_str *s)
{
	struct server *server = call->server;
	struct km_http_load load = km_http_server_load(server->http);
	struct snapshot *snapshot = documents_get(server);
	struct expiry e = {s, call->now};
	km_error *err;

	requests(server->metrics, s);
	gauge(s, "kmend_connections", "connections that are open", load.connections);
	head(s, "kmend_connections_cut_total", "counter", "connections closed for being too slow");
	km_str_printf(s, "kmend_connections_cut_total %llu\n", (unsigned long long)load.cut);
	gauge(s, "kmend_queue_length", "writes that wait", (double)queue_length(server->writer));
	head(s, "kmend_store_errors_total", "counter", "transactions that failed");
	km_str_printf(s, "kmend_store_errors_total %llu\n", (unsigned long long)writer_errors(server->writes));
	gauge(s, "kmend_hosts_known", "hosts in memory", (double)table_count(server->table));
	gauge(s, "kmend_engine", "1: this server runs the rollouts", engine_leads(server->engine));
	gauge(s, "kmend_started_seconds", "when this server started, since 1970", (double)server->started);
	head(s, "kmend_document_days_left", "gauge", "days until the newest document of its kind expires");
	snapshot_each(snapshot, expiry, &e);
	err = channels(call, snapshot, s);
	documents_release(server, snapshot);
	return err ? err : rollouts(call, s);
}

static km_error *show(struct call *call)
{
	km_str s = {0};
	km_error *err = text(call, &s);

	if (err)
		km_str_free(&s);
	else
		call->response = km_http_take(200, "text/plain; version=0.0.4", s.at, s.n);
	return err;
}

/* The file is read each time: the word can be changed while the server runs. */
static bool may(struct call *call)
{
	const char *path = call->server->config->metrics, *bearer = km_http_request_bearer(call->request);
	KM_AUTOFREE uint8_t *word = NULL;
	char want[KM_SHA256_HEX], have[KM_SHA256_HEX];
	size_t size;
	km_error *err;

	if (!path)
		return true;
	err = km_file_read(path, &word, &size);
	if (err)
		server_warn_error(err, "metrics-secret");
	else
		word[strcspn((char *)word, "\r\n")] = '\0';
	if (err || !bearer || !*word)
		return false;
	km_fleet_secret_hash((char *)word, want);
	km_fleet_secret_hash(bearer, have);
	return !strcmp(want, have);
}

km_http_response *metrics_get(km_http_request *request, void *ctx)
{
	struct call *call = call_of(request);

	(void)ctx;
	if (!may(call))
		return km_http_fail(401, "unauthorized", "this needs the word of metrics-secret as its bearer");
	return call_read(call, show);
}
