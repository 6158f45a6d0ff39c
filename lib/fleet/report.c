/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a host says of itself at a check-in. */
#include "internal.h"

static bool standing_ok(const char *s)
{
	enum km_standing standing;

	return km_standing_of(s, &standing);
}

static bool state_ok(const char *s)
{
	enum km_patch_state state;

	return km_patch_state_of(s, &state);
}

static bool health_ok(const char *s)
{
	enum km_health health;

	return km_health_of(s, &health);
}

static void read_patch(struct km_fields *report, json_t *array, size_t i, struct km_report_patch *ret)
{
	struct km_fields f = km_fields_at(report, "patches", array, i);

	km_fields_sha256(&f, "release", ret->release);
	km_patch_state_of(km_fields_text(&f, "state", state_ok), &ret->state);
	km_health_of(km_fields_text(&f, "health", health_ok), &ret->health);
	ret->since = km_fields_int(&f, "since", 0, FLEET_TIME_MAX);
	ret->transition_ms = (int32_t)km_fields_int(&f, "transition_ms", -1, INT32_MAX);
	ret->age = (int32_t)km_fields_int(&f, "age", 0, INT32_MAX);
	km_fields_copy(&f, "detail", fleet_detail, sizeof(ret->detail), ret->detail);
	km_fields_done(&f);
}

static void read_patches(struct km_fields *f, struct km_report *ret)
{
	json_t *patches = km_fields_array(f, "patches", 0, KM_FLEET_PATCHES, &ret->n_patches);

	ret->patches = km_calloc(ret->n_patches, sizeof(*ret->patches));
	for (size_t i = 0; i < ret->n_patches; i++) {
		read_patch(f, patches, i, &ret->patches[i]);
		for (size_t j = 0; j < i && !km_fields_failed(f); j++)
			if (!strcmp(ret->patches[i].release, ret->patches[j].release))
				km_fields_fail(f, "the release %s is there twice", ret->patches[i].release);
	}
}

static void read_report(struct km_fields *f, struct km_report *ret)
{
	fleet_read_format(f);
	km_fields_sha256(f, "host", ret->host);
	fleet_read_kernel(f, &ret->kernel);
	km_fields_copy(f, "agent", fleet_word, sizeof(ret->agent), ret->agent);
	km_standing_of(km_fields_text(f, "state", standing_ok), &ret->standing);
	ret->root = km_fields_int(f, "root", 0, KM_VERSION_MAX - 1);
	ret->timestamp = km_fields_int(f, "timestamp", 0, KM_VERSION_MAX - 1);
	read_patches(f, ret);
	km_fields_done(f);
}

km_error *km_report_parse(const void *bytes, size_t size, struct km_report *ret)
{
	struct km_report report = {0};
	struct km_json json;
	struct km_fields f;
	km_error *err;

	KM_TRY(fleet_begin(bytes, size, false, &json, &f));
	read_report(&f, &report);
	err = fleet_end(&json, "report");
	if (err) {
		km_report_free(&report);
		return err;
	}
	*ret = report;
	return NULL;
}

static json_t *patch_json(const struct km_report_patch *patch)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:o}", "release", patch->release, "state",
			 km_patch_state_name(patch->state), "health", km_health_name(patch->health), "since",
			 (json_int_t)clamp(patch->since, 0, FLEET_TIME_MAX), "transition_ms",
			 (json_int_t)clamp(patch->transition_ms, -1, INT32_MAX), "age",
			 (json_int_t)clamp(patch->age, 0, INT32_MAX), "detail",
			 fleet_text(patch->detail, KM_FLEET_DETAIL_MAX));
}

char *km_report_text(const struct km_report *report)
{
	json_t *o = json_pack("{s:i, s:s, s:s, s:I, s:I}", "format", FLEET_FORMAT, "host", report->host, "state",
			      km_standing_name(report->standing), "root",
			      (json_int_t)clamp(report->root, 0, KM_VERSION_MAX - 1), "timestamp",
			      (json_int_t)clamp(report->timestamp, 0, KM_VERSION_MAX - 1));
	json_t *patches = json_array();

	fleet_write_kernel(o, &report->kernel);
	json_object_set_new(o, "agent", fleet_text(report->agent, KM_TRUST_NAME_MAX));
	for (size_t i = 0; i < report->n_patches; i++)
		json_array_append_new(patches, patch_json(&report->patches[i]));
	json_object_set_new(o, "patches", patches);
	return fleet_dump(o);
}

void km_report_free(struct km_report *report)
{
	free(report->patches);
	*report = (struct km_report){0};
}
