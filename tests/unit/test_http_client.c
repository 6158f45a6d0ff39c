/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client, with a server of our own, and with servers that are hostile: they say bytes that a test has written. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "toy_http.h"

static struct state {
	char *dir, *file;
	km_http_server *server;
	km_str got;
	uint64_t first;
} now;

/* ---- a server as it should be -------------------------------------------------------------------------------------- */
static km_http_response *echo(km_http_request *request, void *ctx)
{
	const char *bearer = km_http_request_bearer(request), *type = km_http_request_header(request, "Content-Type");
	size_t n;
	const char *body = km_http_request_body(request, &n);

	(void)ctx;
	return km_http_json(200, json_pack("{s:s, s:s?, s:s?, s:s%, s:s?}", "method", km_http_request_method(request), "bearer", bearer, "type",
					   type, "body", body ? body : "", n, "agent", km_http_request_header(request, "User-Agent")));
}

static km_http_response *file(km_http_request *request, void *ctx)
{
	km_http_response *response = km_http_file(open(now.file, O_RDONLY | O_CLOEXEC), 10, "text/plain");

	(void)request, (void)ctx;
	km_http_etag(response, "abc");
	return response;
}

static km_http_response *busy(km_http_request *request, void *ctx)
{
	(void)request, (void)ctx;
	return km_http_retry_after(km_http_fail(503, "busy", "come\033[31m later"), 7);
}

static km_http_response *redirect(km_http_request *request, void *ctx)
{
	km_http_response *response = km_http_empty(302);

	(void)ctx;
	km_http_header(response, "Location", km_http_request_arg(request, "to"));
	return response;
}

static const struct km_http_route routes[] = {
	{"GET", "/echo", .handle = echo},
	{"POST", "/echo", .body_max = 1000, .handle = echo},
	{"PUT", "/echo", .body_max = 1000, .handle = echo},
	{"GET", "/file", .handle = file},
	{"GET", "/busy", .handle = busy},
	{"GET", "/redirect", .handle = redirect},
};

static int setup(void **state)
{
	(void)state;
	now.dir = check_dir();
	now.file = km_path(now.dir, "file");
	check_ok(km_file_write(now.file, "0123456789", 10));
	now.server = toy_http_start((struct km_http_options){.routes = routes, .n_routes = KM_COUNT(routes)});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	km_http_server_stop(now.server, 1);
	check_dir_end(now.dir);
	free(now.file);
	km_str_free(&now.got);
	return 0;
}

static km_http_client *connected(const char *url)
{
	km_http_client *client = NULL;

	check_ok(km_http_client_create(&(struct km_http_client_options){.url = url, .bearer = "secret", .proxy = "", .total = 5}, &client));
	return client;
}

/* ---- a server that says what it is told ----------------------------------------------------------------------------- */
struct liar {
	int fd;
	char url[64];
	const char *head;  /* sent once */
	const char *again; /* then, up to `times` */
	size_t times;
	pthread_t thread;
	char heard[4096];
};

static void *lie(void *arg)
{
	struct liar *liar = arg;
	int fd = accept(liar->fd, NULL, NULL);
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(liar->heard) - 1 && !strstr(liar->heard, "\r\n\r\n") &&
	       (got = recv(fd, liar->heard + n, sizeof(liar->heard) - 1 - n, 0)) > 0)
		n += (size_t)got;
	toy_http_send(fd, liar->head, strlen(liar->head));
	for (size_t i = 0; i < liar->times && send(fd, liar->again, strlen(liar->again), MSG_NOSIGNAL) > 0; i++)
		;
	close(fd);
	return NULL;
}

static void liar_start(struct liar *liar)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timeval most = {10, 0};
	socklen_t size = sizeof(at);

	liar->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(liar->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(liar->fd, 5), 0);
	setsockopt(liar->fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)); /* for accept() */
	getsockname(liar->fd, (struct sockaddr *)&at, &size);
	snprintf(liar->url, sizeof(liar->url), "http://127.0.0.1:%u", ntohs(at.sin_port));
	assert_int_equal(pthread_create(&liar->thread, NULL, lie, liar), 0);
}

static void liar_end(struct liar *liar)
{
	pthread_join(liar->thread, NULL);
	close(liar->fd);
}

