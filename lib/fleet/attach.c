/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A host comes to a fleet, and what it is told. */
#include "internal.h"

km_error *km_attach_parse(const void *bytes, size_t size, struct km_attach *ret)
{
	struct km_attach attach;
	struct km_json json;
	struct km_fields f;

	KM_TRY(fleet_begin(bytes, size, false, &json, &f));
	fleet_read_format(&f);
	km_fields_sha256(&f, "host", attach.host);
	fleet_read_kernel(&f, &attach.kernel);
	km_fields_done(&f);
	KM_TRY(fleet_end(&json, "request to attach"));
	*ret = attach;
	return NULL;
}

char *km_attach_text(const struct km_attach *attach)
{
	json_t *o = json_pack("{s:i, s:s}", "format", FLEET_FORMAT, "host", attach->host);

	fleet_write_kernel(o, &attach->kernel);
	return fleet_dump(o);
}

static bool host_secret(const char *s)
{
	return km_fleet_secret_ok(s, "kmh_");
}

km_error *km_attach_answer_parse(const void *bytes, size_t size, struct km_attach_answer *ret)
{
	struct km_attach_answer answer;
	struct km_json json;
	struct km_fields f;

	KM_TRY(fleet_begin(bytes, size, true, &json, &f));
	km_fields_copy(&f, "secret", host_secret, sizeof(answer.secret), answer.secret);
	km_fields_copy(&f, "channel", km_trust_name_ok, sizeof(answer.channel), answer.channel);
	answer.root = km_fields_int(&f, "root", 1, KM_VERSION_MAX - 1);
	answer.interval = km_fields_int(&f, "interval", 1, KM_FLEET_DAY);
	KM_TRY(fleet_end(&json, "answer to attaching"));
	*ret = answer;
	return NULL;
}

char *km_attach_answer_text(const struct km_attach_answer *answer)
{
	return fleet_dump(json_pack("{s:s, s:s, s:I, s:I}", "secret", answer->secret, "channel", answer->channel,
				    "root", (json_int_t)clamp(answer->root, 1, KM_VERSION_MAX - 1), "interval",
				    (json_int_t)clamp(answer->interval, 1, KM_FLEET_DAY)));
}
