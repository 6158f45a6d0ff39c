/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers that come from another thread. A connection that waits is suspended: libmicrohttpd touches neither it nor
 * its request until it is resumed, which happens once, under the server's lock: by km_http_answer(), or by
 * km_http_abandon(), whoever takes it out of the list.
 */
#include "internal.h"

static km_http_response *stopping(void)
{
	return km_http_fail(503, "stopping", "the server is being stopped");
}

/* Under the lock, and the request waits. */
static void resume(km_http_request *request, km_http_response *response)
{
	*request->link = request->next;
	if (request->next)
		request->next->link = request->link;
	request->waits = false;
	request->server->n_waiting--;
	request->response = response;
	MHD_resume_connection(request->connection);
}

void km_http_later(km_http_request *request)
{
	km_http_server *server = request->server;

	request->parted = true;
	request->refs++;
	server->refs++;
	km_http_peer_free(request->peer);
	/* Before anybody can answer: what is not suspended cannot be resumed. */
	MHD_suspend_connection(request->connection);
	pthread_mutex_lock(&server->lock);
	request->waits = true;
	request->next = server->waiting;
	request->link = &server->waiting;
	if (request->next)
		request->next->link = &request->next;
	server->waiting = request;
	server->n_waiting++;
	if (server->stopping) /* km_http_abandon() has been here */
		resume(request, stopping());
	pthread_mutex_unlock(&server->lock);
}

void km_http_answer(km_http_request *request, km_http_response *response)
{
	km_http_server *server = request->server;

	pthread_mutex_lock(&server->lock);
	if (request->waits) {
		resume(request, response);
		response = NULL;
	}
	pthread_mutex_unlock(&server->lock);
	km_http_response_free(response); /* the server has stopped and said 503 */
	km_http_request_unref(request);
	km_http_server_unref(server);
}

void km_http_abandon(km_http_server *server)
{
	pthread_mutex_lock(&server->lock);
	while (server->waiting)
		resume(server->waiting, stopping());
	pthread_mutex_unlock(&server->lock);
}
