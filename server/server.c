/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Setting up all parts in order, and taking them down in the reverse order. */
#include <stdarg.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blobs.h"
#include "documents.h"
#include "engine.h"
#include "load.h"
#include "metrics.h"
#include "routes.h"
#include "server.h"
#include "writer.h"

enum { READERS = 2, READS = 1000, STOP_SECONDS = 10 };

int64_t server_now(void)
{
	return time(NULL);
}

/* ---- the log ---- */

static void say(int level, const char *text)
{
	/* Where stderr is the journal's, it takes the level from the line. */
	if (getenv("JOURNAL_STREAM"))
		fprintf(stderr, "<%d>%s\n", level, text);
	else
		fprintf(stderr, "kmend-server: %s%s\n", level == 4 ? "warning: " : "", text);
}

void server_log(const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	say(6, text);
}

void server_warn(const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	say(4, text);
}

void server_warn_error(km_error *err, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL, *line = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	line = km_printf("%s: %s%s%s", text, err->message, err->hint ? "; " : "", err->hint ? err->hint : "");
	say(4, line);
	km_error_free(err);
}

/* A line on each request, without its query and headers: what is secret is there. */
static void request_done(const struct km_http_done *done, const km_http_request *request, void *ctx)
{
	struct server *server = ctx;
	const struct km_http_route *route = km_http_request_route(request);

	metrics_count(server->metrics, routes_index(route), done);
	if (server->config->verbose)
		server_log("%s %s %s %d %.1f ms%s", done->remote, done->method, km_http_request_path(request),
			   done->status, done->seconds * 1000, done->whole ? "" : ", cut off");
}

/* ---- setting up ---- */

static km_error *lock_data(const struct config *config, struct server *ret)
{
	KM_AUTOFREE char *path = km_path(config->data, ".server");

	if (!km_is_dir(config->data))
		return km_error_hint(km_error_new(KM_ENV, "there is no data directory %s", config->data),
				     "kmend-server init %s makes it", config->data);
	KM_TRY(km_lock(path, false, &ret->lock));
	if (ret->lock < 0)
		return km_error_new(KM_ENV, "another kmend-server runs on %s", config->data);
	return NULL;
}

static km_error *open_state(const struct config *config, struct server *ret)
{
	KM_AUTOFREE char *path = km_path(config->data, "state.db");
	km_error *err;

	if (!config->database && !km_exists(path))
		return km_error_hint(km_error_new(KM_ENV, "there is no state in %s", config->data),
				     "kmend-server init %s makes it", config->data);
	err = km_store_open(config->database ? config->database : path, &ret->store);
	return err ? km_error_add(err, "cannot open the state") : NULL;
}

static void create_parts(struct server *s)
{
	const struct config *c = s->config;
	struct queue_options writer = {.threads = 1,
				       .batch = WRITER_BATCH,
				       .bound = (size_t)c->queue,
				       .period = 1,
				       .work = writer_work},
			     readers = {.threads = READERS, .batch = 1, .bound = READS, .work = reader_work};

	s->shared = c->database != NULL;
	s->started = server_now();
	s->table = table_create();
	s->documents = documents_create();
	s->metrics = metrics_create();
	s->hosts = limit_create((double)c->rate_host, 20 * (double)c->rate_host);
	s->tokens = limit_create((double)c->rate_token, 5 * (double)c->rate_token);
	s->addresses = limit_create((double)c->rate_address, 5 * (double)c->rate_address);
	s->failures = limit_create((double)c->rate_failed, 4 * (double)c->rate_failed);
	s->notes = limit_create(1.0 / 60, 5);
	s->all_notes = limit_create(1, 60);
	s->writes = writer_create(s);
	writer.ctx = s->writes;
	s->writer = queue_create(&writer);
	s->readers = queue_create(&readers);
}

static km_error *listen_on(struct server *s, int fd)
{
	const struct config *c = s->config;
	struct km_http_options options = {.listen = fd < 0 ? c->listen : NULL,
					  .fd = fd,
					  .threads = (unsigned)c->threads,
					  .connections = (unsigned)c->connections,
					  .cert = c->cert,
					  .key = c->key,
					  .proxies = (const char *const *)c->proxies.at,
					  .n_proxies = c->proxies.n,
					  .routes = routes,
					  .n_routes = n_routes,
					  .ctx = s,
					  .done = request_done};

	return km_http_server_create(&options, &s->http);
}

static km_error *start(struct server *s, int fd)
{
	KM_TRY(lock_data(s->config, s));
	KM_TRY(open_state(s->config, s));
	KM_TRY(blobs_setup(s->config->data));
	create_parts(s);
	KM_TRY(load_tokens(s));
	KM_TRY(load_hosts(s));
	KM_TRY(documents_load(s));
	KM_TRY(engine_start(s, &s->engine));
	return listen_on(s, fd);
}

km_error *server_start(const struct config *config, int fd, struct server *ret)
{
	km_error *err;

	*ret = (struct server){.config = config, .lock = -1};
	err = start(ret, fd);
	if (err)
		server_stop(ret);
	return err;
}

void server_stop(struct server *s)
{
	engine_stop(s->engine);
	s->engine = NULL;
	/* The queues work on while requests that wait for them are answered. */
	km_http_server_stop(s->http, STOP_SECONDS);
	queue_destroy(s->readers);
	queue_destroy(s->writer);
	if (s->writes)
		writer_flush(s->writes);
	writer_destroy(s->writes);
	if (s->documents)
		documents_destroy(s->documents);
	table_destroy(s->table);
	metrics_destroy(s->metrics);
	limit_destroy(s->hosts);
	limit_destroy(s->tokens);
	limit_destroy(s->addresses);
	limit_destroy(s->failures);
	limit_destroy(s->notes);
	limit_destroy(s->all_notes);
	km_store_close(s->store);
	if (s->lock >= 0)
		close(s->lock);
	*s = (struct server){.lock = -1};
}
