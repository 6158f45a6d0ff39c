/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of the server share. One connection is a peer, of one polling thread; it has one request at a time. Names follow
 * libmicrohttpd's life of them: URI, headers, body, answer, completed.
 */
#ifndef KMEND_HTTP_INTERNAL_H
#define KMEND_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "pure.h"

enum {
	KM_HTTP_DRAIN = 256 << 10, /* bytes of a body that nobody wants and that are read, so that the client sees the answer */
	KM_HTTP_BEARER_MAX = 512,
};

/* A daemon of libmicrohttpd: the server has one, and while a certificate is changed those that serve connections with an old one. */
struct generation {
	struct MHD_Daemon *daemon;
	struct generation *older;
	atomic_bool retired; /* its connections close after their next answer */
	km_http_server *server;
	int fd; /* a duplicate of the server's */
	atomic_bool started;
	char words[256]; /* libmicrohttpd's last ones until then */
};

struct km_http_server {
	atomic_uint refs; /* one for whoever stops it, one for each request that waits for km_http_answer() */
	struct km_http_options options;
	char *cert, *key; /* paths */
	struct km_http_net *proxies;
	struct km_http_table table;
	int fd;
	unsigned port;
	char *url;

	pthread_mutex_t lock; /* the four below, and whether a request waits */
	pthread_cond_t wake;
	struct generation *newest;
	struct peer *peers;
	km_http_request *waiting;
	bool stopping;

	pthread_t watch;
	atomic_uint n_peers, n_requests, n_waiting;
	atomic_uint_fast64_t cut;
	atomic_bool closing; /* answers close their connection */
};

/* ---- server.c ----------------------------------------------------------------------------------------------------- */
/* Ends its threads and connections. */
void km_http_generation_destroy(struct generation *generation);

/* ---- peer.c: connections, and the thread that ends slow ones ------------------------------------------------------- */
struct peer {
	struct generation *generation;
	struct peer *next, **link;
	struct in6_addr address;
	char text[INET6_ADDRSTRLEN];
	bool proxy; /* one of the trusted */
	int fd;
	_Atomic int64_t deadline; /* milliseconds of km_now(); 0: none */
};
/* MHD_OPTION_NOTIFY_CONNECTION; cls is the generation. */
void km_http_peer_notify(void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code);
struct peer *km_http_peer_of(struct MHD_Connection *connection);
/* What has begun then must be done within options.slow seconds and one for each KiB. */
void km_http_peer_hurry(struct peer *peer, double since, uint64_t bytes);
/* It may wait for its next request. */
void km_http_peer_rest(struct peer *peer);
/* It waits for us. */
void km_http_peer_free(struct peer *peer);
/* Until server->stopping: ends slow connections, and generations without any. */
void *km_http_watch(void *server);

/* ---- request.c ---------------------------------------------------------------------------------------------------- */
struct km_http_request {
	atomic_uint refs; /* libmicrohttpd's, and that of whoever answers later */
	km_http_server *server;
	struct MHD_Connection *connection;
	struct peer *peer;
	const struct km_http_pattern *pattern;
	char method[16]; /* "" until the headers are there */
	char *bearer;
	struct in6_addr address;
	char remote[INET6_ADDRSTRLEN];
	double began;

	int64_t length; /* of the body as told; -1: it is not */
	uint64_t in, drained; /* taken; of it, after the answer was decided */
	uint8_t *body;
	size_t cap;
	void *kept;
	void (*release)(void *data);

	km_http_response *response; /* decided, not sent yet */
	int status;
	uint64_t out;
	bool begun, parted /* km_http_later() was called */;
	bool waits; /* in server->waiting; under its lock */
	km_http_request *next, **link;

	bool sound; /* target was read */
	struct km_http_target target;
	char *path;
	char text[]; /* path, scratch of the target */
};
km_http_request *km_http_request_create(km_http_server *server, const char *uri, struct MHD_Connection *connection);
void km_http_request_unref(km_http_request *request);
void km_http_server_unref(km_http_server *server);

/* ---- handle.c: libmicrohttpd's callbacks of a request --------------------------------------------------------------- */
void *km_http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection);
enum MHD_Result km_http_on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
				   const char *bytes, size_t *size, void **context);
void km_http_on_completed(void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode why);

/* ---- response.c, send.c --------------------------------------------------------------------------------------------- */
struct km_http_response {
	int status;
	int fd; /* -1: bytes */
	uint64_t size;
	void *bytes; /* only read */
	void *owned;	/* bytes, if they are to be freed */
	km_str headers; /* name, value, name, value, each with its NUL */
	size_t etag;	/* its place in headers; 0: none. It has quotes there */
	bool cached;	/* has a Cache-Control */
	char tail[];
};
/* Sends request->response, which it takes; close: the last answer of its connection. */
enum MHD_Result km_http_queue(km_http_request *request, bool close);

/* ---- later.c -------------------------------------------------------------------------------------------------------- */
/* Answers all that wait with 503; those that come after server->stopping get it at once. */
void km_http_abandon(km_http_server *server);

/* ---- listen.c ------------------------------------------------------------------------------------------------------- */
/* A listening socket at "ADDRESS:PORT". */
KM_CHECKED km_error *km_http_listen(const char *address, int *ret);
/* Port and URL of a listening socket. */
void km_http_listens_at(int fd, bool tls, unsigned *port, char **url);

#endif
