/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request from its first line to its end, as libmicrohttpd calls: URI, headers, each piece of a body, its end,
 * completed. */
#include "internal.h"

struct seen { /* of the headers */
	const char *authorization, *length, *encoding, *expect;
	unsigned lengths, encodings, authorizations;
	km_str forwarded;
	bool proxy;
};

void *km_http_on_uri(void *cls, const char *uri, struct MHD_Connection *connection)
{
	const struct generation *generation = cls;
	km_http_request *request = km_http_request_create(generation->server, uri, connection);

	generation->server->n_requests++;
	km_http_peer_hurry(request->peer, request->began, 0);
	return request;
}

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct seen *seen = cls;

	(void)kind;
	if (!value)
		value = "";
	if (!strcasecmp(name, "Authorization")) {
		seen->authorization = value;
		seen->authorizations++;
	} else if (!strcasecmp(name, "Content-Length")) {
		seen->length = value;
		seen->lengths++;
	} else if (!strcasecmp(name, "Transfer-Encoding")) {
		seen->encoding = value;
		seen->encodings++;
	} else if (!strcasecmp(name, "Expect")) {
		seen->expect = value;
	} else if (seen->proxy && !strcasecmp(name, "X-Forwarded-For")) {
		km_str_printf(&seen->forwarded, "%s%s", seen->forwarded.n ? "," : "", value);
	}
	return MHD_YES;
}

static void take_bearer(km_http_request *request, const char *authorization)
{
	const char *secret = authorization;
	size_t n = 0;

	if (strncasecmp(secret, "Bearer ", 7) != 0)
		return;
	secret += 7 + strspn(secret + 7, " ");
	while (secret[n] > ' ' && secret[n] < 0x7f)
		n++;
	if (n && !secret[n] && n <= KM_HTTP_BEARER_MAX)
		request->bearer = km_strndup(secret, n);
}

/* How long the body is. What two readers could understand in two ways is no request: a proxy before us might be the
 * other one. */
static bool take_length(km_http_request *request, const struct seen *seen)
{
	const char *s = seen->length;

	if (seen->lengths > 1 || seen->encodings > 1 || (seen->length && seen->encoding))
		return false;
	if (seen->encoding) {
		request->length = -1;
		return !strcasecmp(seen->encoding, "chunked");
	}
	if (!s)
		return true;
	if (!*s || strlen(s) > 18 || s[strspn(s, "0123456789")])
		return false;
	request->length = strtoll(s, NULL, 10);
	return true;
}

static km_http_response *no_route(char *allow)
{
	km_http_response *response;

	if (!allow)
		return km_http_fail(404, "not-found", "there is nothing at this path");
	response = km_http_fail(405, "method", "this path takes %s", allow);
	km_http_header(response, "Allow", allow);
	return response;
}

static km_http_response *too_long(size_t max)
{
	if (!max)
		return km_http_fail(413, "body-size", "this request has no body");
	return km_http_fail(413, "body-size", "the body is longer than %zu bytes", max);
}

/* An answer that needs no body, or NULL. */
static km_http_response *on_headers(km_http_request *request, const struct seen *seen)
{
	const km_http_server *server = request->server;
	KM_AUTOFREE char *allow = NULL;
	const struct km_http_route *route;

	if (!take_length(request, seen))
		return km_http_fail(400, "framing", "the length of the body is not clear");
	if (!request->sound)
		return km_http_fail(400, "bad-path", "the path or its query is malformed");
	request->pattern = km_http_table_find(&server->table, &request->target, request->method, &allow);
	if (!request->pattern)
		return no_route(allow);
	route = request->pattern->route;
	if (request->length > (int64_t)route->body_max || (request->length < 0 && !route->body_max))
		return too_long(route->body_max);
	return route->begin ? route->begin(request, server->options.ctx) : NULL;
}

static bool closes(const km_http_request *request)
{
	return request->server->closing || request->peer->generation->retired;
}

