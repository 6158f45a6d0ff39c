/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON objects in which every key is known, present and within its bounds. */
#include "internal.h"

void fields_fail(struct fields *f, const char *fmt, ...)
{
	KM_AUTOFREE char *text = NULL;
	va_list ap;

	if (*f->failed)
		return;
	va_start(ap, fmt);
	text = km_vprintf(fmt, ap);
	va_end(ap);
	*f->failed = true;
	*f->error = km_error_new(KM_INPUT, *f->where ? "%s: %s" : "%s%s", f->where, text);
}

json_t *fields_take(struct fields *f, const char *key)
{
	json_t *value = *f->failed ? NULL : json_object_get(f->object, key);

	if (value)
		f->taken++;
	else
		fields_fail(f, "there is no \"%s\"", key);
	return value;
}

bool fields_has(const struct fields *f, const char *key)
{
	return !*f->failed && json_object_get(f->object, key);
}

int64_t fields_int(struct fields *f, const char *key, int64_t min, int64_t max)
{
	json_t *value = fields_take(f, key);
	int64_t n = json_integer_value(value);

	if (!value)
		return 0;
	if (json_is_integer(value) && n >= min && n <= max)
		return n;
	fields_fail(f, "\"%s\" is no integer from %lld to %lld", key, (long long)min, (long long)max);
	return 0;
}

bool fields_bool(struct fields *f, const char *key)
{
	json_t *value = fields_take(f, key);

	if (value && !json_is_boolean(value))
		fields_fail(f, "\"%s\" is neither true nor false", key);
	return json_is_true(value);
}

static const char *checked(struct fields *f, const char *key, const json_t *value, bool (*ok)(const char *))
{
	const char *text = json_string_value(value);

	if (!value)
		return "";
	if (text && strlen(text) == json_string_length(value) && ok(text))
		return km_arena_strdup(f->arena, text);
	fields_fail(f, "\"%s\" has no allowed value", key);
	return "";
}

const char *fields_text(struct fields *f, const char *key, bool (*ok)(const char *))
{
	return checked(f, key, fields_take(f, key), ok);
}

const char *fields_maybe_text(struct fields *f, const char *key, bool (*ok)(const char *))
{
	return fields_has(f, key) ? fields_text(f, key, ok) : NULL;
}

static bool is_sha256(const char *s)
{
	return strlen(s) == KM_SHA256_HEX - 1 && hex_ok(s, KM_SHA256_HEX - 1);
}

void fields_sha256(struct fields *f, const char *key, char out[static KM_SHA256_HEX])
{
	const char *text = fields_text(f, key, is_sha256);

	memset(out, 0, KM_SHA256_HEX);
	memcpy(out, text, strlen(text));
}

json_t *fields_array(struct fields *f, const char *key, size_t min, size_t max, size_t *n)
{
	json_t *value = fields_take(f, key);

	*n = json_array_size(value);
	if (!value)
		return NULL;
	if (json_is_array(value) && *n >= min && *n <= max)
		return value;
	*n = 0;
	fields_fail(f, "\"%s\" is no array of %zu to %zu elements", key, min, max);
	return NULL;
}

const char **fields_texts(struct fields *f, const char *key, size_t max, bool (*ok)(const char *), size_t *n)
{
	json_t *array = fields_array(f, key, 0, max, n);
	const char **texts = km_arena_alloc(f->arena, (*n + 1) * sizeof(*texts));

	for (size_t i = 0; i < *n; i++)
		texts[i] = checked(f, key, json_array_get(array, i), ok);
	return texts;
}

static struct fields inside(struct fields *f, json_t *object, char *where)
{
	struct fields in = {object, f->arena, where, 0, f->failed, f->error};

	if (!*f->failed && !json_is_object(object))
		fields_fail(&in, "this is no object");
	return in;
}

static char *place(struct fields *f, const char *key)
{
	return km_arena_printf(f->arena, "%s%s%s", f->where, *f->where ? "." : "", key);
}

struct fields fields_in(struct fields *f, const char *key)
{
	return inside(f, fields_take(f, key), place(f, key));
}

struct fields fields_at(struct fields *f, const char *key, json_t *array, size_t i)
{
	return inside(f, json_array_get(array, i), km_arena_printf(f->arena, "%s[%zu]", place(f, key), i));
}

void fields_done(struct fields *f)
{
	if (!*f->failed && json_object_size(f->object) != f->taken)
		fields_fail(f, "there are keys that this version of kmend does not know");
}

static bool any(const char *s)
{
	(void)s;
	return true;
}

struct fields fields_body(const km_envelope *envelope, km_arena *arena, bool *failed, km_error **error, json_t **root)
{
	json_error_t at;
	struct fields f = {NULL, arena, "", 0, failed, error};

	*root = json_loadb((const char *)envelope->body, envelope->size, JSON_REJECT_DUPLICATES, &at);
	f.object = *root;
	if (!*root)
		fields_fail(&f, "line %d, column %d: %s", at.line, at.column, at.text);
	else if (!json_is_object(*root))
		fields_fail(&f, "this is no JSON object");
	if (strcmp(fields_text(&f, "type", any), km_doc_name(envelope->doc)))
		fields_fail(&f, "\"type\" is not \"%s\"", km_doc_name(envelope->doc));
	if (fields_int(&f, "format", 1, INT32_MAX) != FORMAT)
		fields_fail(&f, "its format is not %d: a newer kmend has made it", FORMAT);
	return f;
}
