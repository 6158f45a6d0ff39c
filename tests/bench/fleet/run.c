/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hosts check in, each once in its interval at a place of its own, and more often while a patch is young. What is
 * measured is open-loop: a check-in's time is when it was due, whether a connection was free or not. Only a host that
 * has no answer yet does not come again.
 */
#include <errno.h>
#include <sys/epoll.h>

#include "fleet.h"

static void schedule(struct fleet *f, uint32_t i, double now)
{
	heap_push(&f->heap, host_due(&f->hosts[i], &f->world, now), i);
}

static double period(const struct fleet *f)
{
	return f->options->interval / f->options->scale;
}

/* A host whose time has come: it checks in, or is down. */
static void wake(struct fleet *f, const struct heap_entry *entry, double now)
{
	double back = 0;

	if (host_wake(&f->hosts[entry->host], &f->world, now, &back))
		heap_push(&f->ready, entry->due, entry->host);
	else if (back > 0)
		heap_push(&f->heap, back, entry->host);
}

static km_error *send_ready(struct fleet *f)
{
	struct heap_entry next;

	while (f->ready.n) {
		KM_AUTOFREE char *body = NULL;
		struct connection *c;

		KM_TRY(fleet_idle(f, &c));
		if (!c)
			return NULL;
		heap_pop(&f->ready, f->ready.at[0].due, &next);
		body = host_report(&f->hosts[next.host], &f->world, f->root);
		c->host = next.host;
		c->due = next.due;
		c->sent = km_now();
		connection_send(c, f->options, "/v1/checkin", f->hosts[next.host].secret, body);
		f->sent++;
	}
	return NULL;
}

static void did(struct fleet *f, enum host_did what, double now)
{
	size_t most = (size_t)(.99 * (1 - f->options->absent) * (double)f->options->hosts);

	f->removes += what == DID_REMOVE;
	if (what != DID_LOAD)
		return;
	f->loads++;
	f->last_load = now;
	f->first_load = f->first_load > 0 ? f->first_load : now;
	if (f->loads >= most && f->load_99 <= 0)
		f->load_99 = now;
	f->loads_after_crash += f->first_crash > 0;
}

static void look(struct fleet *f, uint32_t i, double now)
{
	did(f, host_look(&f->hosts[i], &f->world, &f->answer, now), now);
	schedule(f, i, now);
}

/* Whoever waits for documents goes on, with them or (they could not be had) as it was. */
static void release_looking(struct fleet *f, bool with_documents, double now)
{
	for (size_t i = 0; i < f->looking.n; i++)
		if (with_documents)
			look(f, f->looking.at[i], now);
		else
			schedule(f, f->looking.at[i], now);
	f->looking.n = 0;
}

static km_error *read_answer(struct fleet *f, const struct connection *c)
{
	struct km_checkin_answer answer;

	if (f->answer_text && !strcmp(f->answer_text, c->body))
		return NULL;
	KM_TRY(km_checkin_answer_parse(c->body, c->size, &answer));
	km_checkin_answer_free(&f->answer);
	f->answer = answer;
	free(f->answer_text);
	f->answer_text = km_strndup(c->body, c->size);
	return NULL;
}

/* The next regular check-in keeps its place in the interval, unless the server cannot keep up. */
static void move_on(const struct fleet *f, struct sim_host *h, double now)
{
	if (h->next <= now)
		h->next += period(f) * (double)((uint64_t)((now - h->next) / period(f)) + 1);
}