static enum MHD_Result begin(km_http_request *request, const char *method)
{
	struct seen seen = {.proxy = request->peer->proxy};
	bool unclear;

	request->begun = true;
	snprintf(request->method, sizeof(request->method), "%s", method);
	MHD_get_connection_values(request->connection, MHD_HEADER_KIND, see_header, &seen);
	if (seen.authorizations == 1)
		take_bearer(request, seen.authorization);
	if (seen.forwarded.n) {
		km_http_forwarded(&request->address, seen.forwarded.at, request->server->proxies,
				  request->server->options.n_proxies, &request->address);
		km_http_address_text(&request->address, request->remote);
	}
	km_str_free(&seen.forwarded);
	request->response = on_headers(request, &seen);
	unclear = seen.lengths + seen.encodings > 1;
	/* A client that is still sending does not read, and loses an answer that comes with a reset: a short rest is
	 * read first. */
	if (request->response && (unclear || seen.expect || request->length > KM_HTTP_DRAIN))
		return km_http_queue(request, true);
	return MHD_YES;
}

static void collect(km_http_request *request, const char *bytes, size_t size)
{
	size_t need = (size_t)request->in + size + 1;

	if (need > request->cap) {
		request->cap = need > 2 * request->cap ? need : 2 * request->cap;
		if (request->length >= 0 && request->cap > (size_t)request->length + 1)
			request->cap = (size_t)request->length + 1;
		request->body = km_realloc(request->body, request->cap, 1);
	}
	memcpy(request->body + request->in, bytes, size);
	request->body[request->in + size] = 0;
}

static enum MHD_Result piece(km_http_request *request, const char *bytes, size_t size)
{
	const struct km_http_route *route = km_http_request_route(request);

	if (!request->response && request->in + size > route->body_max)
		request->response = too_long(route->body_max);
	else if (!request->response && route->add)
		request->response = route->add(request, bytes, size, request->server->options.ctx);
	else if (!request->response)
		collect(request, bytes, size);
	if (request->response)
		request->drained += size;
	request->in += size;
	km_http_peer_hurry(request->peer, request->began, request->in);
	/* A length that was told and let in is bounded, and who sends so much is owed an answer. */
	return request->length < 0 && request->drained > KM_HTTP_DRAIN + size ? MHD_NO : MHD_YES;
}

static enum MHD_Result finish(km_http_request *request)
{
	km_http_response *response;

	if (!request->response && !request->parted) {
		km_http_peer_free(request->peer);
		response = km_http_request_route(request)->handle(request, request->server->options.ctx);
		if (!response && request->parted)
			return MHD_YES; /* is called again when the answer is there */
		request->response = response ? response : km_http_fail(500, "internal", "internal error");
	}
	return km_http_queue(request, closes(request));
}

enum MHD_Result km_http_on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				   const char *version, const char *bytes, size_t *size, void **context)
{
	km_http_request *request = *context;
	enum MHD_Result ret;

	(void)cls, (void)connection, (void)url, (void)version;
	if (!request->begun)
		return begin(request, method);
	if (!*size)
		return finish(request);
	ret = piece(request, bytes, *size);
	*size = 0;
	return ret;
}

void km_http_on_completed(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_RequestTerminationCode why)
{
	km_http_request *request = *context;
	km_http_server *server;

	(void)cls;
	if (!request)
		return;
	server = request->server;
	if (server->options.done) {
		const union MHD_ConnectionInfo *own =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS);
		struct km_http_done done = {
			.method = request->method,
			.pattern = request->pattern ? request->pattern->route->pattern : NULL,
			.remote = request->remote,
			.status = request->status ? request->status
				  : own		  ? (int)own->http_status
						  : 0,
			.seconds = km_now() - request->began,
			.in = request->in,
			.out = request->out,
			.whole = why == MHD_REQUEST_TERMINATED_COMPLETED_OK,
		};

		server->options.done(&done, request, server->options.ctx);
	}
	km_http_peer_rest(request->peer);
	*context = NULL;
	km_http_request_unref(request);
	server->n_requests--;
}
