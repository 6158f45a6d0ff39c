/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/http.h - HTTP/1.1 on both ends: a server with a table of routes (libmicrohttpd) and a client (libcurl). It knows no kernels and no
 * documents.
 *
 * The server's handlers run on its polling threads: one that waits holds up every connection of its thread. What takes longer than a
 * millisecond answers later (km_http_later()), from a thread of the caller's.
 */
#ifndef KMEND_HTTP_H
#define KMEND_HTTP_H

#include <jansson.h>
#include <kmend/base.h>

typedef struct km_http_server km_http_server;
typedef struct km_http_request km_http_request;
typedef struct km_http_response km_http_response;
typedef struct km_http_client km_http_client;

/* ---- routes ------------------------------------------------------------------------------------------------------
 * The first route whose pattern and method fit has the request. A pattern's segments are words, or ":name" for any one segment that is not
 * empty. A GET route answers HEAD, too. No pattern fits: 404 "not-found"; only other methods do: 405 "method" with Allow.
 *
 * A request's path and query are percent-decoded, and each segment, name and value is UTF-8 without control characters; a segment has no '/'
 * and is neither "." nor "..". Anything else is 400 "bad-path" before a handler sees it.
 *
 * In order: begin() when the headers are there; add() for each piece of the body, if the route streams; handle() when all of it is there. An
 * answer from one of the first two ends it: nobody is given the rest of the body, which is read as far as the client needs it to see the
 * answer. All get the ctx of the server's options.
 */
struct km_http_route {
	const char *method;  /* "GET", … */
	const char *pattern; /* "/v1/channels/:channel/index/:version" */
	size_t body_max;     /* bytes that a body may have; 0: a body is refused. More is 413 "body-size" */
	/* Looks at the headers before a byte of the body is taken: NULL goes on, an answer refuses. May be NULL. */
	km_http_response *(*begin)(km_http_request *request, void *ctx);
	/* Takes the next piece of the body, which is not collected then. NULL goes on. May be NULL: it is collected. */
	km_http_response *(*add)(km_http_request *request, const void *bytes, size_t size, void *ctx);
	/* The answer; or NULL after km_http_later(). */
	km_http_response *(*handle)(km_http_request *request, void *ctx);
	unsigned need;	  /* the caller's: a role, flags */
	const void *data; /* the caller's */
};

/* ---- the server -------------------------------------------------------------------------------------------------- */
struct km_http_done { /* a request that is over */
	const char *method;  /* "" when not even the first line was one of HTTP */
	const char *pattern; /* of its route; NULL: none */
	const char *remote;  /* km_http_request_remote() */
	int status;	     /* that was answered; 0: none of ours (it was no HTTP, or the client left before) */
	double seconds;	     /* from the first line to the last byte of the answer */
	uint64_t in, out;    /* bytes of both bodies; out: as announced */
	bool whole;	     /* the answer was sent to its end */
};

/* Zero is a sensible value everywhere but for listen, routes and n_routes. Everything is copied but routes, which stay the caller's. */
struct km_http_options {
	const char *listen;	   /* "127.0.0.1:8080", "[::1]:8443", "*:8080" (all addresses), port 0: the kernel chooses; NULL: fd */
	int fd;			   /* a listening socket, as km_http_systemd_socket() gives it; the server closes it */
	unsigned threads;	   /* 0: one for each CPU */
	unsigned connections;	   /* at once; what comes beyond waits in the kernel's queue. 0: 1000 */
	unsigned per_address;	   /* connections of one address at once; 0: any number. Not for servers behind a proxy */
	unsigned idle;		   /* seconds without a byte after which a connection is closed; 0: 60 */
	unsigned slow;		   /* seconds in which a request must have come, or an answer been taken, plus one for each KiB; 0: 30 */
	const char *cert, *key;	   /* files in PEM: HTTPS; both or none. The certificate's chain stands in cert */
	const char *const *proxies; /* "10.0.0.0/8", "::1": their X-Forwarded-For is believed */
	size_t n_proxies;
	const struct km_http_route *routes;
	size_t n_routes;
	void *ctx; /* for handlers and hooks */
	/* After each request, on a polling thread. request: its accessors but km_http_request_header() work. May be NULL. */
	void (*done)(const struct km_http_done *done, const km_http_request *request, void *ctx);
};

/* A running server. KM_USAGE for an address that is none; KM_ENV when it cannot be listened on, or a certificate cannot be used. */
KM_CHECKED km_error *km_http_server_create(const struct km_http_options *options, km_http_server **ret);
/* Takes no more connections, lets the requests that are under way end for that many seconds, answers those that wait for km_http_answer()
 * with 503, closes all connections and frees the server. NULL is fine. */
