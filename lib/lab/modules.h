/* SPDX-License-Identifier: GPL-2.0-or-later */
/* modules.h - the modules that a kernel's package ships, by name, and what each needs. No depmod is run: its
 * tables may be absent. */
#ifndef LAB_MODULES_H
#define LAB_MODULES_H

#include <kmend/lab.h>

struct lab_modules;
/* dir: /lib/modules/REL. */
KM_CHECKED km_error *lab_modules_open(const char *dir, struct lab_modules **ret);
/* Frees the index; NULL is fine. */
void lab_modules_close(struct lab_modules *m);
/* The file of a module, or NULL. '-' and '_' are the same. */
const char *lab_modules_path(const struct lab_modules *m, const char *name);
/* Appends the names of the module and all it depends on that are not in ret yet, in the order in which they can be
 * inserted. */
KM_CHECKED km_error *lab_modules_closure(const struct lab_modules *m, const char *name, km_strv *ret);
/* Names that a module's own information says it depends on (not through others). */
KM_CHECKED km_error *lab_modules_depends(const struct lab_modules *m, const char *name, km_strv *ret);
/* "foo" for "kernel/net/foo.ko.xz", '-' turned into '_'; NULL when it is no module's file. */
char *lab_module_name(const char *path);

#endif
