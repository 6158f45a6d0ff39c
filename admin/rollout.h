/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rollout.h - how a rollout stands, for people. */
#ifndef KMEND_ADMIN_ROLLOUT_H
#define KMEND_ADMIN_ROLLOUT_H

#include <jansson.h>
#include <kmend/base.h>

/* Prints a rollout as GET rollouts/ID gives it: its waves with a bar each, and its gates. releases: as for
 * find_release_name(). */
KM_CHECKED km_error *rollout_view(const json_t *rollout, const json_t *releases, int64_t now);
/* A bar of that many characters, filled as part is of whole (0 of 0: not at all); into a buffer of its own. */
enum { BAR_WIDTH = 24 };
const char *rollout_bar(int64_t part, int64_t whole, char out[static BAR_WIDTH + 3]);

#endif
