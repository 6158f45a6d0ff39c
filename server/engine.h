/* SPDX-License-Identifier: GPL-2.0-or-later */
/* engine.h - what goes on by itself: rollouts, new dates on documents, and what other servers on the same state have
 * changed. */
#ifndef KMEND_SERVER_ENGINE_H
#define KMEND_SERVER_ENGINE_H

#include "server.h"

KM_CHECKED km_error *engine_start(struct server *server, struct engine **ret);
/* Ends its thread, and gives the lease back. NULL is fine. */
void engine_stop(struct engine *engine);
/* Somebody said that a patch did harm, or a person changed a rollout: look at once. Any thread. */
void engine_kick(struct engine *engine);
/* Whether this server runs the rollouts. */
bool engine_leads(const struct engine *engine);
/* What the hosts have said of a rollout's release until now. The release is in the store. */
KM_CHECKED km_error *engine_count(struct server *server, const struct km_store_rollout *rollout, int64_t now,
				  struct km_counts *ret);

#endif
