/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal.h - a lab while it is described. */
#ifndef LAB_INTERNAL_H
#define LAB_INTERNAL_H

#include <kmend/lab.h>

#include "cpio.h"
#include "devices.h"
#include "modules.h"

struct km_lab {
	const struct km_lab_kernel *kernel;
	struct lab_modules *modules; /* NULL: the kernel came without */
	struct lab_cpio cpio;
	struct lab_devices devices;
	km_strv carried;		  /* names of modules in the guest, in an order in which they can be inserted */
	km_vec(struct km_lab_step) steps; /* their names are owned here */
	km_str job;			  /* the steps, as job.h draws them */
	bool ran;
};

/* Where a module of that name is in the guest; the caller's. */
char *lab_guest_module(const struct km_lab *lab, const char *name);

#endif
