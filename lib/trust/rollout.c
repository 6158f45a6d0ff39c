/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The body of a rollout: who must wait, and what is halted. Nothing in it can give what the index does not: each entry
 * is one more condition on a release, and an entry for a release that the index does not have means nothing.
 */
#include "internal.h"

enum { WAVES = 64, TAGS = 64 };

static void read_wave(struct km_fields *entry, json_t *array, size_t i, struct km_wave *ret)
{
	struct km_fields f = km_fields_at(entry, "waves", array, i);

	ret->tags = km_fields_texts(&f, "tags", TAGS, km_trust_name_ok, &ret->n_tags);
	ret->permyriad = (unsigned)km_fields_int(&f, "permyriad", 0, KM_PERMYRIAD);
	km_fields_done(&f);
}

static void read_waves(struct km_fields *f, struct km_rollout_entry *ret)
{
	json_t *waves;

	/* No waves at all is "every host", an empty array is "nobody". */
	ret->all = !km_fields_has(f, "waves");
	if (ret->all)
		return;
	waves = km_fields_array(f, "waves", 0, WAVES, &ret->n_waves);
	ret->waves = km_arena_alloc(f->json->arena, (ret->n_waves + 1) * sizeof(*ret->waves));
	for (size_t i = 0; i < ret->n_waves; i++)
		read_wave(f, waves, i, &ret->waves[i]);
}

/* True, or not there: one spelling for each meaning. A rollback that would let others go on makes no sense. */
static void read_rollback(struct km_fields *f, struct km_rollout_entry *ret)
{
	if (!km_fields_has(f, "rollback"))
		return;
	ret->rollback = km_fields_bool(f, "rollback");
	if (!ret->rollback)
		km_fields_fail(f, "\"rollback\" is true or absent");
	if (!ret->halt)
		km_fields_fail(f, "\"rollback\" needs a \"halt\"");
}

static void read_entry(struct km_fields *rollout, json_t *array, size_t i, km_map *seen, struct km_rollout_entry *ret)
{
	struct km_fields f = km_fields_at(rollout, "releases", array, i);

	km_fields_sha256(&f, "id", ret->id);
	ret->halt = km_fields_maybe_text(&f, "halt", text_reason);
	read_rollback(&f, ret);
	if (km_fields_has(&f, "not_before"))
		ret->not_before = km_fields_int(&f, "not_before", 0, TIME_MAX);
	read_waves(&f, ret);
	km_fields_done(&f);
	if (!km_fields_failed(&f) && km_map_has(seen, ret->id))
		km_fields_fail(&f, "the release is there twice");
	km_map_put(seen, ret->id, NULL);
}

static void read_rollout(struct km_fields *f, struct km_rollout *ret)
{
	km_map *seen = km_map_create();
	json_t *releases;

	ret->channel = km_fields_text(f, "channel", km_trust_name_ok);
	ret->version = km_fields_int(f, "version", 1, KM_VERSION_MAX - 1);
	ret->issued = km_fields_int(f, "issued", 0, TIME_MAX);
	ret->expires = km_fields_int(f, "expires", ret->issued, TIME_MAX);
	ret->halt = km_fields_maybe_text(f, "halt", text_reason);
	releases = km_fields_array(f, "releases", 0, KM_TRUST_RELEASES, &ret->n_releases);
	ret->releases = km_arena_alloc(f->json->arena, (ret->n_releases + 1) * sizeof(*ret->releases));
	for (size_t i = 0; i < ret->n_releases; i++)
		read_entry(f, releases, i, seen, &ret->releases[i]);
	km_fields_done(f);
	km_map_destroy(seen);
}

