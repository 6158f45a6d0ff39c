/* SPDX-License-Identifier: GPL-2.0-or-later */
/* publish.h - what a publisher sends: signed roots, releases and indexes. They are verified before anything is stored;
 * what was forged is a line in the audit log. */
#ifndef KMEND_SERVER_PUBLISH_H
#define KMEND_SERVER_PUBLISH_H

#include "call.h"

km_http_response *publish_root(km_http_request *request, void *server);
km_http_response *publish_release(km_http_request *request, void *server);
km_http_response *publish_index(km_http_request *request, void *server);
/* Answers with the newest versions of a channel's documents. For work functions. */
km_error *channel_answer(struct call *call, int status, const char *name);

#endif
