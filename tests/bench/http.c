/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a small request on a kept connection costs the server: a child asks on N connections, and the parent's CPU time is counted.
 * usage: bench_http [CONNECTIONS [SECONDS [now|later]]]
 */
#include <arpa/inet.h>
#include <kmend/http.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 1000, BATCH = 4096 };

static const char question[] = "POST /v1/checkin HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer kmh_0123456789\r\nContent-Length: 2\r\n\r\n{}";
static atomic_ulong answered;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t some = PTHREAD_COND_INITIALIZER;
static km_http_request *batch[BATCH];
static size_t n_batch;

static km_http_response *answer(void)
{
	static const char text[] = "{\"interval\":60,\"root\":1,\"timestamp\":1,\"tags\":[],\"min_severity\":\"low\",\"payloads\":null}";

	answered++;
	return km_http_bytes(200, "application/json", text, sizeof(text) - 1);
}

static km_http_response *at_once(km_http_request *request, void *ctx)
{
	(void)request, (void)ctx;
	return answer();
}

static km_http_response *later(km_http_request *request, void *ctx)
{
	(void)ctx;
	km_http_later(request);
	pthread_mutex_lock(&lock);
	batch[n_batch++] = request;
	pthread_cond_signal(&some);
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* As a server does that commits many requests at once. */
static void *answer_batches(void *arg)
{
	static km_http_request *mine[BATCH];

	(void)arg;
	for (;;) {
		size_t n;

		pthread_mutex_lock(&lock);
		while (!n_batch)
			pthread_cond_wait(&some, &lock);
		n = n_batch;
		memcpy(mine, batch, n * sizeof(*batch));
		n_batch = 0;
		pthread_mutex_unlock(&lock);
		for (size_t i = 0; i < n; i++)
			km_http_answer(mine[i], answer());
	}
	return NULL;
}

/* Keeps one request under way on each connection, until it is killed. */
static void ask(unsigned port, unsigned connections)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fds[CONNECTIONS_MAX];
	char reply[4096];

	alarm(120); /* should the parent die */
	for (unsigned i = 0; i < connections; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (fds[i] < 0 || connect(fds[i], (struct sockaddr *)&to, sizeof(to)))
			_exit(1);
	}
	for (;;) {
		for (unsigned i = 0; i < connections; i++)
			if (send(fds[i], question, sizeof(question) - 1, MSG_NOSIGNAL) <= 0)
				_exit(1);
		for (unsigned i = 0; i < connections; i++)
			if (recv(fds[i], reply, sizeof(reply), 0) <= 0)
				_exit(1);
	}
}

int main(int argc, char **argv)
{
	unsigned connections = argc > 1 ? (unsigned)atoi(argv[1]) : 64, seconds = argc > 2 ? (unsigned)atoi(argv[2]) : 3;
	bool waits = argc > 3 && !strcmp(argv[3], "later");
	const struct km_http_route routes[] = {{"POST", "/v1/checkin", .body_max = 65536, .handle = waits ? later : at_once}};
	struct km_http_options options = {.listen = "127.0.0.1:0", .routes = routes, .n_routes = 1, .threads = 2};
	double cpu, cpu_end, begin;
	unsigned long n;
	km_http_server *server;
	pthread_t thread;
	km_error *err = km_http_server_create(&options, &server);
	pid_t child;

	if (err || !connections || connections > CONNECTIONS_MAX || !seconds) {
		if (err)
			km_error_print("bench_http", err);
		return 1;
	}
	child = fork();
	if (!child)
		ask(km_http_server_port(server), connections);
	pthread_create(&thread, NULL, answer_batches, NULL);
	sleep(1);
	n = answered;
	begin = km_now();
	km_cpu_used(&cpu, NULL);
	sleep(seconds);
	km_cpu_used(&cpu_end, NULL);
	n = answered - n;
	printf("%u connections, %s: %.0f requests per CPU-second, %.1f us of CPU each, %.0f per second\n", connections, waits ? "later" : "at once",
	       (double)n / (cpu_end - cpu), 1e6 * (cpu_end - cpu) / (double)n, (double)n / (km_now() - begin));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return n ? 0 : 1;
}