static km_error *take_answer(struct fleet *f, struct connection *c)
{
	struct sim_host *h = &f->hosts[c->host];
	double now = km_now();

	histogram_add(&f->latency, now - c->due);
	histogram_add(&f->service, now - c->sent);
	move_on(f, h, now);
	if (c->status != 200) {
		f->refused[c->status < (int)KM_COUNT(f->refused) ? c->status : 0]++;
		if (c->retry_after > 0 && h->next < now + (double)c->retry_after)
			h->next = now + (double)c->retry_after;
		heap_push(&f->heap, h->next, c->host);
		return NULL;
	}
	f->ok++;
	if (h->tried && h->health == KM_HEALTH_CRASHED && f->first_crash <= 0)
		f->first_crash = now;
	KM_TRY(read_answer(f, c));
	if (f->answer.timestamp <= f->documents.timestamp) {
		look(f, c->host, now);
		return NULL;
	}
	km_vec_push(&f->looking, c->host);
	return documents_fetch(&f->documents, f->options, f->epoll, h->secret);
}

static km_error *take_documents(struct fleet *f, enum connection_news news)
{
	bool done = false;
	km_error *err = NULL;

	if (news == NEWS_NONE || f->documents.step == FETCH_NOTHING)
		return NULL;
	if (news == NEWS_ANSWER)
		err = documents_answer(&f->documents, f->options, &done);
	if (news == NEWS_LOST || err) {
		if (!f->fetch_failures++ && err)
			fprintf(stderr, "kmend-fleet-sim: %s\n", err->message);
		km_error_free(err);
		f->documents.step = FETCH_NOTHING;
		release_looking(f, false, km_now());
	} else if (done) {
		release_looking(f, true, km_now());
	}
	return NULL;
}

static km_error *take_news(struct fleet *f, struct connection *c, uint32_t events)
{
	bool busy = c->busy;
	enum connection_news news = connection_ready(c, events);

	if (c->purpose == FOR_DOCUMENTS)
		return take_documents(f, news);
	if (news == NEWS_ANSWER)
		return take_answer(f, c);
	if (news == NEWS_LOST && busy) {
		double now = km_now();

		f->lost++;
		move_on(f, &f->hosts[c->host], now);
		heap_push(&f->heap, f->hosts[c->host].next, c->host);
	}
	return NULL;
}

static km_error *turn(struct fleet *f)
{
	struct epoll_event events[256];
	struct heap_entry next;
	double now = km_now(), wait;
	int n;

	while (heap_pop(&f->heap, now, &next))
		wake(f, &next, now);
	KM_TRY(send_ready(f));
	wait = f->heap.n ? f->heap.at[0].due - km_now() : 1;
	n = epoll_wait(f->epoll, events, KM_COUNT(events), wait <= 0 ? 0 : wait > .1 ? 100 : (int)(wait * 1e3 + 1));
	if (n < 0 && errno != EINTR)
		return km_error_sys(errno, "cannot wait for the server");
	for (int i = 0; i < n; i++)
		KM_TRY(take_news(f, events[i].data.ptr, events[i].events));
	return NULL;
}

static km_error *run_for(struct fleet *f, double seconds)
{
	double end = km_now() + seconds;

	while (km_now() < end)
		KM_TRY(turn(f));
	return NULL;
}

static void forget(struct fleet *f)
{
	f->sent = f->ok = f->lost = 0;
	memset(f->refused, 0, sizeof(f->refused));
	memset(&f->latency, 0, sizeof(f->latency));
	memset(&f->service, 0, sizeof(f->service));
}

km_error *fleet_run(struct fleet *f)
{
	const struct options *o = f->options;

	f->heap.n = 0;
	/* For whoever wants to do something meanwhile. */
	fprintf(stderr, "kmend-fleet-sim: %zu hosts are attached\n", o->hosts);
	f->begin = km_now();
	for (uint32_t i = 0; i < o->hosts; i++) {
		f->hosts[i].next = f->begin + period(f) * i / (double)o->hosts;
		if (f->hosts[i].fate != FATE_ABSENT)
			heap_push(&f->heap, f->hosts[i].next, i);
	}
	KM_TRY(run_for(f, o->warm_up));
	forget(f);
	f->begin = km_now();
	if (o->pid)
		KM_TRY(process_usage(o->pid, &f->before));
	KM_TRY(run_for(f, o->seconds));
	f->end = km_now();
	return o->pid ? process_usage(o->pid, &f->after) : NULL;
}
