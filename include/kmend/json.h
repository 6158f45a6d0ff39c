/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend/json.h - JSON from outside, key by key: everything that is read is present, of its type and within its bounds, and a strict
 * reader knows every key. It knows no words of live patching.
 *
 *	struct km_json json = {.arena = arena};
 *	struct km_fields f = km_fields_begin(&json, bytes, size);
 *
 *	ret->version = km_fields_int(&f, "version", 1, 9);
 *	km_fields_done(&f);
 *	KM_TRY(km_json_end(&json));
 *
 * Errors are sticky, as with a cursor: after the first one all reads give zeros and empty texts, and km_json_end() tells it (KM_INPUT,
 * with the place: `releases[3]: "id" has no allowed value`).
 */
#ifndef KMEND_JSON_H
#define KMEND_JSON_H

#include <jansson.h>
#include <kmend/base.h>

/* A text that is being read. Set arena and lenient; the rest is this library's. */
struct km_json {
	km_arena *arena; /* what is read goes there; outlives the reading */
	bool lenient;	 /* keys that are not known are ignored; else they are an error: one could be a restriction */
	json_t *root;
	km_error *error;
};
/* One object of it. */
struct km_fields {
	json_t *object;
	struct km_json *json;
	const char *where; /* "releases[3]", for messages */
	size_t taken;
};

/* The outermost object. The bytes are JSON in UTF-8 without double keys and NULs. */
struct km_fields km_fields_begin(struct km_json *json, const void *bytes, size_t size);
/* Lets go of the text; the first error, or NULL. What was read into the arena stays. */
KM_CHECKED km_error *km_json_end(struct km_json *json);

/* Fails with that message, unless something failed before. */
void km_fields_fail(struct km_fields *f, const char *fmt, ...) KM_PRINTF(2, 3);
/* Whether anything of the text has failed. */
bool km_fields_failed(const struct km_fields *f);
/* The value of a key that must be there, or NULL. */
json_t *km_fields_take(struct km_fields *f, const char *key);
/* Whether there is such a key; does not take it. */
bool km_fields_has(const struct km_fields *f, const char *key);
/* An integer in [min, max]. */
int64_t km_fields_int(struct km_fields *f, const char *key, int64_t min, int64_t max);
/* The same, or `other` when the key is absent. */
int64_t km_fields_maybe_int(struct km_fields *f, const char *key, int64_t min, int64_t max, int64_t other);
/* true or false. */
bool km_fields_bool(struct km_fields *f, const char *key);
/* A text that ok() accepts; the arena's. */
const char *km_fields_text(struct km_fields *f, const char *key, bool (*ok)(const char *));
/* A text, or NULL when the key is absent. */
const char *km_fields_maybe_text(struct km_fields *f, const char *key, bool (*ok)(const char *));
/* A text that ok() accepts into an array of that size; one that is longer is an error. */
void km_fields_copy(struct km_fields *f, const char *key, bool (*ok)(const char *), size_t size, char *ret);
/* 64 lower-case hex digits. */
void km_fields_sha256(struct km_fields *f, const char *key, char ret[static KM_SHA256_HEX]);
/* An array of min to max elements; *n is their number. NULL when it failed. */
json_t *km_fields_array(struct km_fields *f, const char *key, size_t min, size_t max, size_t *n);
/* The texts of an array. */
const char **km_fields_texts(struct km_fields *f, const char *key, size_t max, bool (*ok)(const char *), size_t *n);
/* An object inside of f. */
struct km_fields km_fields_in(struct km_fields *f, const char *key);
/* The i-th object of an array. */
struct km_fields km_fields_at(struct km_fields *f, const char *key, json_t *array, size_t i);
/* Fails when the object has keys that were not taken, unless the reader is lenient. */
void km_fields_done(struct km_fields *f);

#endif
