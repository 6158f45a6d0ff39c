/* SPDX-License-Identifier: GPL-2.0-or-later */
/* routes.h - the table of all that can be asked for; openapi.json says the same in other words, and a test compares
 * them. */
#ifndef KMEND_SERVER_ROUTES_H
#define KMEND_SERVER_ROUTES_H

#include "server.h"

extern const struct km_http_route routes[];
extern const size_t n_routes;
/* The i-th route, or NULL. */
const struct km_http_route *routes_at(size_t i);
/* Its place; n_routes for NULL. */
size_t routes_index(const struct km_http_route *route);
/* Prints each as "METHOD PATTERN ROLE" for the test. */
void routes_print(FILE *f);

#endif
