/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Replies and failures in words for a person. */
#include "client.h"

enum { MESSAGE_MAX = 300, CODE_MAX = 40 };

void km_http_reply_free(struct km_http_reply *reply)
{
	free(reply->bytes);
	free(reply->type);
	free(reply->etag);
	free(reply->code);
	free(reply->message);
	free(reply->url);
	*reply = (struct km_http_reply){0};
}

void km_http_reply_words(struct km_http_reply *reply)
{
	const char *code = NULL, *message = NULL;
	json_t *root;

	if (reply->status < 400)
		return;
	root = json_loadb(reply->bytes, reply->size, JSON_REJECT_DUPLICATES, NULL);
	if (root && !json_unpack(root, "{s:{s:s, s:s}}", "error", "code", &code, "message", &message)) {
		reply->code = km_plain_of(code, CODE_MAX);
		reply->message = km_plain_of(message, MESSAGE_MAX);
	}
	json_decref(root);
}

km_error *km_http_reply_check(const struct km_http_reply *reply)
{
	int status = reply->status;
	bool client = status >= 400 && status < 500 && status != 429 && status != 408;
	km_error *err;

	if ((status >= 200 && status < 300) || status == 304)
		return NULL;
	if (reply->message)
		err = km_error_new(client ? KM_REFUSED : KM_ENV, "%s: %s", reply->url, reply->message);
	else
		err = km_error_new(client ? KM_REFUSED : KM_ENV, "%s answers with status %d", reply->url, status);
	if (status == 401)
		return km_error_hint(err, "the server does not take this token; it may have been revoked or be over");
	if (reply->retry_after >= 0)
		return km_error_hint(err, "the server asks to come again in %lld s", (long long)reply->retry_after);
	if (status == 404 && !reply->message)
		return km_error_hint(err, "is this the address of a kmend server?");
	if (status >= 300 && status < 400)
		return km_error_hint(
			err, "the server sends requests elsewhere; configure the address at which it really is");
	return status >= 500 ? km_error_hint(err, "the server's log says more") : err;
}

static const struct meaning {
	CURLcode curl;
	enum km_code code;
	const char *text, *hint;
} meanings[] = {
	{CURLE_COULDNT_RESOLVE_HOST, KM_ENV, "the server is not reachable",
	 "check the server's name, and that names can be resolved here"},
	{CURLE_COULDNT_RESOLVE_PROXY, KM_ENV, "the proxy is not reachable", "check the proxy's name"},
	{CURLE_COULDNT_CONNECT, KM_ENV, "the server is not reachable",
	 "is it running, and does a firewall or a proxy stand between?"},
	{CURLE_PROXY, KM_ENV, "the proxy did not connect",
	 "check the proxy's address, and that it lets this host through"},
	{CURLE_OPERATION_TIMEDOUT, KM_ENV, "the server took too long",
	 "the network or the server is slow or stands still; try again later"},
	{CURLE_PEER_FAILED_VERIFICATION, KM_REFUSED, "the server's certificate is not to be trusted",
	 "a private authority's certificate must be configured (ca); else somebody may stand between"},
	{CURLE_SSL_CACERT_BADFILE, KM_ENV, "the file of trusted certificates cannot be used",
	 "it must exist and have certificates in PEM"},
	{CURLE_SSL_CONNECT_ERROR, KM_ENV, "no secure connection",
	 "does the server speak TLS 1.2 or newer at this port?"},
	{CURLE_TOO_MANY_REDIRECTS, KM_INPUT, "the server redirects without end", NULL},
	{CURLE_UNSUPPORTED_PROTOCOL, KM_INPUT, "the server answers with, or redirects to, what is not allowed",
	 "is this the address of a kmend server?"},
	{CURLE_PARTIAL_FILE, KM_ENV, "the reply broke off", "try again"},
	{CURLE_RECV_ERROR, KM_ENV, "the connection broke", "try again"},
	{CURLE_SEND_ERROR, KM_ENV, "the connection broke", "try again"},
	{CURLE_GOT_NOTHING, KM_ENV, "the server closed the connection without a reply", "try again"},
	{CURLE_WEIRD_SERVER_REPLY, KM_INPUT, "the reply is no HTTP", "is this the address of a kmend server?"},
	{CURLE_BAD_CONTENT_ENCODING, KM_INPUT, "the reply is no HTTP", NULL},
};

km_error *km_http_curl_error(const struct transfer *t, CURLcode code)
{
	static const struct meaning other = {.code = KM_ENV, .text = "the request failed"};
	const struct meaning *meaning = &other;
	KM_AUTOFREE char *words = km_plain_of(*t->words ? t->words : curl_easy_strerror(code), MESSAGE_MAX);
	km_error *err;

	for (size_t i = 0; i < KM_COUNT(meanings) && meaning == &other; i++)
		if (meanings[i].curl == code)
			meaning = &meanings[i];
	err = km_error_new(meaning->code, "%s: %s: %s", t->url, meaning->text, words);
	return meaning->hint ? km_error_hint(err, "%s", meaning->hint) : err;
}
