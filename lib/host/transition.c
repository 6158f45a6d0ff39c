/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Waiting for a transition: often enough to measure it, seldom enough to cost nothing. */
#include "internal.h"

enum seen { SEEN_UNDER_WAY, SEEN_DONE, SEEN_TURNING, SEEN_TURNED, SEEN_ELSEWHERE };

static enum seen look(km_host *host, const struct wait *w)
{
	bool enabled, transition;

	if (!w->backend->state(host, w->name, &enabled, &transition)) {
		if (!w->target)
			return SEEN_DONE;
		return w->deadline > 0 ? SEEN_TURNED : SEEN_ELSEWHERE;
	}
	if (enabled == w->target)
		return transition ? SEEN_UNDER_WAY : SEEN_DONE;
	if (w->deadline > 0)
		return transition ? SEEN_TURNING : SEEN_TURNED;
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
	p.left = w->backend->pending(host, w->name, w->target, NULL);
	cost = host->door.now(host->door.ctx) - begin;
	r->next = elapsed + (20 * cost > 1 ? 20 * cost : 1);
	spec->progress(spec->ctx, &p);
}

/* Who is in the way when the kernel gives up is not to be seen any more afterwards. */
static void remember_blockers(km_host *host, const struct wait *w, double elapsed)
{
	km_blocker_list list = {0};
	km_error *err;

	if (!w->blockers || elapsed < w->deadline / 2)
		return;
	err = km_host_blockers(host, w->name, true, &list);
	if (!err && list.n) {
		km_blocker_list_free(w->blockers);
		*w->blockers = list;
	}
	km_error_free(err);
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
		if (seen == SEEN_DONE || seen == SEEN_TURNED || now >= w->limit) {
			*elapsed = now;
			*ret = seen == SEEN_DONE ? WAIT_DONE : seen == SEEN_TURNED ? WAIT_TURNED : WAIT_LIMIT;
			return NULL;
		}
		if (seen == SEEN_UNDER_WAY && w->deadline > 0)
			remember_blockers(host, w, now);
		report(host, w, spec, now, &r);
	}
}
