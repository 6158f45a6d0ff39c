/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets that listen: our own, and the one that systemd passes. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

/* "127.0.0.1", "[::1]", "*" */
static bool read_host(const char *host, size_t n, uint16_t port, struct sockaddr_storage *ret, socklen_t *size)
{
	struct sockaddr_in *four = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ret;
	char text[INET6_ADDRSTRLEN] = "::";
	bool bracket = n > 2 && *host == '[' && host[n - 1] == ']', all = n == 1 && *host == '*';

	if (n >= sizeof(text))
		return false;
	if (!all) {
		memcpy(text, host + bracket, n - 2 * bracket);
		text[n - 2 * bracket] = 0;
	}
	*ret = (struct sockaddr_storage){0};
	if (bracket || all) {
		*six = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
		*size = sizeof(*six);
		return inet_pton(AF_INET6, text, &six->sin6_addr) == 1;
	}
	*four = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
	*size = sizeof(*four);
	return inet_pton(AF_INET, text, &four->sin_addr) == 1;
}

static km_error *read_address(const char *text, struct sockaddr_storage *ret, socklen_t *size)
{
	const char *colon = strrchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	unsigned long port = digits && digits <= 5 && !colon[1 + digits] ? strtoul(colon + 1, NULL, 10) : 65536;

	if (port <= 65535 && read_host(text, (size_t)(colon - text), (uint16_t)port, ret, size))
		return NULL;
	return km_error_hint(km_error_new(KM_USAGE, "\"%s\" is no address to listen on", text),
			     "write ADDRESS:PORT: 127.0.0.1:8080, [::1]:8080 or *:8080; port 0 lets the kernel choose");
}

static int bound(const struct sockaddr_storage *address, socklen_t size)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, off = 0, error;

	if (fd < 0)
		return -1;
	if (!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) &&
	    (address->ss_family != AF_INET6 || !setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off))) &&
	    !bind(fd, (const struct sockaddr *)address, size) && !listen(fd, SOMAXCONN))
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

km_error *km_http_listen(const char *text, int *ret)
{
	struct sockaddr_storage address;
	socklen_t size = 0;
	int fd;

	KM_TRY(read_address(text, &address, &size));
	fd = bound(&address, size);
	if (fd < 0 && errno == EAFNOSUPPORT && *text == '*') { /* a kernel without IPv6 */
		KM_AUTOFREE char *four = km_printf("0.0.0.0%s", text + 1);

		return km_http_listen(four, ret);
	}
	if (fd < 0) {
		km_error *err = km_error_sys(errno, "cannot listen on %s", text);

		return errno == EADDRINUSE ? km_error_hint(err, "another program has this port: ss -ltnp shows which")
					   : err;
	}
	*ret = fd;
	return NULL;
}

void km_http_listens_at(int fd, bool tls, unsigned *port, char **url)
{
	struct sockaddr_storage address = {0};
	socklen_t size = sizeof(address);
	char text[INET6_ADDRSTRLEN] = "";
	const char *scheme = tls ? "https" : "http";

	*port = 0;
	*url = NULL;
	if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_INET) {
		const struct sockaddr_in *four = (const struct sockaddr_in *)&address;

		*port = ntohs(four->sin_port);
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
		*url = km_printf("%s://%s:%u", scheme, text, *port);
	} else if (address.ss_family == AF_INET6) {
		const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address;

		*port = ntohs(six->sin6_port);
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
		*url = km_printf("%s://[%s]:%u", scheme, text, *port);
	} else {
		*url = km_printf("%s://localhost", scheme);
	}
}

static bool listens(int fd)
{
	int type = 0, listening = 0;
	socklen_t size = sizeof(int);

	return !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) && type == SOCK_STREAM &&
	       !getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) && listening;
}

km_error *km_http_systemd_socket(int *ret)
{
	enum { FIRST = 3 }; /* SD_LISTEN_FDS_START */
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long n = pid && fds && strtol(pid, NULL, 10) == (long)getpid() ? strtol(fds, NULL, 10) : 0;

	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (n > 1)
		return km_error_hint(km_error_new(KM_ENV, "systemd passes %ld sockets, and there can be one", n),
				     "leave one ListenStream= in the socket unit");
	if (n == 1 && !listens(FIRST))
		return km_error_new(KM_ENV, "what systemd passes is no listening stream socket");
	if (n == 1)
		fcntl(FIRST, F_SETFD, FD_CLOEXEC);
	*ret = n == 1 ? FIRST : -1;
	return NULL;
}
