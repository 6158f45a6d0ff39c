/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.c - names that a compiler or a macro numbers.
 */
#include "part.h"

#include <ctype.h>

/* What ends in __COUNTER__, or in it and __LINE__ (__BTF_ID__struct__bpf_htab__5382194). */
static bool counted(const char *name)
{
	static const char *const prefixes[] = {"__UNIQUE_ID_", "__addressable_", "__BTF_ID__"};

	for (size_t i = 0; i < KM_COUNT(prefixes); i++)
		if (km_starts(name, prefixes[i]))
			return true;
	return false;
}

/* Digits between a dot and the next dot or the end are the compiler's: "foo.isra.0.cold" and "count.12". */
char *km_name_key(km_arena *arena, const char *name)
{
	char *key = km_arena_strdup(arena, name), *to = key;

	for (const char *s = name; *s;) {
		*to++ = *s++;
		if (s[-1] != '.' || !isdigit((unsigned char)*s))
			continue;
		const char *end = s + strspn(s, "0123456789");

		if (*end == '.' || !*end)
			s = end;
	}
	*to = 0;
	if (counted(key)) {
		size_t n = strcspn(key, ".");

		while (n && isdigit((unsigned char)key[n - 1]))
			n--;
		key[n] = 0;
	}
	return key;
}

bool km_name_static_local(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot && dot != name && dot[1] && dot[1 + strspn(dot + 1, "0123456789")] == 0;
}

/* Made by TRACE_EVENT(), notrace by design, called by the tracing core through pointers in the event's class. */
bool km_name_is_tracing(const char *name)
{
	static const char *const prefixes[] = {"perf_trace_", "trace_event_raw_event_", "trace_raw_output_",
					       "__bpf_trace_", "__traceiter_"};

	for (size_t i = 0; i < KM_COUNT(prefixes); i++)
		if (km_starts(name, prefixes[i]))
			return true;
	return false;
}

/* State of a single call site or text made from its place: a patched function brings its own. */
static const char *const never_same[] = {
	"__key", "__warned", "__already_done", "__func__",   "__FUNCTION__", "__PRETTY_FUNCTION__",
	"_rs",	 "CSWTCH",   "__verbose",      "descriptor", "_entry",	     "_entry_ptr",
	"__msg", "____fmt",  "__print_once",
};
static const char *const never_same_sections[] = {".data.once", ".data..once", "__verbose", "__dyndbg",
						  ".printk_index"};

bool km_name_never_same(const char *name, const char *section)
{
	size_t n = strcspn(name, ".");

	for (size_t i = 0; i < KM_COUNT(never_same_sections); i++)
		if (!strcmp(section, never_same_sections[i]))
			return true;
	if (km_starts(name, "__UNIQUE_ID_ddebug"))
		return true;
	/* A file-level variable may bear such a name; only those of functions have a number, __func__ aside. */
	if (!km_name_static_local(name) && strncmp(name, "__", 2))
		return false;
	for (size_t i = 0; i < KM_COUNT(never_same); i++)
		if (strlen(never_same[i]) == n && !strncmp(name, never_same[i], n))
			return true;
	return false;
}
