/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON objects in which every key is known, present and within its bounds. */
#include <kmend/json.h>

struct km_fields km_fields_begin(struct km_json *json, const void *bytes, size_t size)
{
	json_error_t at;
	struct km_fields f = {NULL, json, "", 0};

	json->error = NULL;
	json->root = f.object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &at);
	if (!json->root)
		km_fields_fail(&f, "line %d, column %d: %s", at.line, at.column, at.text);
	else if (!json_is_object(json->root))
		km_fields_fail(&f, "this is no JSON object");
	return f;
}

km_error *km_json_end(struct km_json *json)
{
	km_error *err = json->error;

	json_decref(json->root);
	json->root = NULL;
	json->error = NULL;
	return err;
}

bool km_fields_failed(const struct km_fields *f)
{
	return f->json->error;
}

void km_fields_fail(struct km_fields *f, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	if (f->json->error)
		return;
	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	f->json->error = km_error_new(KM_INPUT, *f->where ? "%s: %s" : "%s%s", f->where, text);
}

json_t *km_fields_take(struct km_fields *f, const char *key)
{
	json_t *value = f->json->error ? NULL : json_object_get(f->object, key);

	if (value)
		f->taken++;
	else
		km_fields_fail(f, "there is no \"%s\"", key);
	return value;
}

bool km_fields_has(const struct km_fields *f, const char *key)
{
	return !f->json->error && json_object_get(f->object, key);
}

int64_t km_fields_int(struct km_fields *f, const char *key, int64_t min, int64_t max)
{
	json_t *value = km_fields_take(f, key);
	int64_t n = json_integer_value(value);

	if (!value)
		return 0;
	if (json_is_integer(value) && n >= min && n <= max)
		return n;
	km_fields_fail(f, "\"%s\" is no integer from %lld to %lld", key, (long long)min, (long long)max);
	return 0;
}

int64_t km_fields_maybe_int(struct km_fields *f, const char *key, int64_t min, int64_t max, int64_t other)
{
	return km_fields_has(f, key) ? km_fields_int(f, key, min, max) : other;
}

bool km_fields_bool(struct km_fields *f, const char *key)
{
	json_t *value = km_fields_take(f, key);

	if (value && !json_is_boolean(value))
		km_fields_fail(f, "\"%s\" is neither true nor false", key);
	return json_is_true(value);
}

static const char *checked(struct km_fields *f, const char *key, const json_t *value, bool (*ok)(const char *))
{
	const char *text = json_string_value(value);

	if (!value)
		return "";
	if (text && strlen(text) == json_string_length(value) && ok(text))
		return km_arena_strdup(f->json->arena, text);
	km_fields_fail(f, "\"%s\" has no allowed value", key);
	return "";
}

const char *km_fields_text(struct km_fields *f, const char *key, bool (*ok)(const char *))
{
	return checked(f, key, km_fields_take(f, key), ok);
}

const char *km_fields_maybe_text(struct km_fields *f, const char *key, bool (*ok)(const char *))
{
	return km_fields_has(f, key) ? km_fields_text(f, key, ok) : NULL;
}

void km_fields_copy(struct km_fields *f, const char *key, bool (*ok)(const char *), size_t size, char *ret)
{
	const char *text = km_fields_text(f, key, ok);

	if (strlen(text) >= size) {
		km_fields_fail(f, "\"%s\" has more than %zu bytes", key, size - 1);
		text = "";
	}
	memset(ret, 0, size);
	memcpy(ret, text, strlen(text));
}

static bool is_sha256(const char *s)
{
	return km_hex_ok(s, KM_SHA256_HEX - 1);
}

void km_fields_sha256(struct km_fields *f, const char *key, char ret[static KM_SHA256_HEX])
{
	km_fields_copy(f, key, is_sha256, KM_SHA256_HEX, ret);
}

json_t *km_fields_array(struct km_fields *f, const char *key, size_t min, size_t max, size_t *n)
{
	json_t *value = km_fields_take(f, key);

	*n = json_array_size(value);
	if (!value)
		return NULL;
	if (json_is_array(value) && *n >= min && *n <= max)
		return value;
	*n = 0;
	km_fields_fail(f, "\"%s\" is no array of %zu to %zu elements", key, min, max);
	return NULL;
}

const char **km_fields_texts(struct km_fields *f, const char *key, size_t max, bool (*ok)(const char *), size_t *n)
{
	json_t *array = km_fields_array(f, key, 0, max, n);
	const char **texts = km_arena_alloc(f->json->arena, (*n + 1) * sizeof(*texts));

	for (size_t i = 0; i < *n; i++)
		texts[i] = checked(f, key, json_array_get(array, i), ok);
	return texts;
}

static struct km_fields inside(struct km_fields *f, json_t *object, char *where)
{
	struct km_fields in = {object, f->json, where, 0};

	if (!f->json->error && !json_is_object(object))
		km_fields_fail(&in, "this is no object");
	return in;
}

static char *place(struct km_fields *f, const char *key)
{
	return km_arena_printf(f->json->arena, "%s%s%s", f->where, *f->where ? "." : "", key);
}

struct km_fields km_fields_in(struct km_fields *f, const char *key)
{
	return inside(f, km_fields_take(f, key), place(f, key));
}

struct km_fields km_fields_at(struct km_fields *f, const char *key, json_t *array, size_t i)
{
	return inside(f, json_array_get(array, i), km_arena_printf(f->json->arena, "%s[%zu]", place(f, key), i));
}

void km_fields_done(struct km_fields *f)
{
	if (!f->json->error && !f->json->lenient && json_object_size(f->object) != f->taken)
		km_fields_fail(f, "there are keys that this version of kmend does not know");
}
