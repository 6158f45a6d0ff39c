/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A request: one allocation, and one more for a body. */
#include "internal.h"

km_http_request *km_http_request_create(km_http_server *server, const char *uri, struct MHD_Connection *connection)
{
	size_t n = strlen(uri), path = strcspn(uri, "?");
	km_http_request *request = km_calloc(1, sizeof(*request) + path + 1 + n + 1);

	request->refs = 1;
	request->server = server;
	request->connection = connection;
	request->peer = km_http_peer_of(connection);
	request->began = km_now();
	request->address = request->peer->address;
	memcpy(request->remote, request->peer->text, sizeof(request->remote));
	request->path = request->text;
	for (size_t i = 0; i < path; i++)
		request->path[i] = uri[i] > ' ' && uri[i] < 0x7f ? uri[i] : '?';
	request->sound = km_http_target_read(uri, request->text + path + 1, &request->target);
	return request;
}

void km_http_request_unref(km_http_request *request)
{
	if (--request->refs)
		return;
	if (request->release)
		request->release(request->kept);
	km_http_response_free(request->response);
	free(request->bearer);
	free(request->body);
	free(request);
}

const struct km_http_route *km_http_request_route(const km_http_request *request)
{
	return request->pattern ? request->pattern->route : NULL;
}

const char *km_http_request_method(const km_http_request *request)
{
	return request->method;
}

const char *km_http_request_path(const km_http_request *request)
{
	return request->path;
}

const char *km_http_request_param(const km_http_request *request, const char *name)
{
	const struct km_http_pattern *pattern = request->pattern;

	for (size_t i = 0; pattern && i < pattern->n; i++)
		if (pattern->segments[i].any && !strcmp(pattern->segments[i].text, name))
			return request->target.segments[i];
	return NULL;
}

const char *km_http_request_arg(const km_http_request *request, const char *name)
{
	for (size_t i = 0; request->sound && i < request->target.n_args; i++)
		if (!strcmp(request->target.args[i].name, name))
			return request->target.args[i].value;
	return NULL;
}

const char *km_http_request_arg_at(const km_http_request *request, size_t i, const char **value)
{
	if (!request->sound || i >= request->target.n_args)
		return NULL;
	if (value)
		*value = request->target.args[i].value;
	return request->target.args[i].name;
}

const char *km_http_request_header(const km_http_request *request, const char *name)
{
	return request->parted ? NULL : MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *km_http_request_bearer(const km_http_request *request)
{
	return request->bearer;
}

const char *km_http_request_remote(const km_http_request *request)
{
	return request->remote;
}

const void *km_http_request_body(const km_http_request *request, size_t *size)
{
	*size = request->body ? (size_t)request->in : 0;
	return request->body;
}

int64_t km_http_request_length(const km_http_request *request)
{
	return request->length;
}

void km_http_request_keep(km_http_request *request, void *data, void (*release)(void *data))
{
	request->kept = data;
	request->release = release;
}

void *km_http_request_kept(const km_http_request *request)
{
	return request->kept;
}
