/* SPDX-License-Identifier: GPL-2.0-or-later */
/* content.h - what stands in the guest's root besides the job: the shell and its tools, our programs, what the
 * user carries in. */
#ifndef LAB_CONTENT_H
#define LAB_CONTENT_H

#include "cpio.h"

/* Directories, the console: to be added first. */
KM_CHECKED km_error *lab_content_skeleton(struct lab_cpio *c);
/* The guest's first process, our workload, busybox and its applets, names for root: to be added last, so that what the
 * user carries stands. */
KM_CHECKED km_error *lab_content_programs(struct lab_cpio *c);
/* Where this machine has it; the caller's. KM_ENV when nowhere. */
KM_CHECKED km_error *lab_content_busybox(char **ret);
/* As km_lab_carry(). guest is absolute. */
KM_CHECKED km_error *lab_content_carry(struct lab_cpio *c, const char *path, const char *guest);
/* Libraries and the loader of a dynamic program, out of the text that ldd prints; absolute paths are appended. An
 * unresolved one is KM_ENV. */
KM_CHECKED km_error *lab_content_libraries(const char *program, const char *ldd_text, km_strv *ret);

#endif
