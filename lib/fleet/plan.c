/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A rollout as a person asks for it:
 * {"format": 1, "release", "channel", "waves": [{"tags": […], "permyriad"}, …], "not_before", "settle", "silent_after",
 * "complete", "gates": {"crashed", "failed", "stalled", "silent"}}
 */
#include "internal.h"

enum { MONTH = 30 * 86400, HOSTS_MAX = 1000000000 };

const struct km_gates km_gates_default = {.crashed = 0, .failed = 100, .stalled = 500, .silent = 200};

static void read_wave(struct km_fields *plan, json_t *array, size_t i, struct km_wave *ret)
{
	struct km_fields f = km_fields_at(plan, "waves", array, i);

	ret->tags = km_fields_texts(&f, "tags", KM_FLEET_TAGS, km_trust_name_ok, &ret->n_tags);
	ret->permyriad = (unsigned)km_fields_int(&f, "permyriad", 1, KM_PERMYRIAD);
	km_fields_done(&f);
}

static void read_waves(struct km_fields *f, struct km_plan *ret)
{
	json_t *waves = km_fields_array(f, "waves", 1, KM_FLEET_WAVES, &ret->n_waves);
	const char *wrong;

	ret->waves = km_arena_alloc(ret->arena, (ret->n_waves + 1) * sizeof(*ret->waves));
	for (size_t i = 0; i < ret->n_waves; i++)
		read_wave(f, waves, i, &ret->waves[i]);
	if (km_fields_failed(f))
		return;
	wrong = waves_wrong(ret->waves, ret->n_waves, ret->arena);
	if (wrong)
		km_fields_fail(f, "%s", wrong);
}

static void read_gates(struct km_fields *plan, struct km_gates *ret)
{
	struct km_fields f;

	*ret = km_gates_default;
	if (!km_fields_has(plan, "gates"))
		return;
	f = km_fields_in(plan, "gates");
	ret->crashed = (unsigned)km_fields_maybe_int(&f, "crashed", 0, HOSTS_MAX, ret->crashed);
	ret->failed = (unsigned)km_fields_maybe_int(&f, "failed", 0, KM_PERMYRIAD, ret->failed);
	ret->stalled = (unsigned)km_fields_maybe_int(&f, "stalled", 0, KM_PERMYRIAD, ret->stalled);
	ret->silent = (unsigned)km_fields_maybe_int(&f, "silent", 0, KM_PERMYRIAD, ret->silent);
	km_fields_done(&f);
}

static void read_plan(struct km_fields *f, struct km_plan *ret)
{
	fleet_read_format(f);
	km_fields_sha256(f, "release", ret->release);
	km_fields_copy(f, "channel", km_trust_name_ok, sizeof(ret->channel), ret->channel);
	read_waves(f, ret);
	ret->not_before = km_fields_maybe_int(f, "not_before", 0, FLEET_TIME_MAX, 0);
	ret->settle = km_fields_maybe_int(f, "settle", 1, MONTH, KM_SETTLE_DEFAULT);
	ret->silent_after = km_fields_maybe_int(f, "silent_after", 0, MONTH, 0);
	ret->complete = (unsigned)km_fields_maybe_int(f, "complete", 1, KM_PERMYRIAD, KM_COMPLETE_DEFAULT);
	read_gates(f, &ret->gates);
	km_fields_done(f);
}

km_error *km_plan_parse(const void *bytes, size_t size, struct km_plan *ret)
{
	struct km_plan plan = {.arena = km_arena_create()};
	struct km_json json = {.arena = plan.arena};
	km_error *err = fleet_bounded(size);

	if (!err) {
		struct km_fields f = km_fields_begin(&json, bytes, size);

		read_plan(&f, &plan);
		err = km_json_end(&json);
	}
	if (err) {
		km_plan_free(&plan);
		return km_error_add(err, "this plan of a rollout is not well-formed");
	}
	*ret = plan;
	return NULL;
}

static json_t *waves_json(const struct km_plan *plan)
{
	json_t *waves = json_array();

	for (size_t i = 0; i < plan->n_waves; i++) {
		json_t *tags = json_array();

		for (size_t j = 0; j < plan->waves[i].n_tags; j++)
			json_array_append_new(tags, json_string(plan->waves[i].tags[j]));
		json_array_append_new(
			waves, json_pack("{s:o, s:i}", "tags", tags, "permyriad", (int)plan->waves[i].permyriad));
	}
	return waves;
}

char *km_plan_text(const struct km_plan *plan)
{
	const struct km_gates *gates = &plan->gates;

	return fleet_dump(json_pack("{s:i, s:s, s:s, s:o, s:I, s:I, s:I, s:i, s:{s:I, s:I, s:I, s:I}}", "format",
				    FLEET_FORMAT, "release", plan->release, "channel", plan->channel, "waves",
				    waves_json(plan), "not_before", (json_int_t)plan->not_before, "settle",
				    (json_int_t)plan->settle, "silent_after", (json_int_t)plan->silent_after,
				    "complete", (int)plan->complete, "gates", "crashed", (json_int_t)gates->crashed,
				    "failed", (json_int_t)gates->failed, "stalled", (json_int_t)gates->stalled,
				    "silent", (json_int_t)gates->silent));
}

void km_plan_free(struct km_plan *plan)
{
	km_arena_destroy(plan->arena);
	*plan = (struct km_plan){0};
}

int64_t km_plan_silent_after(const struct km_plan *plan, int64_t interval)
{
	return plan->silent_after ? plan->silent_after : 3 * interval + 60;
}
