/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host's first word with its server, and its last. */
#include <stdio.h>
#include <unistd.h>

#include "fetch.h"

enum { SECRET_MAX = 128 };

static km_error *read_secret(char secret[static SECRET_MAX])
{
	ssize_t n = read(STDIN_FILENO, secret, SECRET_MAX - 1);

	secret[n > 0 ? n : 0] = '\0';
	secret[strcspn(secret, "\n")] = '\0';
	return *secret ? NULL : km_error_new(KM_USAGE, "the token's secret is expected on stdin");
}

static km_error *machine_id(const char *root, char **ret)
{
	KM_AUTOFREE char *path = km_printf("%s/etc/machine-id", root);
	uint8_t *bytes;
	size_t size;

	KM_TRY(km_file_read(path, &bytes, &size));
	*ret = (char *)bytes;
	(*ret)[strcspn(*ret, "\n")] = '\0';
	return NULL;
}

/* The root that the fingerprint names. The token goes to nobody who does not have it. */
static km_error *get_root(const char *root, km_http_client *http, const char *fingerprint)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *path = km_printf("/v1/roots/%s", fingerprint);
	struct km_http_call call = {.path = path, .reply_max = km_doc_max(KM_DOC_ROOT)};
	char name[KM_SOURCE_NAME], id[24];
	struct km_http_reply reply;
	struct km_root first;
	km_error *err;

	KM_TRY(km_http_ask(http, &call, &reply));
	err = km_envelope_parse(KM_DOC_ROOT, reply.bytes, reply.size, &envelope, NULL);
	if (!err)
		err = km_verify_first_root(envelope, fingerprint, &first, NULL);
	if (!err) {
		snprintf(id, sizeof(id), "%lld", (long long)first.version);
		km_root_free(&first);
		km_source_name(KM_DOC_ROOT, id, name);
		err = fetch_put(root, name, reply.bytes, reply.size);
	}
	km_http_reply_free(&reply);
	return err ? km_error_hint(km_error_add(err, "the server's root"),
				   "this is not the publisher that the fingerprint is of")
		   : NULL;
}

static km_error *say_hello(const char *root, km_http_client *http, const char *secret)
{
	KM_AUTOFREE char *machine = NULL, *body = NULL;
	struct km_http_call call = {.method = "POST", .path = "/v1/attach", .reply_max = KM_FLEET_BODY_MAX};
	struct km_attach attach = {0};
	struct km_attach_answer answer;
	struct km_http_reply reply;
	char token[KM_TOKEN_ID_LEN + 1];
	km_error *err;

	KM_TRY(machine_id(root, &machine));
	KM_TRY(km_agent_kernel(root, &attach.kernel));
	km_fleet_token_id(secret, token);
	km_fleet_host_id(token, machine, attach.host);
	body = km_attach_text(&attach);
	call.bytes = body;
	call.size = strlen(body);
	KM_TRY(km_http_ask(http, &call, &reply));
	err = km_attach_answer_parse(reply.bytes, reply.size, &answer);
	if (!err)
		err = fetch_put(root, "attach", reply.bytes, reply.size);
	explicit_bzero(&answer, sizeof(answer));
	km_http_reply_free(&reply);
	return err;
}

km_error *fetch_attach(const char *root, char **words, int *status)
{
	KM_CLEANUP(km_http_client_destroyp) km_http_client *http = NULL;
	struct km_http_client_options options = {.url = words[0],
						 .ca = *words[2] ? words[2] : NULL,
						 .proxy = *words[3] ? words[3] : NULL,
						 .agent = "kmend-fetch/" KMEND_VERSION};
	char secret[SECRET_MAX];
	km_error *err;

	(void)status;
	KM_TRY(read_secret(secret));
	KM_TRY(km_http_client_create(&options, &http));
	err = get_root(root, http, words[1]);
	km_http_client_bearer(http, secret);
	if (!err)
		err = say_hello(root, http, secret);
	explicit_bzero(secret, sizeof(secret));
	return err;
}

km_error *fetch_detach(const char *root, char **words, int *status)
{
	KM_CLEANUP(km_http_client_destroyp) km_http_client *http = NULL;
	struct km_http_call call = {.method = "POST", .path = "/v1/detach"};
	struct km_http_reply reply;
	struct km_agent_config config;
	struct km_identity identity;
	km_error *err;

	(void)words;
	(void)status;
	KM_TRY(km_identity_read(root, &identity));
	KM_TRY(km_agent_config_read(root, &config));
	err = km_http_client_create(&(struct km_http_client_options){.url = config.server ? config.server : "",
								     .bearer = identity.secret,
								     .ca = config.ca,
								     .proxy = config.proxy,
								     .agent = "kmend-fetch/" KMEND_VERSION},
				    &http);
	km_agent_config_free(&config);
	KM_TRY(err);
	KM_TRY(km_http_send(http, &call, &reply));
	/* Who is not known any more is detached. */
	err = reply.status == 401 ? NULL : km_http_reply_check(&reply);
	km_http_reply_free(&reply);
	return err;
}
