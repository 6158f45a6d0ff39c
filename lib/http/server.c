/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server: a pool of libmicrohttpd's polling threads (its single-thread epoll mode stalls at some hundred
 * connections), and a thread that watches over connections.
 */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

enum {
	/* For first line, headers and a piece of a body at once; what does not fit is 431 or 414. */
	MEMORY_OF_CONNECTION = 16 << 10,
	GRACE = 1, /* seconds for the 503 of those that waited to the end */
};

struct pem {
	char *cert, *key;
};

static void pem_free(struct pem *pem)
{
	if (pem->key)
		explicit_bzero(pem->key, strlen(pem->key));
	free(pem->key);
	free(pem->cert);
}

/* libmicrohttpd's words: the last ones before it gives up say why. Later ones tell what clients do wrong. */
static void keep_words(void *cls, const char *fmt, va_list ap)
{
	struct generation *generation = cls;

	if (!generation->started)
		vsnprintf(generation->words, sizeof(generation->words), fmt, ap);
}

/* The target is decoded by target.c. */
static size_t no_unescape(void *cls, struct MHD_Connection *connection, char *text)
{
	(void)cls, (void)connection;
	return strlen(text);
}

static km_error *pem_read(const km_http_server *server, struct pem *ret)
{
	struct pem pem = {0};
	size_t n;
	km_error *err;

	if (!server->cert)
		return NULL;
	err = km_file_read(server->cert, (uint8_t **)&pem.cert, &n);
	if (!err)
		err = km_file_read(server->key, (uint8_t **)&pem.key, &n);
	if (err) {
		pem_free(&pem);
		return err;
	}
	*ret = pem;
	return NULL;
}

static struct MHD_Daemon *start(struct generation *generation, const struct pem *pem)
{
	const struct km_http_options *options = &generation->server->options;
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC | MHD_ALLOW_SUSPEND_RESUME |
			 MHD_USE_ERROR_LOG;
	unsigned threads = options->threads > 1 ? options->threads : 0; /* a pool of one is refused */
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, pem->cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, pem->key},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL},
	};

	return MHD_start_daemon(flags | (pem->cert ? MHD_USE_TLS : 0), 0, NULL, NULL, km_http_on_request, generation,
				MHD_OPTION_EXTERNAL_LOGGER, keep_words, generation, MHD_OPTION_LISTEN_SOCKET,
				generation->fd, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT,
				options->connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->per_address,
				MHD_OPTION_CONNECTION_TIMEOUT, options->idle, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)MEMORY_OF_CONNECTION, MHD_OPTION_STRICT_FOR_CLIENT, 1,
				MHD_OPTION_UNESCAPE_CALLBACK, no_unescape, NULL, MHD_OPTION_URI_LOG_CALLBACK,
				km_http_on_uri, generation, MHD_OPTION_NOTIFY_COMPLETED, km_http_on_completed,
				generation, MHD_OPTION_NOTIFY_CONNECTION, km_http_peer_notify, generation,
				MHD_OPTION_ARRAY, pem->cert ? tls : tls + KM_COUNT(tls) - 1, MHD_OPTION_END);
}

static km_error *not_started(const struct generation *generation)
{
	const km_http_server *server = generation->server;
	KM_AUTOFREE char *words = km_strndup(generation->words, strcspn(generation->words, "\n"));

	if (server->cert)
		return km_error_hint(
			km_error_new(KM_ENV, "cannot serve HTTPS with %s and %s: %s", server->cert, server->key, words),
			"both must be PEM, and the key the certificate's");
	return km_error_new(KM_ENV, "the HTTP server does not start: %s", words);
}

/* A daemon that serves the server's socket with the certificate as it is now. */
static km_error *generation_create(km_http_server *server, struct generation **ret)
{
	struct generation *generation;
	KM_CLEANUP(pem_free) struct pem pem = {0};
	km_error *err;

	KM_TRY(pem_read(server, &pem));
	generation = km_calloc(1, sizeof(*generation));
	generation->server = server;
	generation->fd = fcntl(server->fd, F_DUPFD_CLOEXEC, 0);
	if (generation->fd >= 0)
		generation->daemon = start(generation, &pem);
	generation->started = true;
	if (generation->daemon) {
		*ret = generation;
		return NULL;
	}
	err = generation->fd < 0 ? km_error_sys(errno, "cannot duplicate a socket") : not_started(generation);
	km_closep(&generation->fd);
	free(generation);
	return err;
}

void km_http_generation_destroy(struct generation *generation)
{
	MHD_stop_daemon(generation->daemon);
	km_closep(&generation->fd);
	free(generation);
}

