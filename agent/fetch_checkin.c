/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One contact: the report goes out, and what is new comes in. */
#include <unistd.h>

#include "exit.h"
#include "fetch.h"

enum { INTERVAL = 3600, REVOKED_AGAIN = 3600 }; /* seconds, until a server has said */

static void end(struct fetch *f)
{
	km_agent_config_free(&f->config);
	km_trust_destroy(f->client);
	km_http_client_destroy(f->http);
	km_source_close(f->spool);
	km_host_close(f->host);
	explicit_bzero(&f->identity, sizeof(f->identity));
}

static km_error *begin(struct fetch *f)
{
	struct km_http_client_options options = {.agent = "kmend-fetch/" KMEND_VERSION};

	KM_TRY(km_identity_read(f->root, &f->identity));
	KM_TRY(km_agent_config_read(f->root, &f->config));
	if (!*f->identity.secret || !f->config.server)
		return km_error_hint(km_error_new(KM_NOTHING, "this host has no server"),
				     "it was attached by a bundle: kmend bundle import FILE");
	KM_TRY(km_agent_kernel(f->root, &f->kernel));
	KM_TRY(km_agent_trust(f->root, &f->client));
	KM_TRY(km_host_open(f->root, NULL, &f->host));
	KM_TRY(km_source_spool(f->root, &f->spool));
	options.url = f->config.server;
	options.bearer = f->identity.secret;
	options.ca = f->config.ca;
	options.proxy = f->config.proxy;
	return km_http_client_create(&options, &f->http);
}

/* The interval that the server gave last, or the usual one. */
static int64_t last_interval(const struct fetch *f)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_checkin_answer answer;
	int64_t interval = INTERVAL;
	size_t size;
	km_error *err;

	if (!f->spool)
		return interval;
	err = km_source_get(f->spool, "answer", KM_FLEET_BODY_MAX, &bytes, &size, NULL);
	if (!err)
		err = km_checkin_answer_parse(bytes, size, &answer);
	if (!err) {
		interval = answer.interval;
		km_checkin_answer_free(&answer);
	}
	km_error_free(err);
	return interval;
}

static km_error *refused(const struct fetch *f, const struct km_http_reply *reply)
{
	km_error *err = km_http_reply_check(reply);

	fetch_put_next(f->root, REVOKED_AGAIN, reply->retry_after);
	return km_error_hint(km_error_add(err, "the server does not know this host any more"),
			     "its token was revoked or has expired, or it was removed there; what is loaded stays. "
			     "kmend detach, then kmend attach with a new token");
}

/* Sends the report. *there: the server has given an answer, which is in the spool. */
static km_error *report(struct fetch *f, struct km_checkin_answer *answer, bool *there)
{
	KM_AUTOFREE char *path = km_printf("%s" KM_AGENT_DIR "/report", f->root);
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_http_call call = {.method = "POST", .path = "/v1/checkin", .reply_max = KM_FLEET_BODY_MAX};
	struct km_http_reply reply;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &call.size));
	call.bytes = bytes;
	KM_TRY(km_http_send(f->http, &call, &reply));
	if (reply.status == 429 || reply.status == 503) {
		fetch_put_next(f->root, last_interval(f), reply.retry_after);
		err = NULL;
	} else if (reply.status == 401 || reply.status == 403) {
		err = refused(f, &reply);
	} else {
		err = km_http_reply_check(&reply);
		if (!err)
			err = km_checkin_answer_parse(reply.bytes, reply.size, answer);
		*there = !err;
		if (!err)
			err = fetch_put(f->root, "answer", reply.bytes, reply.size);
	}
	km_http_reply_free(&reply);
	return err;
}

/* After a payload, which may have taken long, the halt list is asked for once more: it is the last word before a load. */
static km_error *bring(struct fetch *f, const struct km_checkin_answer *answer)
{
	km_strv keep = {0};
	km_error *err = fetch_documents(f, answer);

	if (!err)
		err = fetch_releases(f);
	if (!err)
		err = fetch_payloads(f, answer->payloads, &keep);
	if (!err && f->payload_came)
		err = fetch_timestamp(f);
	if (!err)
		fetch_clean(f, &keep);
	km_strv_free(&keep);
	return err;
}

static km_error *contact(struct fetch *f, int *status)
{
	struct km_checkin_answer answer = {0};
	bool there = false;
	km_error *err = report(f, &answer, &there);

	if (!err && !there) {
		*status = AGENT_EXIT_TOLD;
		return NULL;
	}
	if (there) {
		fetch_put_next(f->root, answer.interval, -1);
		if (!err)
			err = bring(f, &answer);
		km_checkin_answer_free(&answer);
	}
	return err;
}

static bool has_report(const char *root)
{
	KM_AUTOFREE char *path = km_printf("%s" KM_AGENT_DIR "/report", root);

	return km_exists(path);
}

km_error *fetch_checkin(const char *root, char **words, int *status)
{
	struct fetch f = {.root = root};
	struct km_agent_config config;
	unsigned mode;
	km_error *err;

	(void)words;
	KM_TRY(km_agent_config_read(root, &config));
	mode = km_agent_mode(root, &config);
	km_agent_config_free(&config);
	if (!(mode & KM_MODE_REFRESH)) {
		*status = AGENT_EXIT_TOLD;
		fetch_put_next(root, KM_FLEET_DAY, -1);
		return NULL;
	}
	err = begin(&f);
	if (!err && !has_report(root)) {
		*status = AGENT_EXIT_CHANGED;
	} else if (!err) {
		/* What a failure leaves: the usual pause. */
		fetch_put_next(root, last_interval(&f), -1);
		err = contact(&f, status);
	}
	end(&f);
	return err;
}
