/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LAB_INITRAMFS_H
#define LAB_INITRAMFS_H

#include "internal.h"

/* Completes the lab's files (job, module table, programs) and gives them as a file in memory, the caller's to
 * close. The lab can be given no more after it. */
KM_CHECKED km_error *lab_initramfs(struct km_lab *lab, int *fd);

#endif
