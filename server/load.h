/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load.h - tokens and hosts from the store into the table. */
#ifndef KMEND_SERVER_LOAD_H
#define KMEND_SERVER_LOAD_H

#include "server.h"

KM_CHECKED km_error *load_tokens(struct server *server);
/* Every host; those that are gone from the store are forgotten. */
KM_CHECKED km_error *load_hosts(struct server *server);

#endif
