/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server answers to a report. */
#include "internal.h"

static bool severity_ok(const char *s)
{
	enum km_severity severity;

	return km_severity_of(s, &severity);
}

/* A URL, or null for the server itself. */
static char *read_payloads(struct km_fields *f)
{
	if (!json_is_null(json_object_get(f->object, "payloads")))
		return km_strdup(km_fields_text(f, "payloads", fleet_url));
	km_fields_take(f, "payloads");
	return NULL;
}

static void read_answer(struct km_fields *f, struct km_checkin_answer *ret)
{
	const char **tags;
	size_t n;

	ret->interval = km_fields_int(f, "interval", 1, KM_FLEET_DAY);
	ret->root = km_fields_int(f, "root", 1, KM_VERSION_MAX - 1);
	ret->timestamp = km_fields_int(f, "timestamp", 0, KM_VERSION_MAX - 1);
	tags = km_fields_texts(f, "tags", KM_FLEET_TAGS, km_trust_name_ok, &n);
	for (size_t i = 0; i < n; i++)
		km_strv_push(&ret->tags, tags[i]);
	km_severity_of(km_fields_text(f, "min_severity", severity_ok), &ret->min_severity);
	ret->payloads = read_payloads(f);
}

km_error *km_checkin_answer_parse(const void *bytes, size_t size, struct km_checkin_answer *ret)
{
	struct km_checkin_answer answer = {0};
	struct km_json json;
	struct km_fields f;
	km_error *err;

	KM_TRY(fleet_begin(bytes, size, true, &json, &f));
	read_answer(&f, &answer);
	err = fleet_end(&json, "answer to a report");
	if (err) {
		km_checkin_answer_free(&answer);
		return err;
	}
	*ret = answer;
	return NULL;
}

char *km_checkin_answer_text(const struct km_checkin_answer *answer)
{
	json_t *tags = json_array();

	for (size_t i = 0; i < answer->tags.n; i++)
		json_array_append_new(tags, fleet_text(answer->tags.at[i], KM_TRUST_NAME_MAX));
	return fleet_dump(json_pack(
		"{s:I, s:I, s:I, s:o, s:s, s:s?}", "interval", (json_int_t)clamp(answer->interval, 1, KM_FLEET_DAY),
		"root", (json_int_t)clamp(answer->root, 1, KM_VERSION_MAX - 1), "timestamp",
		(json_int_t)clamp(answer->timestamp, 0, KM_VERSION_MAX - 1), "tags", tags, "min_severity",
		km_severity_name(answer->min_severity), "payloads", answer->payloads));
}

void km_checkin_answer_free(struct km_checkin_answer *answer)
{
	km_strv_free(&answer->tags);
	free(answer->payloads);
	*answer = (struct km_checkin_answer){0};
}
