/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One request by libcurl. What comes back is a stranger's: its headers and its body are bounded as they arrive. */
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

enum { HEADERS_MAX = 64 << 10, REDIRECTS = 3, LEAST_SPEED = 100 /* bytes per second */, KIB_MAX = 1000000 };

/* ---- what comes ---------------------------------------------------------------------------------------------- */
static void fail(struct transfer *t, km_error *err)
{
	if (t->error)
		km_error_free(err);
	else
		t->error = err;
}

static void forget_headers(struct transfer *t)
{
	free(t->reply.type);
	free(t->reply.etag);
	t->reply.type = t->reply.etag = NULL;
	t->reply.retry_after = t->range_from = t->range_size = -1;
}

/* The value of "Name: value\r\n" if it has that name; for free(). */
static char *value_of(const char *line, size_t n, const char *name)
{
	size_t length = strlen(name);

	if (n <= length || strncasecmp(line, name, length) != 0 || line[length] != ':')
		return NULL;
	line += length + 1;
	n -= length + 1;
	while (n && strchr(" \t\r\n", line[n - 1]))
		n--;
	while (n && strchr(" \t", *line))
		line++, n--;
	return km_strndup(line, n);
}

static void replace(char **to, char *value)
{
	if (!value)
		return;
	free(*to);
	*to = km_plain_of(value, 200);
	free(value);
}

static void see_etag(struct transfer *t, char *value)
{
	size_t n = value ? strlen(value) : 0;

	if (n >= 2 && *value == '"' && value[n - 1] == '"')
		replace(&t->reply.etag, km_strndup(value + 1, n - 2));
	free(value);
}

static size_t on_header(char *line, size_t one, size_t n, void *cls)
{
	struct transfer *t = cls;
	KM_AUTOFREE char *retry = NULL, *range = NULL;

	t->header_bytes += n * one;
	if (t->header_bytes > HEADERS_MAX) {
		fail(t,
		     km_error_new(KM_INPUT, "%s answers with more than %d KiB of headers", t->url, HEADERS_MAX >> 10));
		return 0;
	}
	if (n > 5 && !strncmp(line, "HTTP/", 5)) /* of what a redirect led to, or after 100 */
		forget_headers(t);
	replace(&t->reply.type, value_of(line, n, "Content-Type"));
	see_etag(t, value_of(line, n, "ETag"));
	retry = value_of(line, n, "Retry-After");
	if (retry)
		t->reply.retry_after = km_http_retry_after_parse(retry, time(NULL));
	range = value_of(line, n, "Content-Range");
	if (range && !km_http_content_range_read(range, &t->range_from, &t->range_size))
		t->range_from = t->range_size = -1;
	return n * one;
}

/* Where the sink's bytes begin. */
static km_error *sink_begin(struct transfer *t, long status)
{
	if (status == 200)
		t->at = 0;
	else if (!t->sink->from || t->range_from != (int64_t)t->sink->from)
		return km_error_new(KM_INPUT, "%s answers with another range than it was asked for", t->url);
	else
		t->at = t->sink->from;
	t->begun = true;
	return NULL;
}

static km_error *sink_add(struct transfer *t, const void *bytes, size_t n, long status)
{
	if (!t->begun)
		KM_TRY(sink_begin(t, status));
	if (t->at > t->sink->max || n > t->sink->max - t->at)
		return km_error_new(KM_INPUT, "%s has more than the %llu bytes that it may have", t->url,
				    (unsigned long long)t->sink->max);
	KM_TRY(t->sink->add(t->sink->ctx, t->at, bytes, n));
	t->at += n;
	return NULL;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *cls)
{
	struct transfer *t = cls;
	size_t max = t->call->reply_max ? t->call->reply_max : KM_HTTP_REPLY_MAX;
	km_error *err = NULL;
	long status = 0;

	n *= one;
	curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &status);
	if (t->sink && (status == 200 || status == 206))
		err = sink_add(t, bytes, n, status);
	else if (n > max - t->body.n)
		err = km_error_new(KM_INPUT, "%s answers with more than %zu bytes", t->url, max);
	else
		km_str_addn(&t->body, bytes, n);
	if (!err)
		return n;
	fail(t, err);
	return n ? 0 : 1; /* anything but n ends the transfer */
}

/* ---- what goes ----------------------------------------------------------------------------------------------- */
static size_t on_read(char *to, size_t one, size_t n, void *cls)
{
	struct transfer *t = cls;
	ssize_t got = pread(t->call->fd, to, n * one, (off_t)t->sent);

	if (got < 0) {
		fail(t, km_error_sys(errno, "cannot read what is to be sent to %s", t->url));
		return CURL_READFUNC_ABORT;
	}
	t->sent += (uint64_t)got;
	return (size_t)got;
}

