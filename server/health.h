/* SPDX-License-Identifier: GPL-2.0-or-later */
/* health.h - what is wrong with the server and its documents. */
#ifndef KMEND_SERVER_HEALTH_H
#define KMEND_SERVER_HEALTH_H

#include "server.h"

enum { HEALTH_SOON = 2 * 86400 /* seconds before its end that an offline document is a problem */ };

/* Adds a line on each problem. Whether the server cannot do its work (and not just should be looked at). Asks the
 * database, and writes to the disk. */
bool health_problems(struct server *server, int64_t now, km_strv *ret);

#endif
