/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of lib/fleet share. */
#ifndef KMEND_FLEET_INTERNAL_H
#define KMEND_FLEET_INTERNAL_H

#include <kmend/fleet.h>
#include <kmend/json.h>

enum { FLEET_FORMAT = 1 };
#define FLEET_TIME_MAX ((int64_t)253402300799) /* the end of the year 9999 */

static inline int64_t clamp(int64_t n, int64_t min, int64_t max)
{
	return n < min ? min : n > max ? max : n;
}

/* ---- text.c: what texts may be, each for km_fields_text() ------------------------------------------------------------ */
bool fleet_word(const char *s); /* printable ASCII without blanks, 1 to KM_FLEET_KERNEL_MAX */
bool fleet_build_id(const char *s);
bool fleet_boot(const char *s);
bool fleet_detail(const char *s);
bool fleet_url(const char *s); /* http or https, ends with '/' */

/* Refuses what has more than KM_FLEET_BODY_MAX bytes. */
KM_CHECKED km_error *fleet_bounded(size_t size);
/* The outermost object of a message. Its json has an arena of its own, which lives until fleet_end(). */
KM_CHECKED km_error *fleet_begin(const void *bytes, size_t size, bool lenient, struct km_json *json, struct km_fields *ret);
/* The first error, with what ("report") it is in. */
KM_CHECKED km_error *fleet_end(struct km_json *json, const char *what);
/* "format" of a message, which must be FLEET_FORMAT. */
void fleet_read_format(struct km_fields *f);
/* "arch", "kernel", "build_id", "boot". */
void fleet_read_kernel(struct km_fields *f, struct km_fleet_kernel *ret);
void fleet_write_kernel(json_t *o, const struct km_fleet_kernel *kernel);
/* The text with what km_plain() refuses replaced, and cut to max bytes. */
json_t *fleet_text(const char *s, size_t max);
/* o's bytes, for free(); lets go of it. */
char *fleet_dump(json_t *o);

/* ---- waves.c --------------------------------------------------------------------------------------------------------- */
/* NULL, or what is wrong with the waves, in the arena. */
const char *waves_wrong(const struct km_wave *waves, size_t n, km_arena *arena);

#endif