/* libcurl sends again from the begin after a redirect or on a connection that was closed meanwhile. */
static int on_seek(void *cls, curl_off_t offset, int whence)
{
	struct transfer *t = cls;

	if (whence != SEEK_SET || offset < 0)
		return CURL_SEEKFUNC_CANTSEEK;
	t->sent = (uint64_t)offset;
	return CURL_SEEKFUNC_OK;
}

static void add_header(struct transfer *t, const char *line)
{
	struct curl_slist *longer = curl_slist_append(t->headers, line);

	if (!longer)
		km_oom();
	t->headers = longer;
}

static void set_headers(struct transfer *t, bool own, bool body)
{
	const struct km_http_call *call = t->call;
	KM_AUTOFREE char *type = km_printf("Content-Type: %s", call->type	 ? call->type
							       : call->from_file ? "application/octet-stream"
										 : "application/json");
	KM_AUTOFREE char *etag = call->etag ? km_printf("If-None-Match: \"%s\"", call->etag) : NULL;

	if (own && t->client->bearer)
		add_header(t, t->client->bearer);
	if (body)
		add_header(t, type);
	if (etag)
		add_header(t, etag);
	/* Only what is large waits for a word of the server before it is sent. */
	add_header(t, call->from_file ? "Expect: 100-continue" : "Expect:");
	curl_easy_setopt(t->client->curl, CURLOPT_HTTPHEADER, t->headers);
}

static void set_body(struct transfer *t, const char *method)
{
	CURL *curl = t->client->curl;
	const struct km_http_call *call = t->call;

	if (call->from_file) {
		curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)call->file_size);
		curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
		curl_easy_setopt(curl, CURLOPT_READDATA, t);
		curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_seek);
		curl_easy_setopt(curl, CURLOPT_SEEKDATA, t);
	} else if (call->bytes || !strcmp(method, "POST") || !strcmp(method, "PUT")) {
		curl_easy_setopt(curl, CURLOPT_POST, 1L);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->bytes ? call->bytes : "");
	}
	if (!strcmp(method, "HEAD"))
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	else
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
}

static void set_limits(struct transfer *t)
{
	CURL *curl = t->client->curl;
	const km_http_client *client = t->client;
	/* A server that trickles just fast enough does not keep us for ever. */
	uint64_t large = t->sink ? t->sink->max : t->call->from_file ? t->call->file_size : 0;
	double kib = (double)(large / 1024 < KIB_MAX ? large / 1024 : KIB_MAX);

	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(client->connect * 1000));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)LEAST_SPEED);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)client->stall);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)((client->total + kib) * 1000));
}

static void set_way(struct transfer *t)
{
	CURL *curl = t->client->curl;
	const km_http_client *client = t->client;
	bool secure = km_starts(t->url, "https://");

	curl_easy_setopt(curl, CURLOPT_URL, t->url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, t->call->redirects ? 1L : 0L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, client->agent);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	if (client->ca) {
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca);
		curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
	}
	if (client->proxy)
		curl_easy_setopt(curl, CURLOPT_PROXY, client->proxy);
}

static void set_callbacks(struct transfer *t)
{
	CURL *curl = t->client->curl;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, t->words);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, t);
}

km_error *km_http_transfer_setup(struct transfer *t)
{
	const struct km_http_call *call = t->call;
	bool own = *call->path == '/', body = call->bytes || call->from_file;
	const char *method = call->method ? call->method : body ? "POST" : "GET";
	char range[32];

	if (!own && !km_starts(call->path, "http://") && !km_starts(call->path, "https://"))
		return km_error_new(KM_USAGE, "\"%s\" is neither a path nor an address of a server", call->path);
	t->reply.retry_after = -1;
	t->url = own ? km_printf("%s%s", t->client->url, call->path) : km_strdup(call->path);
	curl_easy_reset(t->client->curl);
	set_way(t);
	set_limits(t);
	set_callbacks(t);
	set_headers(t, own, body);
	set_body(t, method);
	if (t->sink && t->sink->from) {
		snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->sink->from);
		curl_easy_setopt(t->client->curl, CURLOPT_RANGE, range);
	}
	return NULL;
}

void km_http_transfer_free(struct transfer *t)
{
	curl_easy_reset(t->client->curl); /* it points into t */
	curl_slist_free_all(t->headers);
	km_error_free(t->error);
	km_str_free(&t->body);
	km_http_reply_free(&t->reply);
	free(t->url);
}
