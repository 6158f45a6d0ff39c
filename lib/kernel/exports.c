/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module.symvers. A line: CRC, symbol, owner (vmlinux, or the path of a module without .ko), EXPORT_SYMBOL or
 * EXPORT_SYMBOL_GPL, name space (may be empty, and older files lack it), with tabs between them.
 */
#include <kmend/kernel.h>

struct km_exports {
	km_arena *arena;
	km_map *by_name;
};

void km_exports_destroy(km_exports *e)
{
	if (!e)
		return;
	km_map_destroy(e->by_name);
	km_arena_destroy(e->arena);
	free(e);
}

static void km_exports_destroyp(km_exports **e)
{
	km_exports_destroy(*e);
}

const struct km_export *km_export_find(const km_exports *e, const char *name)
{
	return km_map_get(e->by_name, name);
}

/* "drivers/net/virtio-net" is the module virtio_net. */
static char *owner_of(km_arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *owner = km_arena_strdup(arena, slash ? slash + 1 : path);

	for (char *c = owner; *c; c++)
		if (*c == '-')
			*c = '_';
	return owner;
}

static km_error *parse_crc(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long long crc;

	if (strncmp(text, "0x", 2) || strspn(text + 2, "0123456789abcdefABCDEF") != strlen(text + 2) || !text[2] ||
	    strlen(text) > 10)
		return km_error_new(KM_INPUT, "\"%.20s\" is not a CRC", text);
	crc = strtoull(text, &end, 16);
	*ret = (uint32_t)crc;
	return NULL;
}

static km_error *parse_line(km_exports *e, char *line)
{
	struct km_export *export = km_arena_new(e->arena, struct km_export), *other;
	char *field[5] = {0};
	size_t n = 0;

	while (line && n < KM_COUNT(field))
		field[n++] = strsep(&line, "\t");
	if (n < 4 || line || !*field[1] || !*field[2])
		return km_error_new(KM_INPUT, "not CRC, symbol, module, type and name space");
	KM_TRY(parse_crc(field[0], &export->crc));
	export->gpl = !strcmp(field[3], "EXPORT_SYMBOL_GPL");
	if (!export->gpl && strcmp(field[3], "EXPORT_SYMBOL"))
		return km_error_new(KM_INPUT, "\"%.40s\" is no type of export", field[3]);
	export->name = km_arena_strdup(e->arena, field[1]);
	export->owner = owner_of(e->arena, field[2]);
	export->ns = km_arena_strdup(e->arena, field[4] ? field[4] : "");
	other = km_map_get(e->by_name, export->name);
	if (other)
		return km_error_new(KM_INPUT, "%s is exported twice, by %s and by %s", export->name, other->owner,
				    export->owner);
	km_map_put(e->by_name, export->name, export);
	return NULL;
}

km_error *km_exports_read(const char *path, km_exports **ret)
{
	KM_CLEANUP(km_exports_destroyp) km_exports *e = km_calloc(1, sizeof(*e));
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size, number = 1;
	char *rest;

	e->arena = km_arena_create();
	e->by_name = km_map_create();
	KM_TRY(km_file_read(path, &bytes, &size));
	if (memchr(bytes, 0, size))
		return km_error_new(KM_INPUT, "%s: a NUL byte in a text file", path);
	rest = (char *)bytes;
	for (char *line; (line = strsep(&rest, "\n")) && (rest || *line); number++) {
		km_error *err = parse_line(e, line);

		if (err)
			return km_error_add(err, "%s:%zu", path, number);
	}
	if (!km_map_count(e->by_name))
		return km_error_new(KM_INPUT, "%s: no exported symbol in it", path);
	*ret = e;
	e = NULL;
	return NULL;
}
