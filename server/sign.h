/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sign.h - the documents that the server signs: rollouts and timestamps, with the keys of DIR/keys that have no
 * passphrase. The keys are read when they are needed, so that new ones are found. */
#ifndef KMEND_SERVER_SIGN_H
#define KMEND_SERVER_SIGN_H

#include "call.h"

/* Signs a rollout document of what the store says of the channel (its halt, its rollouts), if `rollout` or there is
 * none yet, and a timestamp that names it with the newest index. In the transaction under way. KM_REFUSED: a key is
 * lacking, or the channel has no index. */
KM_CHECKED km_error *sign_channel(struct call *call, const char *channel, bool rollout);
/* Whether DIR/keys has a key of the role that is in the root. */
bool sign_can(const struct server *server, const struct km_root *root, enum km_role role);

#endif
