/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blobs.h - payloads and source diffs: files named by the SHA-256 of their bytes, DIR/blobs/ab/cdef…. What has the name
 * is whole. */
#ifndef KMEND_SERVER_BLOBS_H
#define KMEND_SERVER_BLOBS_H

#include "server.h"

/* Whether there is such a blob with that size. */
bool blobs_have(const struct server *server, const char *sha256, uint64_t size);
/* Makes DIR/blobs, and removes what unfinished uploads left. */
KM_CHECKED km_error *blobs_setup(const char *data);

km_http_response *blobs_begin(km_http_request *request, void *server);
km_http_response *blobs_add(km_http_request *request, const void *bytes, size_t size, void *server);
km_http_response *blobs_put(km_http_request *request, void *server);
km_http_response *blobs_get(km_http_request *request, void *server);

#endif
