/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HTTP/1.1 (RFC 9112) as far as a host and kmend-server need it of each other: bodies have a Content-Length, one
 * request at a time. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sim.h"

enum { ANSWER_MAX = 8 << 20 };

static void watch(struct connection *c, int how, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = c};

	epoll_ctl(c->epoll, how, c->fd, &event);
}

km_error *connection_open(struct connection *c, const struct sockaddr_in *server, int epoll)
{
	int on = 1;

	if (c->fd >= 0)
		return NULL;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return km_error_sys(errno, "cannot make a socket");
	if (connect(c->fd, (const struct sockaddr *)server, sizeof(*server)) < 0) {
		km_error *err = km_error_sys(errno, "cannot connect to the server");

		connection_close(c);
		return err;
	}
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->epoll = epoll;
	c->busy = false;
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
	return NULL;
}

void connection_close(struct connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->busy = false;
}

static bool write_some(struct connection *c)
{
	while (c->written < c->out.n) {
		ssize_t n = send(c->fd, c->out.at + c->written, c->out.n - c->written, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN) {
			watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return true;
		}
		if (n < 0)
			return false;
		c->written += (size_t)n;
	}
	return true;
}

void connection_send(struct connection *c, const struct options *options, const char *path, const char *bearer,
		     const char *body)
{
	c->out.n = c->in.n = c->written = c->head = 0;
	km_str_printf(&c->out, "%s %s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n", body ? "POST" : "GET",
		      path, options->authority, bearer);
	if (body)
		km_str_printf(&c->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
			      body);
	else
		km_str_add(&c->out, "\r\n");
	c->busy = true;
	/* A connection that broke shows itself by epoll. */
	write_some(c);
}

/* The value of a header of the answer, or NULL. */
static const char *header(const struct connection *c, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = c->in.at; line < c->in.at + c->head; line++) {
		line = memchr(line, '\n', (size_t)(c->in.at + c->head - line));
		if (!line)
			break;
		if (!strncasecmp(line + 1, name, n) && line[1 + n] == ':')
			return line + 2 + n + strspn(line + 2 + n, " ");
	}
	return NULL;
}

static bool read_head(struct connection *c)
{
	const char *end = c->in.n ? strstr(c->in.at, "\r\n\r\n") : NULL, *value;

	if (!end)
		return true;
	c->head = (size_t)(end - c->in.at) + 4;
	value = header(c, "Content-Length");
	if (!value || sscanf(c->in.at, "HTTP/1.1 %3d", &c->status) != 1)
		return false;
	c->size = strtoul(value, NULL, 10);
	value = header(c, "Retry-After");
	c->retry_after = value ? strtoll(value, NULL, 10) : 0;
	value = header(c, "Connection");
	c->close = value && !strncasecmp(value, "close", 5);
	return c->size <= ANSWER_MAX;
}

/* False: the other end has gone, or says something else than HTTP. */
static bool read_some(struct connection *c)
{
	char buffer[16384];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0 || !c->busy)
		return false;
	km_str_addn(&c->in, buffer, (size_t)n);
	return (c->head || read_head(c)) && c->in.n <= ANSWER_MAX;
}

enum connection_news connection_ready(struct connection *c, uint32_t events)
{
	bool well = true;

	if (events & EPOLLOUT) {
		watch(c, EPOLL_CTL_MOD, EPOLLIN);
		well = write_some(c);
	}
	if (well && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		well = read_some(c);
	if (!well) {
		connection_close(c);
		return NEWS_LOST;
	}
	if (!c->head || c->in.n < c->head + c->size)
		return NEWS_NONE;
	c->body = c->in.at + c->head;
	c->busy = false;
	if (c->close)
		connection_close(c);
	return NEWS_ANSWER;
}
