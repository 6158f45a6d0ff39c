/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A server on 127.0.0.1, and clients that are not kind to it. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "toy_http.h"

enum { BODY_MAX = 100, STREAM_MAX = 1 << 20 };

static struct state {
	km_http_server *server;
	unsigned port;
	pthread_mutex_t lock;
	struct km_http_done last;
	char pattern[64], remote[64];
	unsigned n_done, n_released;
	km_http_request *parked;
	uint64_t streamed;
	char *dir, *file;
} now = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- what it serves ---------------------------------------------------------------------------------------------- */
static km_http_response *echo(km_http_request *request, void *ctx)
{
	const char *arg = km_http_request_arg(request, "q"), *bearer = km_http_request_bearer(request), *body;
	size_t n;
	json_t *json;

	(void)ctx;
	body = km_http_request_body(request, &n);
	json = json_pack("{s:s, s:s?, s:s?, s:s?, s:s, s:s%}", "method", km_http_request_method(request), "name",
			 km_http_request_param(request, "name"), "q", arg, "bearer", bearer, "remote", km_http_request_remote(request),
			 "body", body ? body : "", n);
	return km_http_json(200, json);
}

static km_http_response *file(km_http_request *request, void *ctx)
{
	km_http_response *response = km_http_file(open(now.file, O_RDONLY | O_CLOEXEC), 10, "text/plain");

	(void)request, (void)ctx;
	km_http_etag(response, "abc");
	km_http_header(response, "Cache-Control", "immutable");
	return response;
}

static km_http_response *park(km_http_request *request, void *ctx)
{
	(void)ctx;
	km_http_later(request);
	pthread_mutex_lock(&now.lock);
	now.parked = request;
	pthread_mutex_unlock(&now.lock);
	return NULL;
}

static void *answer_soon(void *request)
{
	km_http_answer(request, km_http_bytes(200, "text/plain", "soon", 4));
	return NULL;
}

/* The answer may come before the handler returns. */
static km_http_response *soon(km_http_request *request, void *ctx)
{
	pthread_t thread;

	(void)ctx;
	km_http_later(request);
	assert_int_equal(pthread_create(&thread, NULL, answer_soon, request), 0);
	pthread_detach(thread);
	return NULL;
}

static void released(void *data)
{
	pthread_mutex_lock(&now.lock);
	now.n_released += data == &now;
	pthread_mutex_unlock(&now.lock);
}

static km_http_response *stream_begin(km_http_request *request, void *ctx)
{
	(void)ctx;
	now.streamed = 0;
	km_http_request_keep(request, &now, released);
	return km_http_request_bearer(request) ? NULL : km_http_fail(401, "token", "a token is needed");
}

static km_http_response *stream_add(km_http_request *request, const void *bytes, size_t size, void *ctx)
{
	(void)ctx;
	assert_ptr_equal(km_http_request_kept(request), &now);
	now.streamed += size;
	return memchr(bytes, '!', size) ? km_http_fail(400, "mark", "no marks") : NULL;
}

static km_http_response *stream_end(km_http_request *request, void *ctx)
{
	(void)request, (void)ctx;
	return km_http_json(201, json_pack("{s:I}", "size", (json_int_t)now.streamed));
}

static km_http_response *nothing(km_http_request *request, void *ctx)
{
	(void)request, (void)ctx;
	return NULL;
}

static km_http_response *broken(km_http_request *request, void *ctx)
{
	(void)request, (void)ctx;
	return km_http_fail_error(400, "x", km_error_new(KM_ENV, "the password is 1234"));
}

static const struct km_http_route routes[] = {
	{"GET", "/echo/:name", .handle = echo},
	{"POST", "/echo/:name", .body_max = BODY_MAX, .handle = echo},
	{"GET", "/file", .handle = file},
	{"GET", "/park", .handle = park},
	{"GET", "/soon", .handle = soon},
	{"PUT", "/stream", .body_max = STREAM_MAX, .begin = stream_begin, .add = stream_add, .handle = stream_end},
	{"GET", "/nothing", .handle = nothing},
	{"GET", "/broken", .handle = broken},
};

