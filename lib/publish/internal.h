/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal.h - what the files of lib/publish share. */
#ifndef KMEND_PUBLISH_INTERNAL_H
#define KMEND_PUBLISH_INTERNAL_H

#include <kmend/patch.h>
#include <kmend/publish.h>

/* A module as it was found. */
struct module {
	struct km_info *info;
	struct km_blob blob;
	const char *flavour; /* "klp", "core" */
};
typedef km_vec(struct module) module_list;
void module_list_free(module_list *list);

/* The modules that paths name or hold, read, sorted by kernel and flavour. KM_INPUT for a file that is no patch of
 * `kmend build`. */
KM_CHECKED km_error *modules_find(const char *const *paths, size_t n, module_list *ret);

/* km_publish_collect(). With overrides (not NULL) none is refused: they are listed there, each once. */
KM_CHECKED km_error *collect(const struct km_publish *publish, km_strv *overrides, km_envelope **ret, km_blobs *blobs);

#endif
