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
	bool always, soft, fatal;
	double timeout; /* seconds */
	char **argv;	/* NULL-terminated */
	int argc;
	double transition; /* out: seconds a patch took to be applied or taken back, < 0: none */
};

/* ---- guest_report.c -------------------------------------------------------------------------------------- */
/* Opens the second serial line for all that follows; without it reports are lost, and the host sees a silent
 * guest. */
void report_open(const char *tty);
/* Waits until all that was reported has left the guest. */
void report_drain(void);
/* Splits what is longer than LAB_FRAME_MAX into several records. */
void report(const char *kind, unsigned step, const void *bytes, size_t n);
/* A record of a formatted text, cut at LAB_FRAME_MAX. */
void report_text(const char *kind, unsigned step, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Tells the host that the guest lives; at most once a second goes out. To be called from every loop that waits. */
void report_beat(void);

/* ---- guest_exec.c ---------------------------------------------------------------------------------------- */
/* Seconds since boot, on a clock that never goes back. */
double now(void);
/* Sleeps that many seconds; a signal may end it early. */
void nap(double seconds);
/* Runs a program to its end or its limit, passing on what it prints. The step's status. */
int exec_run(struct step *s);
/* Starts the one program that goes on in the background. 0, or LAB_STATUS_NOEXEC when one runs already or it
 * cannot begin. */
int exec_start(struct step *s);
/* Ends the background program with SIGTERM and passes on its whole output; its status is the step's. */
int exec_stop(struct step *s);

/* ---- guest_module.c -------------------------------------------------------------------------------------- */
/* The step "insmod PATH": 0, also when it is loaded already; else 1, with the reason printed. */
int module_insert(struct step *s);
/* The step "rmmod NAME": 0, also when it is not there; else 1, with the reason printed. */
int module_remove(struct step *s);
/* finit_module(2) of a file: 0 or an errno. */
int module_init(const char *path);
/* delete_module(2): 0 or an errno. Tries again for 5 s while something holds a reference. */
int module_delete(const char *name);

/* ---- guest_klp.c ----------------------------------------------------------------------------------------- */
/* The step "load PATH NAME": 0 when the transition ended in time; else the patch is reverted, blockers are
 * printed, and it is 1. */
int klp_load(struct step *s);
/* The step "patched NAME [OBJECT/FUNCTION,POS]…": 0 when ftrace redirects all of them; else 1, naming the first
 * that is not. */
int klp_patched(struct step *s);
/* The step "unload NAME": 0 when the patch was disabled and its module removed; else 1, with the reason or the
 * blockers printed. */
int klp_unload(struct step *s);

#endif
