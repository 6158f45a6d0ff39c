/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rollout's place in bytes: {"state", "wave_since", "let_in": [when, …], "forgiven": {"failed", "stalled", "crashed",
 * "silent"}}. There are as many dates in let_in as there are waves let in.
 */
#include "internal.h"

static bool state_ok(const char *s)
{
	enum km_rollout_state state;

	return km_rollout_state_of(s, &state);
}

static void read_dates(struct km_fields *f, struct km_progress_of *ret)
{
	size_t n;
	json_t *dates = km_fields_array(f, "let_in", 1, KM_FLEET_WAVES, &n);

	for (size_t i = 0; i < n; i++) {
		json_t *date = json_array_get(dates, i);

		ret->let_in[i] = json_integer_value(date);
		if (!json_is_integer(date) || ret->let_in[i] < 0 || ret->let_in[i] > FLEET_TIME_MAX)
			km_fields_fail(f, "let_in[%zu] is no date", i);
	}
	ret->wave = n ? n - 1 : 0;
}

static void read_forgiven(struct km_fields *progress, struct km_progress_of *ret)
{
	struct km_fields f = km_fields_in(progress, "forgiven");

	ret->forgiven.failed = (uint64_t)km_fields_int(&f, "failed", 0, INT64_MAX);
	ret->forgiven.stalled = (uint64_t)km_fields_int(&f, "stalled", 0, INT64_MAX);
	ret->forgiven.crashed = (uint64_t)km_fields_int(&f, "crashed", 0, INT64_MAX);
	ret->forgiven.silent = (uint64_t)km_fields_int(&f, "silent", 0, INT64_MAX);
	km_fields_done(&f);
}

km_error *km_progress_parse(const void *bytes, size_t size, struct km_progress_of *ret)
{
	struct km_progress_of at = {0};
	struct km_json json;
	struct km_fields f;

	KM_TRY(fleet_begin(bytes, size, false, &json, &f));
	km_rollout_state_of(km_fields_text(&f, "state", state_ok), &at.state);
	at.wave_since = km_fields_int(&f, "wave_since", 0, FLEET_TIME_MAX);
	read_dates(&f, &at);
	read_forgiven(&f, &at);
	km_fields_done(&f);
	KM_TRY(fleet_end(&json, "place of a rollout"));
	*ret = at;
	return NULL;
}

char *km_progress_text(const struct km_progress_of *at)
{
	json_t *dates = json_array();

	for (size_t i = 0; i <= at->wave; i++)
		json_array_append_new(dates, json_integer(at->let_in[i]));
	return fleet_dump(json_pack("{s:s, s:I, s:o, s:{s:I, s:I, s:I, s:I}}", "state",
				    km_rollout_state_name(at->state), "wave_since", (json_int_t)at->wave_since,
				    "let_in", dates, "forgiven", "failed", (json_int_t)at->forgiven.failed, "stalled",
				    (json_int_t)at->forgiven.stalled, "crashed", (json_int_t)at->forgiven.crashed,
				    "silent", (json_int_t)at->forgiven.silent));
}
