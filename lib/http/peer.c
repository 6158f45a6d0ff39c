/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections. libmicrohttpd closes those that are silent; one that sends a byte now and then would live for ever, so
 * each has a deadline, and a thread that looks once a second shuts the socket of one that is past it. libmicrohttpd
 * then finds it closed.
 */
#include <sys/socket.h>
#include <time.h>

#include "internal.h"

static int64_t to_ms(double seconds)
{
	return (int64_t)(seconds * 1000);
}

static void read_peer(struct peer *peer, const struct sockaddr *address)
{
	const km_http_server *server = peer->generation->server;

	if (address && address->sa_family == AF_INET) {
		peer->address.s6_addr[10] = peer->address.s6_addr[11] = 0xff;
		memcpy(&peer->address.s6_addr[12], &((const struct sockaddr_in *)address)->sin_addr, 4);
	} else if (address && address->sa_family == AF_INET6) {
		peer->address = ((const struct sockaddr_in6 *)address)->sin6_addr;
	}
	km_http_address_text(&peer->address, peer->text);
	for (size_t i = 0; i < server->options.n_proxies; i++)
		peer->proxy |= km_http_net_has(&server->proxies[i], &peer->address);
}

static void peer_create(struct generation *generation, struct MHD_Connection *connection, void **context)
{
	const union MHD_ConnectionInfo *address =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	km_http_server *server = generation->server;
	struct peer *peer = km_calloc(1, sizeof(*peer));

	peer->generation = generation;
	peer->fd = fd ? fd->connect_fd : -1;
	read_peer(peer, address ? address->client_addr : NULL);
	km_http_peer_rest(peer);
	pthread_mutex_lock(&server->lock);
	peer->next = server->peers;
	peer->link = &server->peers;
	if (peer->next)
		peer->next->link = &peer->next;
	server->peers = peer;
	pthread_mutex_unlock(&server->lock);
	server->n_peers++;
	*context = peer;
}

/* The socket is open until this returns, so that the watch never shuts another's that got the same number. */
static void peer_destroy(struct peer *peer)
{
	km_http_server *server = peer->generation->server;

	pthread_mutex_lock(&server->lock);
	*peer->link = peer->next;
	if (peer->next)
		peer->next->link = peer->link;
	pthread_mutex_unlock(&server->lock);
	server->n_peers--;
	free(peer);
}

void km_http_peer_notify(void *cls, struct MHD_Connection *connection, void **context,
			 enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		peer_create(cls, connection, context);
	else
		peer_destroy(*context);
}

struct peer *km_http_peer_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void km_http_peer_hurry(struct peer *peer, double since, uint64_t bytes)
{
	peer->deadline = to_ms(since + peer->generation->server->options.slow) + 1000 * (int64_t)(bytes / 1024);
}

void km_http_peer_rest(struct peer *peer)
{
	const struct km_http_options *options = &peer->generation->server->options;

	peer->deadline = to_ms(km_now()) + 1000 * (int64_t)(options->idle + options->slow);
}

void km_http_peer_free(struct peer *peer)
{
	peer->deadline = 0;
}

static void cut_slow(km_http_server *server)
{
	int64_t now = to_ms(km_now());

	for (struct peer *peer = server->peers; peer; peer = peer->next) {
		if (!peer->deadline || peer->deadline > now)
			continue;
		peer->deadline = 0;
		shutdown(peer->fd, SHUT_RDWR);
		server->cut++;
	}
}

/* Takes one that has no connections out of the list. */
static struct generation *empty_one(km_http_server *server)
{
	for (struct generation **link = &server->newest->older; *link; link = &(*link)->older) {
		struct generation *one = *link;
		const union MHD_DaemonInfo *info =
			MHD_get_daemon_info(one->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

		if (info && !info->num_connections) {
			*link = one->older;
			return one;
		}
	}
	return NULL;
}

void *km_http_watch(void *arg)
{
	km_http_server *server = arg;
	struct generation *empty;
	struct timespec until;

	pthread_mutex_lock(&server->lock);
	while (!server->stopping) {
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&server->wake, &server->lock, &until);
		cut_slow(server);
		while ((empty = empty_one(server))) {
			pthread_mutex_unlock(&server->lock); /* its threads take it when they close a connection */
			km_http_generation_destroy(empty);
			pthread_mutex_lock(&server->lock);
		}
	}
	pthread_mutex_unlock(&server->lock);
	return NULL;
}
