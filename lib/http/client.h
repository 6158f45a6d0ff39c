/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the client share. */
#ifndef KMEND_HTTP_CLIENT_H
#define KMEND_HTTP_CLIENT_H

#include <curl/curl.h>

#include "pure.h"

struct km_http_client {
	CURL *curl;   /* keeps the connection */
	char *url;    /* without a '/' at its end */
	char *bearer; /* the whole header, or NULL */
	char *ca, *proxy, *agent;
	double connect, total;
	unsigned stall;
};

/* One request under way. */
struct transfer {
	km_http_client *client;
	const struct km_http_call *call;
	const struct km_http_sink *sink; /* or NULL: bytes are collected */
	char *url;
	struct curl_slist *headers;
	km_str body;
	struct km_http_reply reply;
	size_t header_bytes;
	int64_t range_from, range_size; /* of Content-Range; -1 */
	uint64_t at;			/* of the next byte for the sink */
	bool begun;			/* the sink has got something, or could have */
	uint64_t sent;			/* of a file */
	km_error *error;		/* ours, which ends the transfer */
	char words[CURL_ERROR_SIZE];	/* libcurl's */
};
/* Everything but performing it. */
KM_CHECKED km_error *km_http_transfer_setup(struct transfer *t);
void km_http_transfer_free(struct transfer *t);
/* What libcurl's code means for a person. */
KM_CHECKED km_error *km_http_curl_error(const struct transfer *t, CURLcode code);
/* Reads {"error": {"code", "message"}} into the reply, if it is that. */
void km_http_reply_words(struct km_http_reply *reply);

#endif