km_error *km_rollout_parse(const km_envelope *envelope, struct km_rollout *ret)
{
	struct km_rollout rollout = {.arena = km_arena_create()};
	struct km_json json = {.arena = rollout.arena};
	struct km_fields f = fields_body(envelope, &json);
	km_error *err;

	read_rollout(&f, &rollout);
	err = km_json_end(&json);
	if (err) {
		km_rollout_free(&rollout);
		return km_error_add(err, "this rollout is not well-formed");
	}
	*ret = rollout;
	return NULL;
}

static json_t *waves_json(const struct km_rollout_entry *entry)
{
	json_t *waves = json_array();

	for (size_t i = 0; i < entry->n_waves; i++) {
		const struct km_wave *wave = &entry->waves[i];
		json_t *tags = json_array();

		for (size_t j = 0; j < wave->n_tags; j++)
			body_append(tags, json_string(wave->tags[j]));
		body_append(waves, json_pack("{s:o, s:i}", "tags", tags, "permyriad", (int)wave->permyriad));
	}
	return waves;
}

static json_t *entry_json(const struct km_rollout_entry *entry)
{
	json_t *e = json_pack("{s:s}", "id", entry->id);

	if (entry->halt)
		json_object_set_new(e, "halt", json_string(entry->halt));
	if (entry->rollback)
		json_object_set_new(e, "rollback", json_true());
	if (entry->not_before)
		json_object_set_new(e, "not_before", json_integer(entry->not_before));
	if (!entry->all)
		json_object_set_new(e, "waves", waves_json(entry));
	return e;
}

km_error *km_rollout_make(const struct km_rollout *rollout, km_envelope **ret)
{
	json_t *o = body_begin(KM_DOC_ROLLOUT), *releases = json_array();

	for (size_t i = 0; i < rollout->n_releases; i++)
		body_append(releases, entry_json(&rollout->releases[i]));
	json_object_set_new(o, "channel", json_string(rollout->channel));
	json_object_set_new(o, "version", json_integer(rollout->version));
	json_object_set_new(o, "issued", json_integer(rollout->issued));
	json_object_set_new(o, "expires", json_integer(rollout->expires));
	if (rollout->halt)
		json_object_set_new(o, "halt", json_string(rollout->halt));
	json_object_set_new(o, "releases", releases);
	return body_end(KM_DOC_ROLLOUT, o, ret);
}

void km_rollout_free(struct km_rollout *rollout)
{
	km_arena_destroy(rollout->arena);
	*rollout = (struct km_rollout){0};
}

unsigned km_trust_cohort(const char *release_id, const char *host_id)
{
	KM_AUTOFREE char *text = km_printf("kmend/1 cohort\n%s\n%s\n", release_id, host_id);
	uint8_t sum[KM_SHA256_LEN];
	uint64_t n = 0;

	km_sha256_of(text, strlen(text), sum);
	for (size_t i = 0; i < sizeof(n); i++)
		n = n << 8 | sum[i];
	/* The upper half of a product spreads evenly; a remainder would not quite. */
	return (unsigned)((unsigned __int128)n * KM_PERMYRIAD >> 64);
}

static bool has_tag(const struct km_trust_host *host, const char *tag)
{
	for (size_t i = 0; i < host->n_tags; i++)
		if (!strcmp(host->tags[i], tag))
			return true;
	return false;
}

bool km_wave_admits(const struct km_wave *wave, const struct km_trust_host *host, unsigned cohort)
{
	bool tagged = !wave->n_tags;

	for (size_t i = 0; i < wave->n_tags && !tagged; i++)
		tagged = has_tag(host, wave->tags[i]);
	return tagged && cohort < wave->permyriad;
}

bool km_rollout_admits(const struct km_rollout_entry *entry, const struct km_trust_host *host, int64_t now)
{
	unsigned cohort = entry->all ? 0 : km_trust_cohort(entry->id, host->id);

	if (now < entry->not_before)
		return false;
	if (entry->all)
		return true;
	for (size_t i = 0; i < entry->n_waves; i++)
		if (km_wave_admits(&entry->waves[i], host, cohort))
			return true;
	return false;
}
