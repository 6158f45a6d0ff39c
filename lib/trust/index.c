/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The body of an index: which releases a channel has. */
#include "internal.h"

static void read_entry(struct km_fields *index, json_t *array, size_t i, km_map *seen, struct km_index_entry *ret)
{
	struct km_fields f = km_fields_at(index, "releases", array, i);

	km_fields_sha256(&f, "id", ret->id);
	ret->staged = km_fields_bool(&f, "staged");
	ret->withdrawn = km_fields_maybe_text(&f, "withdrawn", text_reason);
	km_fields_done(&f);
	if (!km_fields_failed(&f) && km_map_has(seen, ret->id))
		km_fields_fail(&f, "the release is there twice");
	km_map_put(seen, ret->id, NULL);
}

static void read_index(struct km_fields *f, struct km_index *ret)
{
	km_map *seen = km_map_create();
	json_t *releases;

	ret->channel = km_fields_text(f, "channel", km_trust_name_ok);
	ret->version = km_fields_int(f, "version", 1, KM_VERSION_MAX - 1);
	ret->issued = km_fields_int(f, "issued", 0, TIME_MAX);
	ret->expires = km_fields_int(f, "expires", ret->issued, TIME_MAX);
	releases = km_fields_array(f, "releases", 0, KM_TRUST_RELEASES, &ret->n_releases);
	ret->releases = km_arena_alloc(f->json->arena, (ret->n_releases + 1) * sizeof(*ret->releases));
	for (size_t i = 0; i < ret->n_releases; i++)
		read_entry(f, releases, i, seen, &ret->releases[i]);
	km_fields_done(f);
	km_map_destroy(seen);
}

km_error *km_index_parse(const km_envelope *envelope, struct km_index *ret)
{
	struct km_index index = {.arena = km_arena_create()};
	struct km_json json = {.arena = index.arena};
	struct km_fields f = fields_body(envelope, &json);
	km_error *err;

	read_index(&f, &index);
	err = km_json_end(&json);
	if (err) {
		km_index_free(&index);
		return km_error_add(err, "this index is not well-formed");
	}
	*ret = index;
	return NULL;
}

km_error *km_index_make(const struct km_index *index, km_envelope **ret)
{
	json_t *o = body_begin(KM_DOC_INDEX), *releases = json_array();

	for (size_t i = 0; i < index->n_releases; i++) {
		const struct km_index_entry *entry = &index->releases[i];
		json_t *e = json_pack("{s:s, s:b}", "id", entry->id, "staged", entry->staged);

		if (entry->withdrawn)
			json_object_set_new(e, "withdrawn", json_string(entry->withdrawn));
		body_append(releases, e);
	}
	json_object_set_new(o, "channel", json_string(index->channel));
	json_object_set_new(o, "version", json_integer(index->version));
	json_object_set_new(o, "issued", json_integer(index->issued));
	json_object_set_new(o, "expires", json_integer(index->expires));
	json_object_set_new(o, "releases", releases);
	return body_end(KM_DOC_INDEX, o, ret);
}

void km_index_free(struct km_index *index)
{
	km_arena_destroy(index->arena);
	*index = (struct km_index){0};
}