/* ---- options ----------------------------------------------------------------------------------------------------- */
static km_error *copy_options(km_http_server *server, const struct km_http_options *options)
{
	struct km_http_options *own = &server->options;

	*own = *options;
	own->threads = own->threads ? own->threads : km_cpus();
	own->connections = own->connections ? own->connections : 1000;
	own->connections = own->connections < own->threads ? own->threads : own->connections;
	own->idle = own->idle ? own->idle : 60;
	own->slow = own->slow ? own->slow : 30;
	if (!own->cert != !own->key)
		return km_error_new(KM_USAGE, "HTTPS needs both a certificate and a key");
	server->cert = own->cert ? km_strdup(own->cert) : NULL;
	server->key = own->key ? km_strdup(own->key) : NULL;
	server->proxies = km_calloc(own->n_proxies, sizeof(*server->proxies));
	for (size_t i = 0; i < own->n_proxies; i++)
		if (!km_http_net_read(own->proxies[i], &server->proxies[i]))
			return km_error_hint(km_error_new(KM_USAGE, "\"%s\" is no address of a proxy", own->proxies[i]),
					     "write 127.0.0.1, ::1 or 10.0.0.0/8");
	own->listen = own->cert = own->key = NULL;
	own->proxies = NULL;
	return km_http_table_make(own->routes, own->n_routes, &server->table);
}

static km_error *run(km_http_server *server, const char *listen)
{
	int error;

	if (listen)
		KM_TRY(km_http_listen(listen, &server->fd));
	else if (fcntl(server->fd, F_SETFL, fcntl(server->fd, F_GETFL) | O_NONBLOCK) < 0)
		return km_error_sys(errno, "the socket to listen on cannot be used");
	km_http_listens_at(server->fd, server->cert, &server->port, &server->url);
	KM_TRY(generation_create(server, &server->newest));
	error = pthread_create(&server->watch, NULL, km_http_watch, server);
	return error ? km_error_sys(error, "cannot start a thread") : NULL;
}

void km_http_server_unref(km_http_server *server)
{
	if (--server->refs)
		return;
	pthread_cond_destroy(&server->wake);
	pthread_mutex_destroy(&server->lock);
	km_closep(&server->fd);
	km_http_table_free(&server->table);
	free(server->proxies);
	free(server->cert);
	free(server->key);
	free(server->url);
	free(server);
}

km_error *km_http_server_create(const struct km_http_options *options, km_http_server **ret)
{
	km_http_server *server = km_calloc(1, sizeof(*server));
	pthread_condattr_t clock;
	km_error *err;

	server->refs = 1;
	server->fd = options->listen ? -1 : options->fd;
	pthread_mutex_init(&server->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&server->wake, &clock);
	pthread_condattr_destroy(&clock);
	err = copy_options(server, options);
	if (!err)
		err = run(server, options->listen);
	if (err) {
		if (server->newest)
			km_http_generation_destroy(server->newest);
		km_http_server_unref(server);
		return err;
	}
	*ret = server;
	return NULL;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */
static void wait_for_requests(const km_http_server *server, double seconds)
{
	const struct timespec tick = {0, 2000000};
	double until = km_now() + seconds;

	while (server->n_requests && km_now() < until)
		nanosleep(&tick, NULL);
}

void km_http_server_stop(km_http_server *server, double seconds)
{
	struct generation *older;

	if (!server)
		return;
	server->closing = true;
	MHD_quiesce_daemon(server->newest->daemon);
	wait_for_requests(server, seconds);
	pthread_mutex_lock(&server->lock);
	server->stopping = true;
	pthread_cond_signal(&server->wake);
	pthread_mutex_unlock(&server->lock);
	pthread_join(server->watch, NULL);
	km_http_abandon(server);
	wait_for_requests(server, GRACE);
	for (struct generation *one = server->newest; one; one = older) {
		older = one->older;
		km_http_generation_destroy(one);
	}
	km_http_server_unref(server);
}

km_error *km_http_server_reload(km_http_server *server)
{
	struct generation *generation;

	if (!server->cert)
		return km_error_new(KM_NOTHING, "the server has no certificate");
	KM_TRY(generation_create(server, &generation));
	generation->older = server->newest;
	generation->older->retired = true;
	MHD_quiesce_daemon(generation->older->daemon);
	/* From here on the watch may end it. */
	pthread_mutex_lock(&server->lock);
	server->newest = generation;
	pthread_mutex_unlock(&server->lock);
	return NULL;
}

/* ---- what it is ---------------------------------------------------------------------------------------------- */
unsigned km_http_server_port(const km_http_server *server)
{
	return server->port;
}

const char *km_http_server_url(const km_http_server *server)
{
	return server->url;
}

struct km_http_load km_http_server_load(const km_http_server *server)
{
	return (struct km_http_load){server->n_peers, server->n_requests, server->n_waiting, server->cut};
}
