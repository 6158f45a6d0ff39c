/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A prepared kernel of a few files, for tests of what lib/kernel does with a tree. No image, no exports, no packages. */
#ifndef KMEND_TESTS_TOY_TREE_H
#define KMEND_TESTS_TOY_TREE_H

#include "check.h"

#include "prepared.h"

struct toy_file {
	const char *path, *text;
};

/* Writes dir/path and the directories above it. */
void toy_file_put(const char *dir, const char *path, const char *text);

/* A kernel in a fresh directory whose tree holds these files; the environment of its Kbuild is CC=gcc. */
km_kernel *toy_tree_create(const struct toy_file *files, size_t n);

/* Says what Kbuild would answer about a directory (see directory.c), so that nothing has to be asked. */
void toy_tree_answer(km_kernel *k, const char *dir, const char *answer);

/* Closes the kernel and removes its directory. */
void toy_tree_destroy(km_kernel *k);

#endif