static void on_done(const struct km_http_done *done, const km_http_request *request, void *ctx)
{
	assert_ptr_equal(ctx, &now);
	assert_non_null(km_http_request_path(request));
	pthread_mutex_lock(&now.lock);
	now.last = *done;
	snprintf(now.pattern, sizeof(now.pattern), "%s", done->pattern ? done->pattern : "");
	snprintf(now.remote, sizeof(now.remote), "%s", done->remote);
	now.n_done++;
	pthread_mutex_unlock(&now.lock);
}

static struct km_http_options options(void)
{
	static const char *const proxies[] = {"127.0.0.0/8"};

	return (struct km_http_options){.routes = routes, .n_routes = KM_COUNT(routes), .ctx = &now, .done = on_done,
					.proxies = proxies, .n_proxies = 1, .idle = 2, .slow = 1};
}

static int setup(void **state)
{
	(void)state;
	now.dir = check_dir();
	now.file = km_path(now.dir, "file");
	check_ok(km_file_write(now.file, "0123456789", 10));
	now.server = toy_http_start(options());
	now.port = km_http_server_port(now.server);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	km_http_server_stop(now.server, 1);
	check_dir_end(now.dir);
	free(now.file);
	return 0;
}

static unsigned count(const unsigned *of)
{
	unsigned n;

	pthread_mutex_lock(&now.lock);
	n = *of;
	pthread_mutex_unlock(&now.lock);
	return n;
}

/* A reply is there a moment before its request is over. */
static unsigned count_done(void)
{
	for (int i = 0; i < 1000 && km_http_server_load(now.server).requests; i++)
		usleep(5000);
	return count(&now.n_done);
}

