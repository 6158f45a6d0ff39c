/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What all messages have in common. */
#include "internal.h"

bool fleet_word(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return false;
	return n > 0 && n <= KM_FLEET_KERNEL_MAX;
}

bool fleet_build_id(const char *s)
{
	size_t n = strlen(s);

	return n >= 16 && n <= 64 && n % 2 == 0 && km_hex_ok(s, n);
}

bool fleet_boot(const char *s)
{
	return km_hex_ok(s, 32);
}

bool fleet_detail(const char *s)
{
	return km_plain(s, KM_FLEET_DETAIL_MAX);
}

bool fleet_url(const char *s)
{
	size_t n = strlen(s);

	for (size_t i = 0; i < n; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("\"<>\\^`{|}", s[i]))
			return false;
	return n <= KM_FLEET_URL_MAX && (km_starts(s, "https://") || km_starts(s, "http://")) && km_ends(s, "/") &&
	       !km_ends(s, "://");
}

km_error *fleet_bounded(size_t size)
{
	if (size <= KM_FLEET_BODY_MAX)
		return NULL;
	return km_error_new(KM_INPUT, "a message has at most %d bytes, this one %zu", KM_FLEET_BODY_MAX, size);
}

km_error *fleet_begin(const void *bytes, size_t size, bool lenient, struct km_json *json, struct km_fields *ret)
{
	KM_TRY(fleet_bounded(size));
	*json = (struct km_json){.arena = km_arena_create(), .lenient = lenient};
	*ret = km_fields_begin(json, bytes, size);
	return NULL;
}

km_error *fleet_end(struct km_json *json, const char *what)
{
	km_error *err = km_json_end(json);

	km_arena_destroy(json->arena);
	return err ? km_error_add(err, "this %s is not well-formed", what) : NULL;
}

void fleet_read_format(struct km_fields *f)
{
	if (km_fields_int(f, "format", 1, INT32_MAX) != FLEET_FORMAT)
		km_fields_fail(f, "its format is not %d: a newer kmend has made it", FLEET_FORMAT);
}

void fleet_read_kernel(struct km_fields *f, struct km_fleet_kernel *ret)
{
	km_fields_copy(f, "arch", fleet_word, sizeof(ret->arch), ret->arch);
	km_fields_copy(f, "kernel", fleet_word, sizeof(ret->release), ret->release);
	km_fields_copy(f, "build_id", fleet_build_id, sizeof(ret->build_id), ret->build_id);
	km_fields_copy(f, "boot", fleet_boot, sizeof(ret->boot), ret->boot);
}

void fleet_write_kernel(json_t *o, const struct km_fleet_kernel *kernel)
{
	json_object_set_new(o, "arch", fleet_text(kernel->arch, sizeof(kernel->arch)));
	json_object_set_new(o, "kernel", fleet_text(kernel->release, sizeof(kernel->release)));
	json_object_set_new(o, "build_id", json_string(kernel->build_id));
	json_object_set_new(o, "boot", json_string(kernel->boot));
}

json_t *fleet_text(const char *s, size_t max)
{
	KM_AUTOFREE char *plain = km_plain_of(s, max);

	return json_string(plain);
}

char *fleet_dump(json_t *o)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(o);
	if (!text)
		km_oom();
	return text;
}