void km_http_server_stop(km_http_server *server, double seconds);
/* The port that it listens on; 0 for what has no ports. */
unsigned km_http_server_port(const km_http_server *server);
/* "https://127.0.0.1:8443": where it listens, as a URL; the server's. */
const char *km_http_server_url(const km_http_server *server);
/* Reads certificate and key again: connections from now on get the new ones. After an error the old ones stay. KM_NOTHING without TLS. */
KM_CHECKED km_error *km_http_server_reload(km_http_server *server);
struct km_http_load {
	unsigned connections; /* open now */
	unsigned requests;    /* under way */
	unsigned later;	      /* of them: waiting for km_http_answer() */
	uint64_t cut;	      /* connections closed for being too slow, so far */
};
struct km_http_load km_http_server_load(const km_http_server *server);
/* The one listening socket that systemd passed to this process (sd_listen_fds(3)), or -1 for none; takes the variables out of the
 * environment. KM_ENV when there are several, or it is no listening stream socket. */
KM_CHECKED km_error *km_http_systemd_socket(int *ret);

/* ---- requests ----------------------------------------------------------------------------------------------------
 * What these give is the request's, and valid until it is answered; in a request that was answered by the handler, until done() returns.
 */
const struct km_http_route *km_http_request_route(const km_http_request *request);
/* "GET", …; "HEAD" even though the route says GET. */
const char *km_http_request_method(const km_http_request *request);
/* The path as it was sent, without its query: for logs; printable. */
const char *km_http_request_path(const km_http_request *request);
/* The decoded segment that ":name" stands for; NULL: the pattern has no such name. */
const char *km_http_request_param(const km_http_request *request, const char *name);
/* The decoded value of the query's first argument of that name; "" for one without '=', NULL: there is none. */
const char *km_http_request_arg(const km_http_request *request, const char *name);
/* The i-th argument's name, with its value; NULL: there are not that many. */
const char *km_http_request_arg_at(const km_http_request *request, size_t i, const char **value);
/* A header's value, or NULL. Not after km_http_later(). */
const char *km_http_request_header(const km_http_request *request, const char *name);
/* What "Authorization: Bearer" brought: printable ASCII without spaces; NULL: none. */
const char *km_http_request_bearer(const km_http_request *request);
/* The client's address without a port; that which a trusted proxy names, if it came by one. */
const char *km_http_request_remote(const km_http_request *request);
/* The collected body; ends with a NUL that size does not count. NULL and 0 without one. */
const void *km_http_request_body(const km_http_request *request, size_t *size);
/* Bytes that the body is going to have, in begin(); -1: not known (chunked). */
int64_t km_http_request_length(const km_http_request *request);
/* Keeps something of the caller's with the request; release (may be NULL) is called when the request is over, however it ends, on any thread.
 * Once for each request. */
void km_http_request_keep(km_http_request *request, void *data, void (*release)(void *data));
void *km_http_request_kept(const km_http_request *request);

/* Says that the answer comes by km_http_answer(), from any thread and exactly once, even when the client is gone or the server has stopped.
 * The handler hands the request on after this, and then returns NULL without touching it again. */
void km_http_later(km_http_request *request);
/* Answers it. request and response are not the caller's any more. Does not block. */
void km_http_answer(km_http_request *request, km_http_response *response);

/* ---- responses ---------------------------------------------------------------------------------------------------
 * A response is the caller's until a handler returns it or km_http_answer() takes it. All have X-Content-Type-Options: nosniff; what is no
 * file has Cache-Control: no-store unless km_http_header() says otherwise.
 */
/* A copy of the bytes. type: "application/json", …; NULL for none. */
km_http_response *km_http_bytes(int status, const char *type, const void *bytes, size_t size);
/* The same, but takes the bytes, which came from malloc(). */
km_http_response *km_http_take(int status, const char *type, void *bytes, size_t size);
/* The same for bytes that stay as they are for good. */
km_http_response *km_http_static(int status, const char *type, const void *bytes, size_t size);
/* JSON, and takes the reference; compact. json NULL: 500. */
km_http_response *km_http_json(int status, json_t *json);
/* No body: 204, … */
km_http_response *km_http_empty(int status);
/* {"error": {"code": code, "message": …}} */
km_http_response *km_http_fail(int status, const char *code, const char *fmt, ...) KM_PRINTF(3, 4);
/* The same with an error's message, which it takes; KM_USAGE, KM_INPUT and KM_REFUSED are shown, of the others only "internal error" (500 and
 * the code "internal"): their message is for the log. */
km_http_response *km_http_fail_error(int status, const char *code, km_error *err);
/* `size` bytes of a regular file from its begin, by sendfile(2) where that works. Takes fd. Range (one) and If-None-Match are obeyed: 200, 206,
 * 304, 416. */
km_http_response *km_http_file(int fd, uint64_t size, const char *type);
/* An ETag (without its quotes), which If-None-Match of a GET is compared with: 304. */
void km_http_etag(km_http_response *response, const char *etag);
/* One more header; a Cache-Control takes the place of the default. The value has no line breaks. */
void km_http_header(km_http_response *response, const char *name, const char *value);
/* Retry-After, and returns the response. */
km_http_response *km_http_retry_after(km_http_response *response, int64_t seconds);
int km_http_status(const km_http_response *response);
/* For a response that is not going to be sent; NULL is fine. */
void km_http_response_free(km_http_response *response);

