/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fleet.h - all hosts together: shared by attach.c (they come), run.c (they check in) and fleet.c (what is common). */
#ifndef KMEND_FLEET_SIM_FLEET_H
#define KMEND_FLEET_SIM_FLEET_H

#include "sim.h"

struct fleet {
	const struct options *options;
	int epoll;
	struct sim_host *hosts;
	struct connection *connections;
	struct documents documents;
	struct world world;
	heap heap;	       /* hosts that wait for their time */
	heap ready;	       /* hosts that wait for a connection, by their time */
	km_vec(uint32_t) looking; /* hosts that wait for documents */
	int64_t root;
	char *answer_text; /* the last answer; nearly all of them are the same bytes */
	struct km_checkin_answer answer;

	/* What came of it. */
	double attach_seconds;
	uint64_t attach_retries;
	double begin, end;
	uint64_t sent, ok, lost, refused[600], fetch_failures;
	struct histogram latency, service; /* from a check-in's time, and from its first byte, to its answer */
	uint64_t loads, removes;
	double first_load, last_load, load_99, first_crash;
	uint64_t loads_after_crash;
	struct usage before, after;
};

/* An idle connection, opened, or NULL when all are busy. */
KM_CHECKED km_error *fleet_idle(struct fleet *f, struct connection **ret);

#endif
