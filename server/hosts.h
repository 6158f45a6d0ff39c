/* SPDX-License-Identifier: GPL-2.0-or-later */
/* hosts.h - what hosts ask for about themselves. */
#ifndef KMEND_SERVER_HOSTS_H
#define KMEND_SERVER_HOSTS_H

#include "server.h"

km_http_response *hosts_attach(km_http_request *request, void *server);
km_http_response *hosts_detach(km_http_request *request, void *server);
km_http_response *hosts_checkin(km_http_request *request, void *server);

#endif
