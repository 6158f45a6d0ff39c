/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every host comes with the token. One that came in an earlier run gets a new secret. */
#include <errno.h>
#include <math.h>
#include <sys/epoll.h>

#include "fleet.h"

static km_error *send_one(struct fleet *f, struct connection *c, uint32_t host)
{
	struct km_attach attach = {.kernel = f->options->kernel};
	KM_AUTOFREE char *body = NULL;

	memcpy(attach.host, f->hosts[host].id, sizeof(attach.host));
	body = km_attach_text(&attach);
	c->host = host;
	connection_send(c, f->options, "/v1/attach", f->options->token, body);
	return NULL;
}

/* What waits for a connection and whose time has come. */
static km_error *send_all(struct fleet *f)
{
	struct heap_entry next;
	struct connection *c;

	while (f->heap.n && f->heap.at[0].due <= km_now()) {
		KM_TRY(fleet_idle(f, &c));
		if (!c || !heap_pop(&f->heap, INFINITY, &next))
			break;
		KM_TRY(send_one(f, c, next.host));
	}
	return NULL;
}

static km_error *take_one(struct fleet *f, const struct connection *c, size_t *attached)
{
	struct km_attach_answer answer;

	if (c->status == 429 || c->status == 503) {
		f->attach_retries++;
		heap_push(&f->heap, km_now() + (c->retry_after > 0 ? (double)c->retry_after : 1), c->host);
		return NULL;
	}
	if (c->status != 201)
		return km_error_new(KM_ENV, "the server answers %d to a host that attaches: %.200s", c->status,
				    c->body);
	KM_TRY(km_attach_answer_parse(c->body, c->size, &answer));
	memcpy(f->hosts[c->host].secret, answer.secret, sizeof(answer.secret));
	memcpy(f->documents.channel, answer.channel, sizeof(answer.channel));
	f->root = answer.root;
	++*attached;
	return NULL;
}

km_error *fleet_attach(struct fleet *f)
{
	double begin = km_now();
	size_t attached = 0;

	for (uint32_t i = 0; i < f->options->hosts; i++)
		heap_push(&f->heap, 0, i);
	while (attached < f->options->hosts) {
		struct epoll_event events[256];
		int n;

		KM_TRY(send_all(f));
		n = epoll_wait(f->epoll, events, KM_COUNT(events), 100);
		if (n < 0 && errno != EINTR)
			return km_error_sys(errno, "cannot wait for the server");
		for (int i = 0; i < n; i++) {
			struct connection *c = events[i].data.ptr;
			bool busy = c->busy;

			switch (connection_ready(c, events[i].events)) {
			case NEWS_ANSWER: KM_TRY(take_one(f, c, &attached)); break;
			case NEWS_LOST:
				if (busy)
					heap_push(&f->heap, km_now() + .1, c->host);
				break;
			case NEWS_NONE: break;
			}
		}
	}
	f->attach_seconds = km_now() - begin;
	return NULL;
}