/* ---- tests ---------------------------------------------------------------------------------------------------------- */
static void test_options(void **state)
{
	static const char *const urls[] = {"", "x", "ftp://x", "file:///etc/passwd", "http://", "http://u:p@x", "https://x?q", "https://x#f"};
	static const char *const proxies[] = {"socks5://x:1", "x", "http://x/path"};
	km_http_client *client = NULL;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(urls); i++)
		check_error(km_http_client_create(&(struct km_http_client_options){.url = urls[i]}, &client), KM_USAGE, "is no address");
	for (size_t i = 0; i < KM_COUNT(proxies); i++)
		check_error(km_http_client_create(&(struct km_http_client_options){.url = "https://x", .proxy = proxies[i]}, &client), KM_USAGE,
			    "proxy");
	assert_null(client);
}

static void test_ask(void **state)
{
	KM_CLEANUP(km_http_client_destroyp) km_http_client *client = connected(km_http_server_url(now.server));
	struct km_http_call get = {.path = "/echo"}, post = {.path = "/echo", .bytes = "{}", .size = 2}, put = {"PUT", "/echo"};
	struct km_http_reply reply;

	(void)state;
	put.fd = open(now.file, O_RDONLY | O_CLOEXEC);
	put.from_file = true;
	put.file_size = 10;
	check_ok(km_http_ask(client, &get, &reply));
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.type, "application/json");
	assert_string_equal(reply.bytes, "{\"method\":\"GET\",\"bearer\":\"secret\",\"type\":null,\"body\":\"\",\"agent\":\"kmend/" KMEND_VERSION "\"}");
	km_http_reply_free(&reply);
	check_ok(km_http_ask(client, &post, &reply));
	assert_non_null(strstr(reply.bytes, "\"POST\",\"bearer\":\"secret\",\"type\":\"application/json\",\"body\":\"{}\""));
	km_http_reply_free(&reply);
	check_ok(km_http_ask(client, &put, &reply));
	assert_non_null(strstr(reply.bytes, "\"PUT\",\"bearer\":\"secret\",\"type\":\"application/octet-stream\",\"body\":\"0123456789\""));
	km_http_reply_free(&reply);
	close(put.fd);
	/* One connection for all, which another bearer does not change. */
	assert_int_equal(km_http_server_load(now.server).connections, 1);
	km_http_client_bearer(client, NULL);
	check_ok(km_http_ask(client, &get, &reply));
	assert_non_null(strstr(reply.bytes, "\"bearer\":null"));
	km_http_reply_free(&reply);
}

static void test_replies(void **state)
{
	KM_CLEANUP(km_http_client_destroyp) km_http_client *client = connected(km_http_server_url(now.server));
	struct km_http_reply reply = {0};
	km_error *err;

	(void)state;
	err = km_http_ask(client, &(struct km_http_call){.path = "/busy"}, &reply);
	assert_non_null(err);
	assert_non_null(strstr(err->hint, "7 s"));
	check_error(err, KM_ENV, "/busy: come?[31m later");
	check_error(km_http_ask(client, &(struct km_http_call){.path = "/none"}, &reply), KM_REFUSED, "there is nothing at this path");
	check_ok(km_http_send(client, &(struct km_http_call){.path = "/busy"}, &reply));
	assert_int_equal(reply.status, 503);
	assert_int_equal(reply.retry_after, 7);
	assert_string_equal(reply.code, "busy");
	km_http_reply_free(&reply);
	check_ok(km_http_send(client, &(struct km_http_call){.path = "/file", .etag = "abc"}, &reply));
	assert_int_equal(reply.status, 304);
	assert_string_equal(reply.etag, "abc");
	km_http_reply_free(&reply);
}

static km_error *take(void *ctx, uint64_t at, const void *bytes, size_t size)
{
	if (!now.got.n)
		now.first = at;
	km_str_addn(&now.got, bytes, size);
	return ctx ? km_error_new(KM_ENV, "disk full") : NULL;
}

static km_error *download(const char *url, const char *path, uint64_t from, uint64_t max, bool redirects, bool broken)
{
	KM_CLEANUP(km_http_client_destroyp) km_http_client *client = connected(url);
	struct km_http_sink sink = {from, max, take, broken ? &now : NULL};

	now.got.n = 0;
	now.first = 99;
	return km_http_download(client, &(struct km_http_call){.path = path, .redirects = redirects}, &sink, NULL);
}

static void expect_got(const char *text, uint64_t first)
{
	assert_int_equal(now.got.n, strlen(text));
	assert_int_equal(now.first, first);
	assert_memory_equal(now.got.at, text, now.got.n);
}

