/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The body of a root:
 * {"type":"root","format":1,"version","issued","expires","keys":[{"id","role","name","key"}],"thresholds":{role: n}} */
#include "internal.h"

static bool role_ok(const char *s)
{
	enum km_role role;

	return km_role_of(s, &role);
}

static bool key_ok(const char *s)
{
	return km_hex_ok(s, 2 * KM_KEY_LEN);
}

static void read_key(struct km_fields *root, json_t *array, size_t i, struct km_public_key *ret)
{
	struct km_fields f = km_fields_at(root, "keys", array, i);
	const char *role = km_fields_text(&f, "role", role_ok), *name = km_fields_text(&f, "name", text_key_name);
	const char *key = km_fields_text(&f, "key", key_ok);
	char id[KM_SHA256_HEX];

	km_fields_sha256(&f, "id", id);
	km_fields_done(&f);
	if (km_fields_failed(&f))
		return;
	km_role_of(role, &ret->role);
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	km_hex_read(key, 2 * KM_KEY_LEN, ret->key, sizeof(ret->key));
	key_id(ret->key, ret->id);
	/* A free choice of ids would let one key count twice. */
	if (strcmp(id, ret->id))
		km_fields_fail(&f, "the id is not the key's");
}

static void check_keys(struct km_fields *f, const struct km_root *root)
{
	unsigned have[KM_ROLES] = {0};

	for (size_t i = 0; i < root->n_keys; i++) {
		have[root->keys[i].role]++;
		/* In one role only: else one person could be builder and reviewer. */
		for (size_t j = 0; j < i; j++)
			if (!strcmp(root->keys[i].id, root->keys[j].id))
				km_fields_fail(f, "the key %s is there twice", root->keys[i].id);
	}
	for (unsigned i = 0; i < KM_ROLES; i++)
		if (have[i] < root->threshold[i])
			km_fields_fail(f, "%u %s keys must sign, and there are %u", root->threshold[i],
				    km_role_name((enum km_role)i), have[i]);
}

static void read_root(struct km_fields *f, struct km_root *ret)
{
	json_t *keys;
	struct km_fields thresholds;

	ret->version = km_fields_int(f, "version", 1, KM_VERSION_MAX - 1);
	ret->issued = km_fields_int(f, "issued", 0, TIME_MAX);
	ret->expires = km_fields_int(f, "expires", ret->issued, TIME_MAX);
	keys = km_fields_array(f, "keys", KM_ROLES, KM_TRUST_KEYS, &ret->n_keys);
	ret->keys = km_arena_alloc(ret->arena, (ret->n_keys + 1) * sizeof(*ret->keys));
	for (size_t i = 0; i < ret->n_keys; i++)
		read_key(f, keys, i, &ret->keys[i]);
	thresholds = km_fields_in(f, "thresholds");
	for (unsigned i = 0; i < KM_ROLES; i++)
		ret->threshold[i] =
			(unsigned)km_fields_int(&thresholds, km_role_name((enum km_role)i), 1, KM_TRUST_SIGNATURES / 2);
	km_fields_done(&thresholds);
	km_fields_done(f);
	if (!km_fields_failed(f))
		check_keys(f, ret);
}

km_error *km_root_parse(const km_envelope *envelope, struct km_root *ret)
{
	struct km_root root = {.arena = km_arena_create()};
	struct km_json json = {.arena = root.arena};
	struct km_fields f = fields_body(envelope, &json);
	km_error *err;

	read_root(&f, &root);
	err = km_json_end(&json);
	if (err) {
		km_root_free(&root);
		return km_error_add(err, "this root is not well-formed");
	}
	*ret = root;
	return NULL;
}

static json_t *key_json(const struct km_public_key *key)
{
	char hex[2 * KM_KEY_LEN + 1];

	km_hex(key->key, sizeof(key->key), hex);
	return json_pack("{s:s, s:s, s:s, s:s}", "id", key->id, "role", km_role_name(key->role), "name", key->name,
			 "key", hex);
}

km_error *km_root_make(const struct km_root *root, km_envelope **ret)
{
	json_t *o = body_begin(KM_DOC_ROOT), *keys = json_array(), *thresholds = json_object();

	for (size_t i = 0; i < root->n_keys; i++)
		body_append(keys, key_json(&root->keys[i]));
	for (unsigned i = 0; i < KM_ROLES; i++)
		json_object_set_new(thresholds, km_role_name((enum km_role)i), json_integer(root->threshold[i]));
	json_object_set_new(o, "version", json_integer(root->version));
	json_object_set_new(o, "issued", json_integer(root->issued));
	json_object_set_new(o, "expires", json_integer(root->expires));
	json_object_set_new(o, "keys", keys);
	json_object_set_new(o, "thresholds", thresholds);
	return body_end(KM_DOC_ROOT, o, ret);
}

void km_root_free(struct km_root *root)
{
	km_arena_destroy(root->arena);
	*root = (struct km_root){0};
}
