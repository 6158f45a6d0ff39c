/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS = 64, NOW = 1800000000 };

struct client {
	int fd;
	km_str in;
};

static void complain(struct fake *f, const char *what)
{
	if (!f->bad++)
		snprintf(f->complaint, sizeof(f->complaint), "%s", what);
}

static void reply(int fd, int status, const char *header, const char *body, size_t size)
{
	KM_AUTOFREE char *head =
		km_printf("HTTP/1.1 %d X\r\nServer: fake\r\n%scontent-length: %zu\r\n\r\n", status, header, size);
	km_str all = {0};
	ssize_t written;

	km_str_add(&all, head);
	km_str_addn(&all, body, size);
	written = send(fd, all.at, all.n, MSG_NOSIGNAL);
	(void)written;
	km_str_free(&all);
}

/* ---- documents ---- */

static km_envelope *make_index(const struct fake *f)
{
	struct km_index_entry entry = {.staged = f->staged};
	struct km_index index = {
		.channel = "stable", .version = 1, .issued = NOW, .expires = NOW, .releases = &entry, .n_releases = 1};
	km_envelope *envelope = NULL;

	memcpy(entry.id, f->release, sizeof(entry.id));
	km_error_free(km_index_make(&index, &envelope));
	return envelope;
}

static km_envelope *make_rollout(const struct fake *f, int64_t version)
{
	struct km_wave wave = {.permyriad = f->permyriad};
	struct km_rollout_entry entry = {.waves = &wave, .n_waves = 1, .halt = version > 1 ? f->halt : NULL};
	struct km_rollout rollout = {.channel = "stable",
				     .version = version,
				     .issued = NOW,
				     .expires = NOW,
				     .releases = &entry,
				     .n_releases = f->permyriad ? 1 : 0};
	km_envelope *envelope = NULL;

	memcpy(entry.id, f->release, sizeof(entry.id));
	km_error_free(km_rollout_make(&rollout, &envelope));
	return envelope;
}

static km_envelope *make_timestamp(const struct fake *f)
{
	km_envelope *index = make_index(f), *rollout = make_rollout(f, f->version), *envelope = NULL;
	struct km_timestamp timestamp = {.channel = "stable", .version = f->version, .issued = NOW, .expires = NOW};

	timestamp.index.version = 1;
	timestamp.rollout.version = f->version;
	memcpy(timestamp.index.sha256, index->id, KM_SHA256_HEX);
	memcpy(timestamp.rollout.sha256, rollout->id, KM_SHA256_HEX);
	km_error_free(km_timestamp_make(&timestamp, &envelope));
	km_envelope_destroy(index);
	km_envelope_destroy(rollout);
	return envelope;
}

static void serve_document(struct fake *f, int fd, const char *request)
{
	KM_CLEANUP(km_envelope_destroyp) km_envelope *envelope = NULL;
	KM_AUTOFREE char *text = NULL;
	size_t size;

	f->documents++;
	if (km_starts(request, "GET /v1/channels/stable/timestamp "))
		envelope = make_timestamp(f);
	else if (km_starts(request, "GET /v1/channels/stable/index/1 "))
		envelope = make_index(f);
	else if (km_starts(request, "GET /v1/channels/stable/rollout/"))
		envelope = make_rollout(f, strtoll(request + strlen("GET /v1/channels/stable/rollout/"), NULL, 10));
	if (!envelope) {
		complain(f, request);
		reply(fd, 404, "", "", 0);
		return;
	}
	text = km_envelope_text(envelope, &size);
	reply(fd, 200, "", text, size);
}

/* ---- hosts ---- */

static void serve_attach(struct fake *f, int fd, const char *body)
{
	struct km_attach attach;
	struct km_attach_answer answer = {.channel = "stable", .root = 1, .interval = 60};
	km_error *err = km_attach_parse(body, strlen(body), &attach);
	KM_AUTOFREE char *secret = km_fleet_secret_new("kmh_"), *text = NULL;

	if (err)
		complain(f, err->message);
	km_error_free(err);
	f->attached++;
	memcpy(answer.secret, secret, strlen(secret) + 1);
	text = km_attach_answer_text(&answer);
	reply(fd, 201, "", text, strlen(text));
}

static void count(struct fake *f, const struct km_report_patch *patch)
{
	static const int looks[] = {0, 60, 300, 900};

	f->said[patch->state]++;
	for (size_t i = 0; i < KM_COUNT(looks); i++)
		f->good_at[i] += patch->health == KM_HEALTH_GOOD && patch->age == looks[i];
	if (patch->health != KM_HEALTH_CRASHED)
		return;
	if (!f->crashed++ && f->halt)
		f->version++;
}

