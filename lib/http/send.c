/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An answer on its way: what the request's conditions make of it, and its form for libmicrohttpd. */
#include "internal.h"

struct part {
	enum km_http_range range;
	uint64_t from, n;
};

/* Turns it into an answer without a body. */
static void empty(km_http_response *response, int status)
{
	response->status = status;
	response->size = 0;
}

/* If-None-Match, then Range: the order of RFC 9110, 13.2.2. */
static struct part conditions(const km_http_request *request, km_http_response *response)
{
	struct part part = {KM_HTTP_RANGE_ALL, 0, response->size};
	const char *none_match, *range;

	if (response->status != 200 || (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0))
		return part;
	none_match = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "If-None-Match");
	if (none_match && response->etag) {
		const char *quoted = response->headers.at + response->etag;
		KM_AUTOFREE char *etag = km_strndup(quoted + 1, strlen(quoted) - 2);

		if (km_http_etag_among(none_match, etag)) {
			empty(response, 304);
			return part;
		}
	}
	range = MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Range");
	/* An If-Range is taken as one that does not hold: the whole is always right. */
	if (response->fd >= 0 && range &&
	    !MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "If-Range"))
		part.range = km_http_range_read(range, response->size, &part.from, &part.n);
	return part;
}

static void say_range(km_http_response *response, const struct part *part)
{
	char text[80];
	unsigned long long size = response->size;

	if (part->range == KM_HTTP_RANGE_NONE) {
		snprintf(text, sizeof(text), "bytes */%llu", size);
		empty(response, 416);
	} else {
		snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)part->from,
			 (unsigned long long)(part->from + part->n - 1), size);
		response->status = 206;
	}
	km_http_header(response, "Content-Range", text);
}

static void free_response(void *response)
{
	km_http_response_free(response);
}

/* Takes the response, or leaves it when there is no memory. */
static struct MHD_Response *convert(km_http_response *response, const struct part *part)
{
	struct MHD_Response *ret;

	if (response->fd < 0 || response->status >= 300)
		return MHD_create_response_from_buffer_with_free_callback_cls((size_t)response->size, response->bytes,
									      free_response, response);
	ret = MHD_create_response_from_fd_at_offset64(part->n, response->fd, part->from);
	if (ret) {
		response->fd = -1;
		km_http_response_free(response);
	}
	return ret;
}

static void add_headers(struct MHD_Response *to, const km_str *headers)
{
	for (size_t i = 0; i < headers->n;) {
		const char *name = headers->at + i, *value = name + strlen(name) + 1;

		MHD_add_response_header(to, name, value);
		i = (size_t)(value + strlen(value) + 1 - headers->at);
	}
}

enum MHD_Result km_http_queue(km_http_request *request, bool close)
{
	km_http_response *response = request->response;
	struct part part = conditions(request, response);
	struct MHD_Response *sent;
	enum MHD_Result ret;
	km_str headers;

	if (part.range != KM_HTTP_RANGE_ALL)
		say_range(response, &part);
	if (response->fd >= 0 && response->status < 300)
		km_http_header(response, "Accept-Ranges", "bytes");
	else if (!response->cached && response->status != 304)
		km_http_header(response, "Cache-Control", "no-store");
	km_http_header(response, "X-Content-Type-Options", "nosniff");
	if (close)
		km_http_header(response, "Connection", "close");

	request->status = response->status;
	request->out = !strcmp(request->method, "HEAD") || response->status >= 300 ? response->size : part.n;
	km_http_peer_hurry(request->peer, km_now(), request->out);
	headers = response->headers;
	response->headers = (km_str){0};
	sent = convert(response, &part);
	if (!sent) {
		km_str_free(&headers);
		return MHD_NO; /* request->response is freed with the request */
	}
	request->response = NULL;
	add_headers(sent, &headers);
	km_str_free(&headers);
	ret = MHD_queue_response(request->connection, (unsigned)request->status, sent);
	MHD_destroy_response(sent);
	return ret;
}
