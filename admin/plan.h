/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan.h - a rollout's plan from the words of a command line. */
#ifndef KMEND_ADMIN_PLAN_H
#define KMEND_ADMIN_PLAN_H

#include <kmend/fleet.h>

/* Each may be NULL: then the default. */
struct plan_words {
	const char *waves, *policy; /* one of them; neither: the first policy */
	const char *settle, *silent_after, *complete, *gates, *not_before;
	int64_t now;
};
/* What a policy's name stands for. */
struct policy {
	const char *name, *waves, *help;
};
extern const struct policy policies[]; /* ends with name NULL */

/* The plan but for release and channel. KM_USAGE. *ret is to be freed on success only. */
KM_CHECKED km_error *plan_make(const struct plan_words *words, struct km_plan *ret);
/* "canary", "10 %"; into a buffer of its own. */
const char *plan_wave(const struct km_wave *wave, char out[static 80]);
/* "1 %", "0.25 %"; into a buffer of its own. */
const char *plan_share(unsigned permyriad, char out[static 16]);

#endif
