// SPDX-License-Identifier: GPL-2.0-or-later
/* The metadata of a patch as JSON; see kmend/patch-format.h. Sorted keys and no times: the same patch gives the same
 * text. */
#include <jansson.h>

#include "link.h"

static json_t *strings(const km_strv *v)
{
	json_t *array = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(array, json_string(v->at[i]));
	return array;
}

static json_t *mask_of(const struct km_link_func *f)
{
	json_t *array = json_array();

	for (size_t i = 0; i < f->mask.n; i++)
		json_array_append_new(
			array, json_pack("[I, I]", (json_int_t)f->mask.at[i].offset, (json_int_t)f->mask.at[i].length));
	return array;
}

static json_t *function_of(const struct km_link_func *f)
{
	char expected[KM_SHA256_HEX];

	km_hex(f->expected, KM_SHA256_LEN, expected);
	return json_pack("{s:s, s:i, s:s, s:I, s:s, s:o, s:b}", "name", f->name, "sympos", (int)f->sympos, "unit",
			 f->unit, "size", (json_int_t)f->size, "expected", expected, "mask", mask_of(f), "matched",
			 f->matched);
}

static json_t *object_of(const struct km_link *link, const char *name)
{
	json_t *object = json_object();
	char build_id[2 * 20 + 1];
	km_object *module;

	json_object_set_new(object, "name", json_string(name));
	json_object_set_new(object, "functions", json_array());
	if (strcmp(name, "vmlinux")) {
		km_error *err = km_kernel_module(link->k, name, &module);

		if (!err && module->build_id_len) {
			km_hex(module->build_id, module->build_id_len, build_id);
			json_object_set_new(object, "build_id", json_string(build_id));
		}
		km_error_free(err);
	}
	return object;
}

/* Functions of one object stand together in link->funcs. */
static json_t *objects_of(const struct km_link *link)
{
	json_t *array = json_array(), *object = NULL;
	const char *last = NULL;

	for (size_t i = 0; i < link->funcs.n; i++) {
		const struct km_link_func *f = &link->funcs.at[i];

		if (!last || strcmp(last, f->object)) {
			object = object_of(link, f->object);
			json_array_append_new(array, object);
			last = f->object;
		}
		json_array_append_new(json_object_get(object, "functions"), function_of(f));
	}
	return array;
}

static json_t *kernel_of(const km_kernel *k)
{
	char build_id[2 * 20 + 1];

	km_hex(k->vmlinux->build_id, k->vmlinux->build_id_len, build_id);
	return json_pack("{s:s, s:s, s:s, s:s}", "release", k->release, "build_id", build_id, "arch", k->arch,
			 "package", k->package_version ? k->package_version : "");
}

static void set_text(json_t *root, const char *key, const char *text)
{
	if (text && *text)
		json_object_set_new(root, key, json_string(text));
}

static void set_flags(json_t *root, const struct km_patch_spec *spec)
{
	json_t *flags = strings(&spec->flags);

	if (spec->allow_mismatch && !km_strv_has(&spec->flags, "allow-mismatch"))
		json_array_append_new(flags, json_string("allow-mismatch"));
	if (json_array_size(flags))
		json_object_set(root, "flags", flags);
	json_decref(flags);
}

char *km_meta_text(const struct km_link *link)
{
	const struct km_patch_spec *spec = link->spec;
	json_t *root = json_object();
	char *text, *copy;

	json_object_set_new(root, "format", json_integer(KM_PATCH_FORMAT));
	set_text(root, "flavour", km_flavour_name(link->flavour));
	set_text(root, "name", spec->name);
	set_text(root, "version", spec->version);
	set_text(root, "tool", "kmend " KMEND_VERSION);
	set_text(root, "source_hash", spec->source_hash);
	set_text(root, "severity", spec->severity);
	set_text(root, "description", spec->description);
	if (spec->cves.n)
		json_object_set_new(root, "cves", strings(&spec->cves));
	set_flags(root, spec);
	json_object_set_new(root, "replace", json_boolean(spec->replace));
	json_object_set_new(root, "kernel", kernel_of(link->k));
	json_object_set_new(root, "objects", objects_of(link));
	text = json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT);
	json_decref(root);
	if (!text)
		return NULL;
	copy = km_strdup(text);
	free(text);
	return copy;
}
