/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpio.h - an initramfs in memory: the "newc" format of
 * Documentation/driver-api/early-userspace/buffer-format.rst.
 *
 *   "070701" ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check   8 hex digits
 * each name NUL, padded to 4 bytes from the begin of the header; then filesize bytes, padded to 4 … the last entry is
 * "TRAILER!!!"
 *
 * Owner is root, times are 0: the same entries give the same bytes.
 */
#ifndef LAB_CPIO_H
#define LAB_CPIO_H

#include <kmend/base.h>

struct lab_cpio {
	km_str bytes;
	km_map *paths; /* all that is in, as "usr/bin/sh" */
	unsigned entries;
};

/* An empty archive. */
void lab_cpio_init(struct lab_cpio *c);
/* Frees the bytes and the list of paths. */
void lab_cpio_deinit(struct lab_cpio *c);
/* Paths are absolute or relative to the root, "//" and "/./" are taken out, ".." and the root itself are KM_USAGE.
 * Directories above are made. The first of two entries of one path wins: what is there already is left alone,
 * silently. */
KM_CHECKED km_error *lab_cpio_dir(struct lab_cpio *c, const char *path);
/* A regular file of n bytes; of mode the permissions alone are taken. */
KM_CHECKED km_error *lab_cpio_file(struct lab_cpio *c, const char *path, unsigned mode, const void *bytes, size_t n);
/* A symlink; the target is taken as it is. */
KM_CHECKED km_error *lab_cpio_symlink(struct lab_cpio *c, const char *path, const char *target);
/* A character device. */
KM_CHECKED km_error *lab_cpio_device(struct lab_cpio *c, const char *path, unsigned mode, unsigned major,
				     unsigned minor);
/* Whether an entry of that path is in, the directories that were made on the way included. */
bool lab_cpio_has(const struct lab_cpio *c, const char *path);
/* Appends the trailer; no entry after it. */
void lab_cpio_end(struct lab_cpio *c);

#endif
