/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of routes. A few dozen patterns of a few segments: comparing them one by one costs less than anything else
 * in a request. */
#include "pure.h"

static km_error *split(const struct km_http_route *route, km_arena *arena, struct km_http_pattern *ret)
{
	char *text = km_arena_strdup(arena, route->pattern), *next = text;

	ret->route = route;
	if (*text != '/')
		return km_error_new(KM_BUG, "the route \"%s\" does not begin with '/'", route->pattern);
	while (next) {
		char *segment = next + 1;

		if (ret->n == KM_HTTP_SEGMENTS)
			return km_error_new(KM_BUG, "the route \"%s\" has too many segments", route->pattern);
		*next = 0;
		next = strchr(segment, '/');
		ret->segments[ret->n].any = *segment == ':';
		ret->segments[ret->n++].text = segment + (*segment == ':');
	}
	return NULL;
}

km_error *km_http_table_make(const struct km_http_route *routes, size_t n, struct km_http_table *ret)
{
	struct km_http_table table = {.n = n, .arena = km_arena_create()};

	table.patterns = km_arena_alloc(table.arena, n * sizeof(*table.patterns));
	for (size_t i = 0; i < n; i++) {
		km_error *err = split(&routes[i], table.arena, &table.patterns[i]);

		if (err) {
			km_http_table_free(&table);
			return err;
		}
	}
	*ret = table;
	return NULL;
}

void km_http_table_free(struct km_http_table *table)
{
	km_arena_destroy(table->arena);
	*table = (struct km_http_table){0};
}

static bool fits(const struct km_http_pattern *pattern, const struct km_http_target *target)
{
	if (pattern->n != target->n_segments)
		return false;
	for (size_t i = 0; i < pattern->n; i++) {
		if (pattern->segments[i].any ? !*target->segments[i]
					     : strcmp(pattern->segments[i].text, target->segments[i]) != 0)
			return false;
	}
	return true;
}

static bool takes(const struct km_http_route *route, const char *method)
{
	return !strcmp(route->method, method) || (!strcmp(method, "HEAD") && !strcmp(route->method, "GET"));
}

const struct km_http_pattern *km_http_table_find(const struct km_http_table *table, const struct km_http_target *target,
						 const char *method, char **allow)
{
	km_str methods = {0};

	*allow = NULL;
	for (size_t i = 0; i < table->n; i++) {
		const struct km_http_pattern *pattern = &table->patterns[i];

		if (!fits(pattern, target))
			continue;
		if (takes(pattern->route, method)) {
			km_str_free(&methods);
			return pattern;
		}
		km_str_printf(&methods, "%s%s%s", methods.n ? ", " : "", pattern->route->method,
			      strcmp(pattern->route->method, "GET") != 0 ? "" : ", HEAD");
	}
	*allow = methods.at;
	return NULL;
}
