/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of a host of a fleet share. */
#ifndef KMEND_FLEET_RUN_H
#define KMEND_FLEET_RUN_H

#include <kmend/agent.h>

/* ---- fleet_run.c ---- */
/* Keeps the agent and other people's verbs out until *fd is closed; waits for who is at work. KM_ENV: not root. */
KM_CHECKED km_error *fleet_lock(const char *root, int *fd);
/* Runs kmend-fetch or kmend-apply with words (NULL-terminated). Its trouble goes to stderr, its failure is the error. */
KM_CHECKED km_error *fleet_tool(const char *program, const char *stdin_path, char *const *words, int *status);
/* Fetch and apply until there is nothing new; under the lock. */
KM_CHECKED km_error *fleet_refresh(void);

/* ---- fleet_view.c ---- */
struct fleet_view {
	json_t *file; /* of KM_AGENT_FLEET, or NULL */
	enum km_standing standing;
};
/* Reads how the host stands; moving: a transition is under way now. */
void fleet_view_read(const char *root, bool moving, struct fleet_view *ret);
void fleet_view_free(struct fleet_view *view);
/* What people see: a few lines. all: also when it says nothing but that the host is unattached. */
void fleet_view_print(const struct fleet_view *view, bool all);
/* The same for Prometheus. */
void fleet_view_metrics(const struct fleet_view *view);
/* 0 protected, 1 available or waiting, 2 uncovered or reboot, 3 unattached or unknown: Nagios's. */
int fleet_view_status(const struct fleet_view *view);
/* Prints how the host stands after a verb has run, in its form. */
KM_CHECKED km_error *fleet_view_show(const char *root, const char *verb, bool json);

#endif
