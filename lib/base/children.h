/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process groups that run now: they must not outlive a kmend that is interrupted. */
#ifndef KMEND_BASE_CHILDREN_H
#define KMEND_BASE_CHILDREN_H

#include <signal.h>
#include <sys/types.h>

/* Keeps SIGINT, SIGTERM and SIGHUP away from this thread between a child's start and its entry in the list. */
void km_children_begin(sigset_t *saved);
/* Enters pid (0: none was started) and restores the signals. */
void km_children_enter(pid_t pid, const sigset_t *saved);
/* Forgets a child that was waited for: its pid may be another process's by now. */
void km_children_leave(pid_t pid);

#endif
