/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers before they are sent: one allocation with small bodies, and one for headers. */
#include <unistd.h>

#include "internal.h"

static km_http_response *create(int status, const char *type, size_t tail)
{
	km_http_response *response = km_calloc(1, sizeof(*response) + tail);

	response->status = status;
	response->fd = -1;
	response->bytes = response->tail;
	if (type)
		km_http_header(response, "Content-Type", type);
	return response;
}

km_http_response *km_http_bytes(int status, const char *type, const void *bytes, size_t size)
{
	km_http_response *response = create(status, type, size);

	if (size)
		memcpy(response->tail, bytes, size);
	response->size = size;
	return response;
}

km_http_response *km_http_take(int status, const char *type, void *bytes, size_t size)
{
	km_http_response *response = create(status, type, 0);

	response->bytes = response->owned = bytes;
	response->size = size;
	return response;
}

km_http_response *km_http_static(int status, const char *type, const void *bytes, size_t size)
{
	km_http_response *response = create(status, type, 0);

	response->bytes = (void *)bytes;
	response->size = size;
	return response;
}

km_http_response *km_http_json(int status, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text)
		return km_http_fail(500, "internal", "internal error");
	return km_http_take(status, "application/json", text, strlen(text));
}

km_http_response *km_http_empty(int status)
{
	return create(status, NULL, 0);
}

km_http_response *km_http_fail(int status, const char *code, const char *fmt, ...)
{
	enum { MESSAGE_MAX = 1000 };
	KM_AUTOFREE char *message = NULL, *plain = NULL;
	va_list ap;

	va_start(ap, fmt);
	message = km_vprintf(fmt, ap);
	va_end(ap);
	plain = km_plain_of(message, MESSAGE_MAX);
	return km_http_json(status, json_pack("{s:{s:s, s:s}}", "error", "code", code, "message", plain));
}

km_http_response *km_http_fail_error(int status, const char *code, km_error *err)
{
	bool shown = err->code == KM_USAGE || err->code == KM_INPUT || err->code == KM_REFUSED;
	km_http_response *response = shown ? km_http_fail(status, code, "%s", err->message) :
					     km_http_fail(500, "internal", "internal error");

	km_error_free(err);
	return response;
}

km_http_response *km_http_file(int fd, uint64_t size, const char *type)
{
	km_http_response *response = create(200, type, 0);

	response->fd = fd;
	response->size = size;
	return response;
}

void km_http_etag(km_http_response *response, const char *etag)
{
	km_str_addn(&response->headers, "ETag", sizeof("ETag"));
	response->etag = response->headers.n;
	km_str_printf(&response->headers, "\"%s\"", etag);
	km_str_addn(&response->headers, "", 1);
}

void km_http_header(km_http_response *response, const char *name, const char *value)
{
	km_str_addn(&response->headers, name, strlen(name) + 1);
	km_str_addn(&response->headers, value, strlen(value) + 1);
	response->cached |= !strcasecmp(name, "Cache-Control");
}

km_http_response *km_http_retry_after(km_http_response *response, int64_t seconds)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)seconds);
	km_http_header(response, "Retry-After", text);
	return response;
}

int km_http_status(const km_http_response *response)
{
	return response->status;
}

void km_http_response_free(km_http_response *response)
{
	if (!response)
		return;
	if (response->fd >= 0)
		close(response->fd);
	free(response->owned);
	km_str_free(&response->headers);
	free(response);
}
