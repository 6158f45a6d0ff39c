/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a transition: often enough to measure it, seldom enough to cost nothing. */
#include "internal.h"

enum seen { SEEN_UNDER_WAY, SEEN_DONE, SEEN_ELSEWHERE };

static enum seen look(km_host *host, const struct wait *w)
{
	bool enabled, transition;

	if (!w->backend->state(host, w->name, &enabled, &transition))
		return w->target ? SEEN_ELSEWHERE : SEEN_DONE;
	if (enabled == w->target)
		return transition ? SEEN_UNDER_WAY : SEEN_DONE;
	return SEEN_ELSEWHERE;
}

/* A twentieth of the time passed so far: the measured time is within 5 %, and a slow transition is polled every half
 * second. */
static double pause_after(double elapsed)
{
	double pause = elapsed / 20;

	return pause < 0.001 ? 0.001 : pause > 0.5 ? 0.5 : pause;
}

struct report {
	double next; /* when to count tasks again */
};

/* Counting reads a file of every task: on a big machine it is done so seldom that it takes no more than 5 % of the
 * time. */
static void report(km_host *host, const struct wait *w, const struct km_host_spec *spec, double elapsed,
		   struct report *r)
{
	struct km_progress p = {.patch = w->name,
				.target = w->target,
				.reverting = w->reverting,
				.elapsed = elapsed,
				.limit = w->limit};
	double begin = host->door.now(host->door.ctx), cost;

	if (!spec->progress || elapsed < r->next)
		return;
	p.left = blockers_count(host, w->backend, w->target);
	cost = host->door.now(host->door.ctx) - begin;
	r->next = elapsed + (20 * cost > 1 ? 20 * cost : 1);
	spec->progress(spec->ctx, &p);
}

km_error *transition_wait(km_host *host, const struct wait *w, const struct km_host_spec *spec, double *elapsed,
			  enum wait_end *ret)
{
	const struct km_door *door = &host->door;
	double start = door->now(door->ctx), now = 0;
	struct report r = {.next = 1};

	for (;; door->sleep(door->ctx, pause_after(now))) {
		enum seen seen = look(host, w);

		now = door->now(door->ctx) - start;
		if (seen == SEEN_ELSEWHERE)
			return km_error_hint(km_error_new(KM_REFUSED, "%s was %s by someone else while we waited",
							  w->name, w->target ? "disabled or replaced" : "enabled"),
					     "see what is applied now: kmend status");
		if (seen == SEEN_DONE || now >= w->limit) {
			*elapsed = now;
			*ret = seen == SEEN_DONE ? WAIT_DONE : WAIT_LIMIT;
			return NULL;
		}
		report(host, w, spec, now, &r);
	}
}