static void test_download(void **state)
{
	const char *url = km_http_server_url(now.server);

	(void)state;
	check_ok(download(url, "/file", 0, 10, false, false));
	expect_got("0123456789", 0);
	check_ok(download(url, "/file", 4, 10, false, false));
	expect_got("456789", 4);
	check_ok(download(url, "/file", 10, 10, false, false)); /* there is no more */
	assert_int_equal(now.got.n, 0);
	check_error(download(url, "/file", 11, 20, false, false), KM_REFUSED, "416");
	check_error(download(url, "/file", 0, 9, false, false), KM_INPUT, "more than the 9 bytes");
	check_error(download(url, "/file", 4, 9, false, false), KM_INPUT, "more than the 9 bytes");
	check_error(download(url, "/file", 0, 10, false, true), KM_ENV, "disk full");
	check_error(download(url, "/none", 0, 10, false, false), KM_REFUSED, "nothing at this path");
	assert_int_equal(now.got.n, 0);
}

static void test_redirect(void **state)
{
	const char *url = km_http_server_url(now.server);
	struct liar other = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"};
	KM_AUTOFREE char *to_other = NULL;

	(void)state;
	check_error(download(url, "/redirect?to=/file", 0, 10, false, false), KM_ENV, "status 302");
	check_ok(download(url, "/redirect?to=/file", 0, 10, true, false));
	expect_got("0123456789", 0);
	check_error(download(url, "/redirect?to=file:///etc/passwd", 0, 1 << 20, true, false), KM_INPUT, "not allowed");
	check_error(download(url, "/redirect?to=/redirect%3Fto=/redirect%253Fto=/redirect%25253Fto=/redirect", 0, 10, true, false), KM_INPUT,
		    "without end");
	/* Another server gets no bearer, not even by a redirect. */
	liar_start(&other);
	to_other = km_printf("/redirect?to=%s", other.url);
	check_ok(download(url, to_other, 0, 10, true, false));
	expect_got("hi", 0);
	liar_end(&other);
	assert_non_null(strstr(other.heard, "GET / HTTP/1.1"));
	assert_null(strstr(other.heard, "secret"));
}

