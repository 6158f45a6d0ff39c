/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client: one server, one kept connection. */
#include <pthread.h>

#include "client.h"

static void set_up_curl(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		km_oom();
}

static bool has_part(CURLU *url, CURLUPart part)
{
	char *text = NULL;
	bool has = !curl_url_get(url, part, &text, 0);

	curl_free(text);
	return has;
}

/* An http or https URL without user, query and fragment; bare: with no path either. */
static bool url_ok(const char *text, bool bare)
{
	CURLU *url = curl_url();
	bool ok = (km_starts(text, "http://") || km_starts(text, "https://")) &&
		  !curl_url_set(url, CURLUPART_URL, text, 0) && has_part(url, CURLUPART_HOST) &&
		  !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT);
	char *path = NULL;

	if (ok && bare)
		ok = !curl_url_get(url, CURLUPART_PATH, &path, 0) && !strcmp(path, "/");
	else if (ok)
		ok = !has_part(url, CURLUPART_USER) && !has_part(url, CURLUPART_PASSWORD);
	curl_free(path);
	curl_url_cleanup(url);
	return ok;
}

static km_error *check(const struct km_http_client_options *options)
{
	if (!url_ok(options->url, false))
		return km_error_hint(km_error_new(KM_USAGE, "\"%s\" is no address of a server", options->url),
				     "write https://HOST, https://HOST:PORT or https://HOST/PREFIX");
	if (options->proxy && *options->proxy && !url_ok(options->proxy, true))
		return km_error_hint(km_error_new(KM_USAGE, "the address of the proxy is not one"),
				     "write http://HOST:PORT or https://HOST:PORT");
	return NULL;
}

km_error *km_http_client_create(const struct km_http_client_options *options, km_http_client **ret)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	km_http_client *client;
	size_t n = strlen(options->url);

	pthread_once(&once, set_up_curl);
	KM_TRY(check(options));
	client = km_calloc(1, sizeof(*client));
	client->curl = curl_easy_init();
	if (!client->curl)
		km_oom();
	while (options->url[n - 1] == '/')
		n--;
	client->url = km_strndup(options->url, n);
	client->ca = options->ca ? km_strdup(options->ca) : NULL;
	client->proxy = options->proxy ? km_strdup(options->proxy) : NULL;
	client->agent = km_strdup(options->agent ? options->agent : "kmend/" KMEND_VERSION);
	client->connect = options->connect > 0 ? options->connect : 15;
	client->total = options->total > 0 ? options->total : 300;
	client->stall = options->stall ? options->stall : 30;
	km_http_client_bearer(client, options->bearer);
	*ret = client;
	return NULL;
}

void km_http_client_bearer(km_http_client *client, const char *bearer)
{
	if (client->bearer)
		explicit_bzero(client->bearer, strlen(client->bearer));
	free(client->bearer);
	client->bearer = bearer ? km_printf("Authorization: Bearer %s", bearer) : NULL;
}

void km_http_client_destroy(km_http_client *client)
{
	if (!client)
		return;
	km_http_client_bearer(client, NULL);
	curl_easy_cleanup(client->curl);
	free(client->url);
	free(client->ca);
	free(client->proxy);
	free(client->agent);
	free(client);
}

void km_http_client_destroyp(km_http_client **client)
{
	km_http_client_destroy(*client);
}

/* Takes it, however it went. */
static km_error *perform(struct transfer *t, struct km_http_reply *ret)
{
	km_error *err = km_http_transfer_setup(t);
	CURLcode code = CURLE_OK;
	long status = 0;

	if (!err) {
		code = curl_easy_perform(t->client->curl);
		curl_easy_getinfo(t->client->curl, CURLINFO_RESPONSE_CODE, &status);
		err = t->error;
		t->error = NULL;
	}
	if (!err && code != CURLE_OK)
		err = km_http_curl_error(t, code);
	if (!err) {
		km_str_add(&t->body, "");
		t->reply.status = (int)status;
		t->reply.bytes = t->body.at;
		t->reply.size = t->body.n;
		t->reply.url = km_strdup(t->url);
		t->body = (km_str){0};
		km_http_reply_words(&t->reply);
		*ret = t->reply;
		t->reply = (struct km_http_reply){0};
	}
	return err;
}

km_error *km_http_send(km_http_client *client, const struct km_http_call *call, struct km_http_reply *ret)
{
	KM_CLEANUP(km_http_transfer_free) struct transfer t = {client, call, .range_from = -1, .range_size = -1};

	return perform(&t, ret);
}

km_error *km_http_ask(km_http_client *client, const struct km_http_call *call, struct km_http_reply *ret)
{
	struct km_http_reply reply;
	km_error *err;

	KM_TRY(km_http_send(client, call, &reply));
	err = km_http_reply_check(&reply);
	if (err)
		km_http_reply_free(&reply);
	else
		*ret = reply;
	return err;
}

km_error *km_http_download(km_http_client *client, const struct km_http_call *call, const struct km_http_sink *sink,
			   struct km_http_reply *ret)
{
	KM_CLEANUP(km_http_transfer_free) struct transfer t = {client, call, sink, .range_from = -1, .range_size = -1};
	struct km_http_reply reply;
	km_error *err;

	KM_TRY(perform(&t, &reply));
	err = reply.status == 416 && sink->from && t.range_size == (int64_t)sink->from ? NULL
										       : km_http_reply_check(&reply);
	if (!err && ret)
		*ret = reply;
	else
		km_http_reply_free(&reply);
	return err;
}
