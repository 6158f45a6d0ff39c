/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "toy_http.h"

km_http_server *toy_http_start(struct km_http_options options)
{
	km_http_server *server = NULL;

	if (!options.listen)
		options.listen = "127.0.0.1:0";
	if (!options.threads)
		options.threads = 2;
	check_ok(km_http_server_create(&options, &server));
	assert_int_not_equal(km_http_server_port(server), 0);
	return server;
}

int toy_http_connect(unsigned port)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval most = {10, 0};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* A server that closes early is the server's right: the test looks at what it said. */
void toy_http_send(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		size -= (size_t)n;
	}
}

char *toy_http_rest(int fd)
{
	km_str all = {0};
	char piece[4096];
	ssize_t n;

	km_str_add(&all, "");
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0 && all.n < (1 << 22))
		km_str_addn(&all, piece, (size_t)n);
	close(fd);
	return all.at;
}

char *toy_http_raw(unsigned port, const char *text)
{
	int fd = toy_http_connect(port);

	toy_http_send(fd, text, strlen(text));
	return toy_http_rest(fd);
}

char *toy_http_get(unsigned port, const char *first, const char *headers)
{
	KM_AUTOFREE char *text = km_printf("%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", first, headers);

	return toy_http_raw(port, text);
}

int toy_http_status(const char *reply)
{
	int status = 0;

	return sscanf(reply, "HTTP/1.1 %3d ", &status) == 1 ? status : 0;
}

const char *toy_http_body(const char *reply)
{
	const char *end = strstr(reply, "\r\n\r\n");

	return end ? end + 4 : "";
}