static void serve_checkin(struct fake *f, int fd, const char *body)
{
	struct km_report report = {0};
	struct km_checkin_answer answer = {.interval = 60, .root = 1};
	km_error *err = km_report_parse(body, strlen(body), &report);
	KM_AUTOFREE char *text = NULL;

	if (err)
		complain(f, err->message);
	km_error_free(err);
	f->reports++;
	for (size_t i = 0; i < report.n_patches; i++)
		count(f, &report.patches[i]);
	km_report_free(&report);
	answer.timestamp = f->version;
	text = km_checkin_answer_text(&answer);
	if (f->raw) {
		send(fd, f->raw, strlen(f->raw), MSG_NOSIGNAL);
	} else if (f->refuse) {
		f->refuse--;
		reply(fd, 503, "retry-after: 1\r\n", "{}", 2);
	} else {
		reply(fd, 200, "", text, strlen(text));
	}
}

/* False: hang up. */
static bool serve(struct fake *f, int fd, const char *request, const char *body)
{
	if (f->hang_up_each && ++f->requests % f->hang_up_each == 0)
		return false;
	if (!strstr(request, "\r\nAuthorization: Bearer km"))
		complain(f, "no bearer");
	if (km_starts(request, "POST /v1/attach "))
		serve_attach(f, fd, body);
	else if (km_starts(request, "POST /v1/checkin "))
		serve_checkin(f, fd, body);
	else
		serve_document(f, fd, request);
	return true;
}

/* ---- connections ---- */

static void hang_up(struct client *c)
{
	close(c->fd);
	c->fd = -1;
	km_str_free(&c->in);
}

static void take(struct fake *f, struct client *c)
{
	char buffer[4096];
	ssize_t n = recv(c->fd, buffer, sizeof(buffer), 0);
	const char *end, *length;
	size_t body;

	if (n <= 0) {
		hang_up(c);
		return;
	}
	km_str_addn(&c->in, buffer, (size_t)n);
	end = strstr(c->in.at, "\r\n\r\n");
	length = strstr(c->in.at, "\r\nContent-Length: ");
	body = length ? strtoul(length + 18, NULL, 10) : 0;
	if (!end || c->in.n < (size_t)(end + 4 - c->in.at) + body)
		return;
	if (c->in.n > (size_t)(end + 4 - c->in.at) + body)
		complain(f, "two requests at once");
	if (serve(f, c->fd, c->in.at, end + 4))
		km_str_free(&c->in);
	else
		hang_up(c);
}

static void *run(void *arg)
{
	struct fake *f = arg;
	struct client clients[CLIENTS];

	for (size_t i = 0; i < CLIENTS; i++)
		clients[i] = (struct client){.fd = -1};
	for (;;) {
		struct pollfd polls[CLIENTS + 2];

		for (size_t i = 0; i < CLIENTS; i++)
			polls[i] = (struct pollfd){clients[i].fd, POLLIN, 0};
		polls[CLIENTS] = (struct pollfd){f->listener, POLLIN, 0};
		polls[CLIENTS + 1] = (struct pollfd){f->stop[0], POLLIN, 0};
		poll(polls, CLIENTS + 2, -1);
		if (polls[CLIENTS + 1].revents)
			break;
		for (size_t i = 0; i < CLIENTS; i++)
			if (clients[i].fd >= 0 && polls[i].revents)
				take(f, &clients[i]);
		for (size_t i = 0; i < CLIENTS && polls[CLIENTS].revents; i++)
			if (clients[i].fd < 0) {
				clients[i].fd = accept(f->listener, NULL, NULL);
				break;
			}
	}
	for (size_t i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0)
			hang_up(&clients[i]);
	return NULL;
}

void fake_start(struct fake *fake)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	fake->version = 1;
	memset(fake->release, 'a', KM_SHA256_HEX - 1);
	fake->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fake->listener < 0 || bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fake->listener, CLIENTS) < 0 || pipe(fake->stop) < 0)
		abort();
	getsockname(fake->listener, (struct sockaddr *)&address, &length);
	fake->port = ntohs(address.sin_port);
	if (pthread_create(&fake->thread, NULL, run, fake))
		abort();
}

void fake_stop(struct fake *fake)
{
	close(fake->stop[1]);
	pthread_join(fake->thread, NULL);
	close(fake->stop[0]);
	close(fake->listener);
}
