/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host becomes one of a channel. Nothing is believed before the fingerprint that a person gave has been compared. */
#include "internal.h"

/* The root with that fingerprint, which may be any version: a bundle or a server has several. */
static km_error *begin_trust(const km_source *source, const char *fingerprint, const char *channel, km_trust_client **ret)
{
	km_error *last = NULL;

	for (unsigned version = 1; version <= 1024; version++) {
		KM_AUTOFREE uint8_t *bytes = NULL;
		char name[KM_SOURCE_NAME], number[16];
		size_t size;
		km_error *err;

		snprintf(number, sizeof(number), "%u", version);
		km_source_name(KM_DOC_ROOT, number, name);
		err = km_source_get(source, name, km_doc_max(KM_DOC_ROOT), &bytes, &size, NULL);
		if (!err)
			err = km_trust_create(bytes, size, channel, fingerprint, ret, NULL);
		if (!err) {
			km_error_free(last);
			return NULL;
		}
		if (err->code == KM_NOTHING || last)
			km_error_free(err);
		else
			last = err;
	}
	if (!last)
		last = km_error_new(KM_REFUSED, "no root came along");
	return km_error_hint(km_error_add(last, "no root has the fingerprint %.16s…", fingerprint),
			     "ask the publisher for it: kmend key status shows it; a server cannot be believed in this");
}

static km_error *answer_of(const km_source *source, struct km_identity *identity)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_attach_answer answer;
	size_t size;

	KM_TRY(km_source_get(source, "attach", KM_FLEET_BODY_MAX, &bytes, &size, NULL));
	KM_TRY(km_attach_answer_parse(bytes, size, &answer));
	if (!agent_copy(identity->secret, sizeof(identity->secret), answer.secret) || !*identity->secret ||
	    !agent_copy(identity->channel, sizeof(identity->channel), answer.channel))
		return km_error_new(KM_INPUT, "the server's answer has no secret or no channel");
	return NULL;
}

/* A bundle says by its timestamp which channel it is of; the signature is looked at when it is taken. */
static km_error *channel_of(const km_source *source, struct km_identity *identity)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE uint8_t *bytes = NULL;
	struct km_timestamp timestamp;
	size_t size;

	KM_TRY(km_source_get(source, "timestamp", km_doc_max(KM_DOC_TIMESTAMP), &bytes, &size, NULL));
	KM_TRY(km_envelope_parse(KM_DOC_TIMESTAMP, bytes, size, &envelope, NULL));
	KM_TRY(km_timestamp_parse(envelope, &timestamp));
	agent_copy(identity->channel, sizeof(identity->channel), timestamp.channel);
	km_timestamp_free(&timestamp);
	return NULL;
}

static km_error *host_id(const char *root, const char *token_id, char ret[static KM_SHA256_HEX])
{
	KM_AUTOFREE char *machine = agent_text(root, "/etc/machine-id");

	if (!machine || strlen(machine) < 32)
		return km_error_hint(km_error_new(KM_ENV, "this machine has no /etc/machine-id"),
				     "systemd-machine-id-setup(1) makes one");
	km_fleet_host_id(*token_id ? token_id : "bundle", machine, ret);
	return NULL;
}

km_error *km_apply_attach(const struct km_apply *apply, const char *token_id, const char *fingerprint)
{
	KM_CLEANUP(km_trust_destroyp) km_trust_client *client = NULL;
	struct km_identity identity = {0};

	if (km_identity_exists(apply->root))
		return km_error_hint(km_error_new(KM_REFUSED, "this host is attached already"), "first: kmend detach");
	KM_TRY(host_id(apply->root, token_id, identity.host));
	KM_TRY(*token_id ? answer_of(apply->source, &identity) : channel_of(apply->source, &identity));
	KM_TRY(begin_trust(apply->source, fingerprint, identity.channel, &client));
	KM_TRY(km_agent_prepare(apply->root));
	/* The identity is written last: without it the rest is nothing. */
	KM_TRY(km_agent_trust_save(apply->root, client));
	return km_identity_write(apply->root, &identity);
}
