/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * job.h - what the host and the guest's init say to each other. It stands alone: the guest program has no library
 * of ours.
 *
 * Host to guest, the file LAB_JOB_PATH in the initramfs: NUL-terminated fields,
 *
 *   "kmend-job" version  then for every step:  kind group flags timeout argc argument…
 *
 * Guest to host, records on the second serial line:
 *
 *   "\n@km " kind " " step " " length "\n" payload "\n"
 *
 * with kind a lower-case word, step and length decimal; step is LAB_NO_STEP where none runs. Records: hello
 * (payload: uptime in seconds), begin, out (bytes that the step printed), end ("status=N ms=N [transition_ms=N]"),
 * beat (the guest is alive), bye.
 */
#ifndef LAB_JOB_H
#define LAB_JOB_H

#define LAB_JOB_MAGIC	"kmend-job"
#define LAB_JOB_VERSION "1"
#define LAB_JOB_PATH	"/kmend/job"
#define LAB_BIN_DIR	"/kmend"
#define LAB_HOME	"/root" /* working directory of every step; part of PATH */
#define LAB_FRAME_MAX	4096	/* bytes of a payload */
#define LAB_HEADER_MAX	48	/* bytes of a header line */
#define LAB_NO_STEP	999999999u
#define LAB_MARK	"kmend-lab: step " /* in the kernel's log, at the begin of each step */

/* Statuses of a step besides a program's own. */
#define LAB_STATUS_TIMEOUT  124
#define LAB_STATUS_NOEXEC   126
#define LAB_STATUS_NOTFOUND 127

/* Kinds of steps, and their arguments:
 *   run      argv…                      its status is the step's
 *   start    argv…                      goes on in the background
 *   stop                                SIGTERM to it; its output and status are this step's
 *   insmod   PATH                       a module that is loaded already is fine
 *   rmmod    NAME                       a module that is not there is fine
 *   load     PATH NAME                  insert a live patch, wait for its transition; at the timeout revert and say who
 * blocked patched  NAME [OBJECT/FUNCTION]…    all the patch says it patches is redirected by ftrace, and these are
 * among it unload   NAME                       disable, wait, remove
 * */

/* Flags: letters. */
#define LAB_FLAG_ALWAYS 'a' /* runs even when an earlier step of its group failed */
#define LAB_FLAG_SOFT	's' /* its failure does not end the group */
#define LAB_FLAG_FATAL	'f' /* its failure ends the groups behind it too */

#endif
