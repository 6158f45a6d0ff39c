/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cpio.h"

#include <sys/stat.h>

struct entry {
	const char *path;
	unsigned mode, nlink, major, minor;
	const void *bytes;
	size_t n;
};

void lab_cpio_init(struct lab_cpio *c)
{
	*c = (struct lab_cpio){.paths = km_map_create()};
}

void lab_cpio_deinit(struct lab_cpio *c)
{
	km_str_free(&c->bytes);
	km_map_destroy(c->paths);
	c->paths = NULL;
}

static void pad(km_str *s)
{
	static const char zeros[4];

	km_str_addn(s, zeros, -s->n & 3);
}

static void put(struct lab_cpio *c, const struct entry *e)
{
	km_str_printf(&c->bytes, "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x", ++c->entries, e->mode,
		      0, 0, e->nlink, 0, e->n, 0, 0, e->major, e->minor, strlen(e->path) + 1, 0);
	km_str_addn(&c->bytes, e->path, strlen(e->path) + 1);
	pad(&c->bytes);
	if (e->n)
		km_str_addn(&c->bytes, e->bytes, e->n);
	pad(&c->bytes);
}

/* "usr/bin/sh" out of "/usr//bin/./sh"; NULL for the root and for what climbs. */
static char *clean(const char *path)
{
	km_str s = {0};

	for (;;) {
		size_t n;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (!n)
			return s.at;
		if (n == 2 && !memcmp(path, "..", 2))
			break;
		if (!(n == 1 && *path == '.')) {
			if (s.n)
				km_str_add(&s, "/");
			km_str_addn(&s, path, n);
		}
		path += n;
	}
	km_str_free(&s);
	return NULL;
}

/* Adds the directories above a clean path. */
static void parents(struct lab_cpio *c, const char *path)
{
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		KM_AUTOFREE char *dir = km_strndup(path, slash - path);

		if (km_map_has(c->paths, dir))
			continue;
		km_map_put(c->paths, dir, c);
		put(c, &(struct entry){.path = dir, .mode = S_IFDIR | 0755, .nlink = 2});
	}
}

static km_error *add(struct lab_cpio *c, struct entry *e)
{
	KM_AUTOFREE char *path = clean(e->path);

	if (!path)
		return km_error_new(KM_USAGE, "'%s' is no path below the guest's root", e->path);
	if (e->n > UINT32_MAX)
		return km_error_new(KM_USAGE, "'%s' is larger than an initramfs can hold (4 GiB)", e->path);
	if (km_map_has(c->paths, path))
		return NULL;
	parents(c, path);
	km_map_put(c->paths, path, c);
	e->path = path;
	put(c, e);
	return NULL;
}

km_error *lab_cpio_dir(struct lab_cpio *c, const char *path)
{
	return add(c, &(struct entry){.path = path, .mode = S_IFDIR | 0755, .nlink = 2});
}

km_error *lab_cpio_file(struct lab_cpio *c, const char *path, unsigned mode, const void *bytes, size_t n)
{
	return add(c,
		   &(struct entry){.path = path, .mode = S_IFREG | (mode & 07777), .nlink = 1, .bytes = bytes, .n = n});
}

km_error *lab_cpio_symlink(struct lab_cpio *c, const char *path, const char *target)
{
	return add(c, &(struct entry){
			      .path = path, .mode = S_IFLNK | 0777, .nlink = 1, .bytes = target, .n = strlen(target)});
}

km_error *lab_cpio_device(struct lab_cpio *c, const char *path, unsigned mode, unsigned major, unsigned minor)
{
	return add(c,
		   &(struct entry){
			   .path = path, .mode = S_IFCHR | (mode & 07777), .nlink = 1, .major = major, .minor = minor});
}

bool lab_cpio_has(const struct lab_cpio *c, const char *path)
{
	KM_AUTOFREE char *name = clean(path);

	return name && km_map_has(c->paths, name);
}

void lab_cpio_end(struct lab_cpio *c)
{
	put(c, &(struct entry){.path = "TRAILER!!!", .nlink = 1});
}