static void expect(char *reply, int status, const char *fragment)
{
	if (toy_http_status(reply) != status || !strstr(reply, fragment))
		fail_msg("expected %d and \"%s\", got: %.600s", status, fragment, reply);
	free(reply);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */
static void test_routes(void **state)
{
	static const struct {
		const char *first, *headers;
		int status;
		const char *fragment;
	} cases[] = {
		{"GET /echo/a", "", 200, "\"name\":\"a\""},
		{"GET /echo/a", "", 200, "X-Content-Type-Options: nosniff"},
		{"GET /echo/a", "", 200, "Cache-Control: no-store"},
		{"GET /echo/%41%c3%a9?q=1%202+3&r", "", 200, "\"name\":\"A\xc3\xa9\",\"q\":\"1 2 3\""},
		{"GET /echo/a", "Authorization: Bearer kmt_x\r\n", 200, "\"bearer\":\"kmt_x\""},
		{"GET /echo/a", "Authorization: Bearer kmt x\r\n", 200, "\"bearer\":null"},
		{"GET /echo/a", "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n", 200, "\"bearer\":null"},
		{"GET /echo/a", "X-Forwarded-For: 198.51.100.1, 192.0.2.7\r\n", 200, "\"remote\":\"192.0.2.7\""},
		{"GET /echo/a", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-For: 192.0.2.7\r\n", 200, "\"remote\":\"192.0.2.7\""},
		{"GET /echo/a", "X-Forwarded-For: ';--\r\n", 200, "\"remote\":\"127.0.0.1\""},
		{"HEAD /echo/a", "", 200, "application/json"},
		{"GET /echo/", "", 404, "not-found"},
		{"GET /echo", "", 404, "not-found"},
		{"GET /echo/a/", "", 404, "not-found"},
		{"GET //echo/a", "", 404, "not-found"},
		{"DELETE /echo/a", "", 405, "Allow: GET, HEAD, POST"},
		{"BREW /file", "", 405, "Allow: GET, HEAD"},
		{"GET /echo/..", "", 400, "bad-path"},
		{"GET /echo/%2e%2E", "", 400, "bad-path"},
		{"GET /echo/a%2fb", "", 400, "bad-path"},
		{"GET /echo/a%00", "", 400, "bad-path"},
		{"GET /echo/a%0ab", "", 400, "bad-path"},
		{"GET /echo/%ff", "", 400, "bad-path"},
		{"GET /echo/%c0%af", "", 400, "bad-path"},
		{"GET /echo/%4", "", 400, "bad-path"},
		{"GET /echo/%zz", "", 400, "bad-path"},
		{"GET /echo/a?q=%00", "", 400, "bad-path"},
		{"GET http://x/echo/a", "", 400, "bad-path"},
		{"GET /nothing", "", 500, "internal error"},
		{"GET /soon", "", 200, "soon"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++)
		expect(toy_http_get(now.port, cases[i].first, cases[i].headers), cases[i].status, cases[i].fragment);
}

/* What went wrong inside is for the log. */
static void test_internal(void **state)
{
	KM_AUTOFREE char *reply = toy_http_get(now.port, "GET /broken", "");

	(void)state;
	assert_int_equal(toy_http_status(reply), 500);
	assert_null(strstr(reply, "1234"));
}

static void test_head(void **state)
{
	KM_AUTOFREE char *reply = toy_http_get(now.port, "HEAD /file", "");

	(void)state;
	assert_non_null(strstr(reply, "Content-Length: 10"));
	assert_string_equal(toy_http_body(reply), "");
}

static void test_file(void **state)
{
	static const struct {
		const char *headers;
		int status;
		const char *fragment, *body;
	} cases[] = {
		{"", 200, "Cache-Control: immutable", "0123456789"},
		{"", 200, "ETag: \"abc\"", "0123456789"},
		{"Range: bytes=2-4\r\n", 206, "Content-Range: bytes 2-4/10", "234"},
		{"Range: bytes=7-\r\n", 206, "Content-Range: bytes 7-9/10", "789"},
		{"Range: bytes=-3\r\n", 206, "Content-Range: bytes 7-9/10", "789"},
		{"Range: bytes=0-99999999999999999999999\r\n", 206, "Content-Range: bytes 0-9/10", "0123456789"},
		{"Range: bytes=10-\r\n", 416, "Content-Range: bytes */10", ""},
		{"Range: bytes=-0\r\n", 416, "Content-Range: bytes */10", ""},
		{"Range: bytes=1-2,4-5\r\n", 200, "Content-Length: 10", "0123456789"},
		{"Range: lines=1-2\r\n", 200, "Content-Length: 10", "0123456789"},
		{"Range: bytes=1-2\r\nIf-Range: \"old\"\r\n", 200, "Content-Length: 10", "0123456789"},
		{"If-None-Match: \"abc\"\r\n", 304, "ETag: \"abc\"", ""},
		{"If-None-Match: \"x\", W/\"abc\"\r\nRange: bytes=1-2\r\n", 304, "ETag: \"abc\"", ""},
		{"If-None-Match: \"ab\"\r\n", 200, "Content-Length: 10", "0123456789"},
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		char *reply = toy_http_get(now.port, "GET /file", cases[i].headers);

		assert_string_equal(toy_http_body(reply), cases[i].body);
		expect(reply, cases[i].status, cases[i].fragment);
	}
}

static void test_body(void **state)
{
	char big[512], body[BODY_MAX + 2] = "";

	(void)state;
	memset(body, 'x', BODY_MAX);
	expect(toy_http_raw(now.port, "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"), 200,
	       "\"body\":\"hello\"");
	expect(toy_http_raw(now.port, "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
				      "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"), 200, "\"body\":\"hello\"");
	snprintf(big, sizeof(big), "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", BODY_MAX, body);
	expect(toy_http_raw(now.port, big), 200, body);
	body[BODY_MAX] = 'x';
	snprintf(big, sizeof(big), "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", BODY_MAX + 1, body);
	expect(toy_http_raw(now.port, big), 413, "longer than 100 bytes");
	snprintf(big, sizeof(big), "POST /echo/a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n%s\r\n0\r\n\r\n",
		 body);
	expect(toy_http_raw(now.port, big), 413, "body-size");
	expect(toy_http_raw(now.port, "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"), 413, "body-size");
	expect(toy_http_raw(now.port, "GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"), 413, "no body");
	expect(toy_http_raw(now.port, "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\nExpect: 100-continue\r\n\r\n"), 413, "body-size");
}

/* What two readers could take for two things. */
static void test_framing(void **state)
{
	static const char *const cases[] = {
		"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"Content-Length: -5\r\n\r\nhello",
		"Content-Length: 5x\r\n\r\nhello",
		"Content-Length: 99999999999999999999999999\r\n\r\nhello",
		"Transfer-Encoding: chunked\r\n\r\nxyz\r\nhello\r\n0\r\n\r\n",
		"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nhello\r\n0\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < KM_COUNT(cases); i++) {
		KM_AUTOFREE char *text = km_printf("POST /echo/a HTTP/1.1\r\nHost: x\r\n%s", cases[i]);
		KM_AUTOFREE char *reply = toy_http_raw(now.port, text);
		int status = toy_http_status(reply);

		if (status && status != 400 && status != 413)
			fail_msg("case %zu: %.300s", i, reply);
		assert_null(strstr(reply, "hello"));
	}
}

static void test_noise(void **state)
{
	km_str flood = {0};
	KM_AUTOFREE char *reply = NULL;

	(void)state;
	free(toy_http_raw(now.port, "\x16\x03\x01\x02\r\n\r\n"));
	free(toy_http_raw(now.port, "GET\r\n\r\n"));
	expect(toy_http_raw(now.port, "GET /file HTTP/1.1\r\n\r\n"), 400, ""); /* no Host */
	km_str_add(&flood, "GET /echo/a HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < 2000; i++)
		km_str_printf(&flood, "X-%d: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", i);
	km_str_add(&flood, "\r\n");
	reply = toy_http_raw(now.port, flood.at);
	assert_int_not_equal(toy_http_status(reply), 200);
	km_str_free(&flood);
	expect(toy_http_get(now.port, "GET /echo/a", ""), 200, "");
}

static void test_pipeline(void **state)
{
	KM_AUTOFREE char *reply = toy_http_raw(now.port, "GET /echo/one HTTP/1.1\r\nHost: x\r\n\r\n"
							 "GET /soon HTTP/1.1\r\nHost: x\r\n\r\n"
							 "GET /file HTTP/1.1\r\nHost: x\r\n\r\n"
							 "GET /echo/two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	const char *one = strstr(reply, "\"one\""), *later = strstr(reply, "soon"), *two = strstr(reply, "\"two\"");

	(void)state;
	assert_true(one && later && two && one < later && later < two);
}

/* A client that has said all it wants still gets its answer. */
static void test_half_closed(void **state)
{
	static const char text[] = "GET /echo/half HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = toy_http_connect(now.port);

	(void)state;
	toy_http_send(fd, text, strlen(text));
	shutdown(fd, SHUT_WR);
	expect(toy_http_rest(fd), 200, "half");
}

static void test_stream(void **state)
{
	enum { SIZE = 700000 };
	KM_AUTOFREE char *bytes = km_calloc(SIZE + 1, 1);
	unsigned before = count(&now.n_released);
	char head[200];
	int fd = toy_http_connect(now.port);

	(void)state;
	memset(bytes, 'x', SIZE);
	snprintf(head, sizeof(head), "PUT /stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", SIZE);
	toy_http_send(fd, head, strlen(head));
	toy_http_send(fd, bytes, SIZE);
	expect(toy_http_rest(fd), 201, "{\"size\":700000}");
	bytes[0] = '!'; /* refused in the midst: the rest is read, the answer arrives */
	fd = toy_http_connect(now.port);
	toy_http_send(fd, head, strlen(head));
	toy_http_send(fd, bytes, SIZE);
	expect(toy_http_rest(fd), 400, "no marks");
	expect(toy_http_raw(now.port, "PUT /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"), 401, "token");
	fd = toy_http_connect(now.port); /* gone in the midst */
	toy_http_send(fd, head, strlen(head));
	toy_http_send(fd, bytes, 100);
	close(fd);
	for (int i = 0; i < 1000 && count(&now.n_released) < before + 4; i++)
		usleep(10000);
	assert_int_equal(count(&now.n_released), before + 4);
}

/* A byte now and then does not keep a connection. */
static void test_slow(void **state)
{
	static const char text[] = "POST /echo/a HTTP/1.1\r\nHost: x\r\nContent-Length: 90\r\n\r\n";
	uint64_t cut = km_http_server_load(now.server).cut;
	int fd = toy_http_connect(now.port);
	double begin = km_now();

	(void)state;
	toy_http_send(fd, text, strlen(text));
	for (int i = 0; i < 60 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++)
		usleep(100000);
	assert_true(km_now() - begin < 5);
	assert_true(km_http_server_load(now.server).cut > cut);
	free(toy_http_rest(fd));
}

static km_http_request *wait_parked(void)
{
	km_http_request *parked = NULL;

	for (int i = 0; i < 1000 && !parked; i++) {
		usleep(5000);
		pthread_mutex_lock(&now.lock);
		parked = now.parked;
		now.parked = NULL;
		pthread_mutex_unlock(&now.lock);
	}
	assert_non_null(parked);
	return parked;
}

static void test_later(void **state)
{
	static const char text[] = "GET /park HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	int fd = toy_http_connect(now.port);
	km_http_request *request;

	(void)state;
	toy_http_send(fd, text, strlen(text));
	request = wait_parked();
	assert_int_equal(km_http_server_load(now.server).later, 1);
	assert_string_equal(km_http_request_path(request), "/park");
	assert_null(km_http_request_header(request, "Host"));
	usleep(2500000); /* longer than idle and slow: waiting for us is not the client's fault */
	km_http_answer(request, km_http_bytes(200, "text/plain", "at last", 7));
	expect(toy_http_rest(fd), 200, "at last");
}

static void test_later_gone(void **state)
{
	static const char text[] = "GET /park HTTP/1.1\r\nHost: x\r\n\r\n";
	unsigned done = count_done();
	int fd = toy_http_connect(now.port);
	km_http_request *request;

	(void)state;
	toy_http_send(fd, text, strlen(text));
	request = wait_parked();
	close(fd);
	km_http_answer(request, km_http_bytes(200, "text/plain", "nobody", 6));
	for (int i = 0; i < 1000 && count(&now.n_done) == done; i++)
		usleep(5000);
	assert_int_equal(count(&now.n_done), done + 1);
	expect(toy_http_get(now.port, "GET /echo/a", ""), 200, "");
}

static void test_stop(void **state)
{
	static const char text[] = "GET /park HTTP/1.1\r\nHost: x\r\n\r\n";
	km_http_server *server = toy_http_start(options());
	int fd = toy_http_connect(km_http_server_port(server)), idle = toy_http_connect(km_http_server_port(server));
	km_http_request *request;

	(void)state;
	toy_http_send(fd, text, strlen(text));
	request = wait_parked();
	km_http_server_stop(server, .1);
	expect(toy_http_rest(fd), 503, "stopping");
	free(toy_http_rest(idle));
	/* Whoever has it may still look at it, and must still answer. */
	assert_string_equal(km_http_request_path(request), "/park");
	km_http_answer(request, km_http_empty(204));
}

struct stopper {
	km_http_server *server;
	atomic_bool done;
};

static void *stop_it(void *arg)
{
	struct stopper *stopper = arg;

	km_http_server_stop(stopper->server, 10);
	stopper->done = true;
	return NULL;
}

/* What is under way ends well; the last answer closes its connection. */
static void test_stop_graceful(void **state)
{
	static const char text[] = "GET /park HTTP/1.1\r\nHost: x\r\n\r\n";
	struct stopper stopper = {.server = toy_http_start(options())};
	int fd = toy_http_connect(km_http_server_port(stopper.server));
	km_http_request *request;
	pthread_t thread;

	(void)state;
	toy_http_send(fd, text, strlen(text));
	request = wait_parked();
	assert_int_equal(pthread_create(&thread, NULL, stop_it, &stopper), 0);
	usleep(100000);
	assert_false(stopper.done);
	km_http_answer(request, km_http_bytes(200, "text/plain", "whole", 5));
	expect(toy_http_rest(fd), 200, "whole");
	pthread_join(thread, NULL);
}

static void test_done(void **state)
{
	unsigned before = count_done();

	(void)state;
	expect(toy_http_get(now.port, "GET /echo/x", "X-Forwarded-For: 192.0.2.7\r\n"), 200, "");
	for (int i = 0; i < 1000 && count(&now.n_done) == before; i++)
		usleep(5000);
	pthread_mutex_lock(&now.lock);
	assert_string_equal(now.pattern, "/echo/:name");
	assert_string_equal(now.remote, "192.0.2.7");
	assert_int_equal(now.last.status, 200);
	assert_true(now.last.whole && now.last.seconds >= 0 && now.last.out > 20);
	pthread_mutex_unlock(&now.lock);
}

static void test_create_errors(void **state)
{
	static const char *const addresses[] = {"", "x", "127.0.0.1", "127.0.0.1:", "127.0.0.1:70000", "localhost:1", "[::1:80", "*:1x"};
	static const char *const proxies[] = {"10.0.0.0/33"};
	struct km_http_options bad = options();
	km_http_server *server = NULL;

	(void)state;
	for (size_t i = 0; i < KM_COUNT(addresses); i++) {
		bad.listen = addresses[i];
		check_error(km_http_server_create(&bad, &server), KM_USAGE, "is no address to listen on");
	}
	bad.listen = km_http_server_url(now.server) + strlen("http://");
	check_error(km_http_server_create(&bad, &server), KM_ENV, "Address already in use");
	bad.listen = "127.0.0.1:0";
	bad.cert = "/nonexistent";
	check_error(km_http_server_create(&bad, &server), KM_USAGE, "both a certificate and a key");
	bad.key = "/nonexistent";
	check_error(km_http_server_create(&bad, &server), KM_ENV, "/nonexistent");
	bad.cert = bad.key = now.file;
	check_error(km_http_server_create(&bad, &server), KM_ENV, "cannot serve HTTPS");
	bad.cert = bad.key = NULL;
	bad.proxies = proxies;
	check_error(km_http_server_create(&bad, &server), KM_USAGE, "is no address of a proxy");
	assert_null(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_routes),	      cmocka_unit_test(test_internal),	    cmocka_unit_test(test_head),
		cmocka_unit_test(test_file),	      cmocka_unit_test(test_body),	    cmocka_unit_test(test_framing),
		cmocka_unit_test(test_noise),	      cmocka_unit_test(test_pipeline),	    cmocka_unit_test(test_half_closed),
		cmocka_unit_test(test_stream),	      cmocka_unit_test(test_slow),	    cmocka_unit_test(test_later),
		cmocka_unit_test(test_later_gone),    cmocka_unit_test(test_stop),	    cmocka_unit_test(test_stop_graceful),
		cmocka_unit_test(test_done),	      cmocka_unit_test(test_create_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
