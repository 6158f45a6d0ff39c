/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server in the test's process, and a client that says whatever bytes a test wants. */
#ifndef KMEND_TESTS_TOY_HTTP_H
#define KMEND_TESTS_TOY_HTTP_H

#include <kmend/http.h>

#include "check.h"

/* Starts it on a port of 127.0.0.1. */
km_http_server *toy_http_start(struct km_http_options options);
/* A connection; reads give up after 10 seconds. */
int toy_http_connect(unsigned port);
void toy_http_send(int fd, const char *bytes, size_t size);
/* All until the other side closes; for free(). */
char *toy_http_rest(int fd);
/* Connects, sends the text, takes all that comes until the server closes. */
char *toy_http_raw(unsigned port, const char *text);
/* The same with "Connection: close" and Host added to the first line and headers (each with its \r\n). */
char *toy_http_get(unsigned port, const char *first, const char *headers);
/* The status of a reply; 0: it is none. */
int toy_http_status(const char *reply);
/* What stands behind the headers. */
const char *toy_http_body(const char *reply);

#endif
