/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics.h - what the server counts, as Prometheus reads it. */
#ifndef KMEND_SERVER_METRICS_H
#define KMEND_SERVER_METRICS_H

#include "server.h"

struct metrics *metrics_create(void);
void metrics_destroy(struct metrics *metrics);
/* A request is over. Any thread; takes no lock. */
void metrics_count(struct metrics *metrics, size_t route, const struct km_http_done *done);
/* GET /metrics */
km_http_response *metrics_get(km_http_request *request, void *server);

#endif