/* ---- the client --------------------------------------------------------------------------------------------------
 * One thread at a time; its connection is kept between requests. http and https only, HTTP/1.1, TLS 1.2 and newer.
 */
struct km_http_client_options {
	const char *url;    /* of the server: "https://kmend.example.org[:8443][/prefix]"; no user, query or fragment */
	const char *bearer; /* sent to this server and to no other; NULL: none */
	const char *ca;	    /* a file with certificates in PEM that are trusted instead of the system's; NULL: the system's */
	const char *proxy;  /* "http://proxy:3128", https:// too; "": none; NULL: what the environment says (https_proxy, …) */
	const char *agent;  /* User-Agent; NULL: "kmend/VERSION" */
	double connect;	    /* seconds until there must be a connection; 0: 15 */
	double total;	    /* seconds that a request may take in all, plus one for each KiB that a download or a file may have; 0: 300 */
	unsigned stall;	    /* seconds with less than 100 bytes per second; 0: 30 */
};
/* Reaches for nothing yet. KM_USAGE for a URL or proxy that is not as above. */
KM_CHECKED km_error *km_http_client_create(const struct km_http_client_options *options, km_http_client **ret);
void km_http_client_destroy(km_http_client *client);
/* For KM_CLEANUP. */
void km_http_client_destroyp(km_http_client **client);
/* Another bearer from now on; NULL: none. */
void km_http_client_bearer(km_http_client *client, const char *bearer);

enum { KM_HTTP_REPLY_MAX = 1 << 20 }; /* bytes of a collected reply, unless the call says otherwise */
struct km_http_call {
	const char *method; /* NULL: GET, or POST with a body */
	const char *path;   /* "/v1/health", on this server; or a whole URL of another one, which never gets the bearer */
	/* The body, if any: bytes, or the file fd from its begin. */
	const char *type; /* its Content-Type; NULL: application/json, for files application/octet-stream */
	const void *bytes;
	size_t size;
	bool from_file;
	int fd;		    /* with from_file; stays the caller's */
	uint64_t file_size; /* with from_file */
	/* The reply. */
	size_t reply_max;  /* a longer one is an error; 0: KM_HTTP_REPLY_MAX */
	bool redirects;	   /* follows up to 3 of them, never from https to http */
	const char *etag;  /* If-None-Match; NULL: none */
};
struct km_http_reply {
	int status;
	char *bytes; /* with a NUL behind; never NULL */
	size_t size;
	char *type, *etag;   /* Content-Type and ETag (without quotes), or NULL */
	int64_t retry_after; /* seconds, at most a day; -1: it did not say */
	char *code, *message; /* of {"error": …} in a reply of status 400 and more, printable; or NULL */
	char *url;	     /* that was asked, for messages */
};
/* Any status is a reply; an error means that there is none: KM_ENV with the URL, what went wrong, and a hint; KM_INPUT for a reply that is no
 * HTTP or too long; KM_REFUSED when the server's certificate is not to be trusted. */
KM_CHECKED km_error *km_http_send(km_http_client *client, const struct km_http_call *call, struct km_http_reply *ret);
/* NULL for a status below 300 and for 304; else the reply as an error with the server's message, the URL and a hint. KM_REFUSED for 4xx, KM_ENV
 * for 429, 5xx and the rest. */
KM_CHECKED km_error *km_http_reply_check(const struct km_http_reply *reply);
/* Both at once: an error for a reply that is one. *ret is written (and to be freed) on success only. */
KM_CHECKED km_error *km_http_ask(km_http_client *client, const struct km_http_call *call, struct km_http_reply *ret);
void km_http_reply_free(struct km_http_reply *reply);

struct km_http_sink {
	uint64_t from; /* go on from here (Range); 0: all of it */
	uint64_t max;  /* bytes that the whole may have; more is an error (KM_INPUT) */
	/* The bytes at that place. The first piece comes at `from`, or at 0 if the server does not do ranges. An error ends the download with
	 * it. */
	km_error *(*add)(void *ctx, uint64_t at, const void *bytes, size_t size);
	void *ctx;
};
/* As km_http_ask() with the bytes of a 200 or 206 going to the sink; ret (which may be NULL) has the rest. A download that breaks off is an
 * error (KM_ENV); what the sink got stays good. 416 with `from` at the end of the whole is a success without bytes. */
KM_CHECKED km_error *km_http_download(km_http_client *client, const struct km_http_call *call, const struct km_http_sink *sink,
				      struct km_http_reply *ret);

/* The text percent-encoded for a segment or a query's value; for free(). */
char *km_http_escape(const char *text);
/* Seconds that a Retry-After says (a number, or a date as of now, seconds since 1970), at most a day; -1 when it is neither. */
int64_t km_http_retry_after_parse(const char *value, int64_t now);

#endif
