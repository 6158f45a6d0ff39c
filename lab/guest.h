/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.h - the first process of a lab's guest: it runs the steps of a job and reports each on the second serial
 * line.
 *
 * One thread, static, the C library alone. Nothing here ends the process on an error: a step that cannot be done
 * is reported with its reason, and the next one is looked at.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "../lib/lab/job.h"

struct step {
	const char *kind;
	unsigned number, group;
	bool always, soft;
	double timeout; /* seconds */
	char **argv;	/* NULL-terminated */
	int argc;
	double transition; /* out: seconds a patch took to be applied or taken back, < 0: none */
};

/* ---- guest_report.c -------------------------------------------------------------------------------------- */
void report_open(const char *tty);
/* Splits what is longer than LAB_FRAME_MAX into several records. */
void report(const char *kind, unsigned step, const void *bytes, size_t n);
void report_text(const char *kind, unsigned step, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Tells the host that the guest lives; at most once a second goes out. To be called from every loop that waits. */
void report_beat(void);

/* ---- guest_exec.c ---------------------------------------------------------------------------------------- */
double now(void);
void nap(double seconds);
/* Each gives the step's status. */
int exec_run(struct step *s);
int exec_start(struct step *s);
int exec_stop(struct step *s);

/* ---- guest_module.c -------------------------------------------------------------------------------------- */
int module_insert(struct step *s);
int module_remove(struct step *s);
int module_init(const char *path);   /* 0 or errno */
int module_delete(const char *name); /* 0 or errno; tries again for a while when it is busy */

/* ---- guest_klp.c ----------------------------------------------------------------------------------------- */
int klp_load(struct step *s);
int klp_patched(struct step *s);
int klp_unload(struct step *s);

#endif