/* A payload from another base URL. */
static void test_elsewhere(void **state)
{
	struct liar other = {.head = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"};
	KM_AUTOFREE char *url = NULL;

	(void)state;
	liar_start(&other);
	url = km_printf("%s/blob", other.url);
	check_ok(download(km_http_server_url(now.server), url, 0, 10, false, false));
	liar_end(&other);
	assert_null(strstr(other.heard, "secret"));
	check_error(download(km_http_server_url(now.server), "file:///etc/passwd", 0, 10, false, false), KM_USAGE, "neither");
}

static void test_hostile(void **state)
{
	static const struct {
		const char *head, *again;
		size_t times;
		uint64_t from;
		bool sink;
		enum km_code code;
		const char *fragment;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\n", "endless ", 10000000, 0, false, KM_INPUT, "more than 1048576 bytes"},
		{"HTTP/1.1 200 OK\r\n\r\n", "endless ", 10000000, 0, true, KM_INPUT, "more than the 1000 bytes"},
		{"HTTP/1.1 500 No\r\n\r\n", "endless ", 10000000, 0, true, KM_INPUT, "more than 1048576 bytes"},
		{"HTTP/1.1 200 OK\r\n", "X-Flood: yes, and much of it\r\n", 10000000, 0, false, KM_INPUT, "of headers"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "", 0, 0, false, KM_ENV, "broke off"},
		{"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", "", 0, 0, true, KM_ENV, "broke off"},
		{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "", 0, 0, false, KM_ENV, ""},
		{"HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nother", "", 0, 5, true, KM_INPUT, "another range"},
		{"HTTP/1.1 206 Part\r\nContent-Length: 5\r\n\r\nother", "", 0, 5, true, KM_INPUT, "another range"},
		{"HTTP/1.1 206 Part\r\nContent-Range: bytes 0-4/10\r\nContent-Length: 5\r\n\r\nother", "", 0, 0, true, KM_INPUT, "another range"},
		{"HTTP/1.1 302 Away\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n", "", 0, 0, false, KM_ENV, "status 302"},
		{"HTTP/1.1 400 No\r\nContent-Length: 14\r\n\r\n{\"error\": 1234", "", 0, 0, false, KM_REFUSED, "status 400"},
		{"\x01\x02\x03 no HTTP\r\n\r\n", "", 0, 0, false, KM_INPUT, "not allowed"},
		{"", "", 0, 0, false, KM_ENV, "without a reply"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		struct liar liar = {.head = cases[i].head, .again = cases[i].again, .times = cases[i].times};
		struct km_http_reply reply = {0};
		km_error *err;

		liar_start(&liar);
		if (cases[i].sink) {
			err = download(liar.url, "/x", cases[i].from, 1000, false, false);
			assert_true(now.got.n <= 1000);
		} else {
			KM_CLEANUP(km_http_client_destroyp) km_http_client *client = connected(liar.url);

			err = km_http_ask(client, &(struct km_http_call){.path = "/x"}, &reply);
		}
		liar_end(&liar);
		check_error(err, cases[i].code, cases[i].fragment);
		assert_null(reply.bytes);
	}
}

static void test_unreachable(void **state)
{
	KM_CLEANUP(km_http_client_destroyp) km_http_client *client = NULL;
	struct km_http_reply reply;
	struct liar nobody = {.head = ""};
	km_error *err;

	(void)state;
	liar_start(&nobody); /* for a port on which nobody listens any more */
	close(toy_http_connect((unsigned)atoi(strrchr(nobody.url, ':') + 1)));
	liar_end(&nobody);
	client = connected(nobody.url);
	err = km_http_ask(client, &(struct km_http_call){.path = "/x"}, &reply);
	assert_non_null(err);
	assert_non_null(err->hint);
	check_error(err, KM_ENV, "the server is not reachable");
}

/* ---- TLS ------------------------------------------------------------------------------------------------------------ */
static km_error *openssl(const char *words)
{
	KM_AUTOFREE char *command = km_printf("cd %s && openssl %s", now.dir, words);
	char *argv[] = {(char *)"sh", (char *)"-c", command, NULL};

	return km_run_ok(&(struct km_cmd){.argv = argv, .timeout = 60}, NULL);
}

/* An authority NAME.ca.pem, and a certificate for 127.0.0.1 by it. */
static void make_certificate(const char *name)
{
	KM_AUTOFREE char *ca = km_printf("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s -days 2 "
					 "-keyout %s.ca.key -out %s.ca.pem", name, name, name);
	KM_AUTOFREE char *request = km_printf("req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server-%s "
					      "-addext subjectAltName=IP:127.0.0.1 -keyout key -out csr", name);
	KM_AUTOFREE char *sign = km_printf("x509 -req -in csr -CA %s.ca.pem -CAkey %s.ca.key -CAcreateserial -days 2 -copy_extensions copy -out cert",
					   name, name);

	check_ok(openssl(ca));
	check_ok(openssl(request));
	check_ok(openssl(sign));
}

static km_error *ask_by(const char *url, const char *ca)
{
	KM_AUTOFREE char *path = ca ? km_path(now.dir, ca) : NULL;
	KM_CLEANUP(km_http_client_destroyp) km_http_client *client = NULL;
	struct km_http_reply reply;

	KM_TRY(km_http_client_create(&(struct km_http_client_options){.url = url, .ca = path, .proxy = ""}, &client));
	KM_TRY(km_http_ask(client, &(struct km_http_call){.path = "/echo"}, &reply));
	km_http_reply_free(&reply);
	return NULL;
}

static void test_tls(void **state)
{
	KM_AUTOFREE char *cert = km_path(now.dir, "cert"), *key = km_path(now.dir, "key");
	km_http_server *server;
	const char *url;

	(void)state;
	make_certificate("old");
	server = toy_http_start((struct km_http_options){.routes = routes, .n_routes = KM_COUNT(routes), .cert = cert, .key = key});
	url = km_http_server_url(server);
	assert_true(km_starts(url, "https://127.0.0.1:"));
	check_ok(ask_by(url, "old.ca.pem"));
	check_error(ask_by(url, NULL), KM_REFUSED, "certificate is not to be trusted");
	check_error(ask_by(url, "nothing"), KM_ENV, "trusted certificates");
	make_certificate("new");
	check_ok(km_http_server_reload(server));
	check_ok(ask_by(url, "new.ca.pem"));
	check_error(ask_by(url, "old.ca.pem"), KM_REFUSED, "certificate is not to be trusted");
	check_ok(km_file_write(cert, "broken", 6));
	check_error(km_http_server_reload(server), KM_ENV, "cannot serve HTTPS");
	check_ok(ask_by(url, "new.ca.pem"));
	usleep(1500000); /* the watch ends what has no connections any more */
	check_ok(ask_by(url, "new.ca.pem"));
	km_http_server_stop(server, 1);
	check_error(km_http_server_reload(now.server), KM_NOTHING, "no certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),	 cmocka_unit_test(test_ask),	   cmocka_unit_test(test_replies),
		cmocka_unit_test(test_download), cmocka_unit_test(test_redirect),  cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_hostile),	 cmocka_unit_test(test_unreachable), cmocka_unit_test(test_tls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
