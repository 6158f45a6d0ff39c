/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stages of long work: shown while they run, and their times kept for the report. */
#include <kmend/base.h>
#include <pthread.h>

#include "terminal.h"

struct stage {
	char *name;
	double wall, own_cpu, child_cpu; /* while it runs: the readings at its start */
};

struct km_stages {
	bool quiet, running;
	pthread_mutex_t lock; /* progress comes from many threads */
	double drawn;         /* when the line was drawn last */
	km_vec(struct stage) all;
};

/* A terminal that is redrawn more often than this only costs time. */
static const double redraw_every = 0.1;

km_stages *km_stages_create(bool quiet)
{
	km_stages *s = km_calloc(1, sizeof(*s));

	s->quiet = quiet;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void km_stages_destroy(km_stages *s)
{
	if (!s)
		return;
	if (s->running && !s->quiet)
		km_line_draw("");
	for (size_t i = 0; i < s->all.n; i++)
		free(s->all.at[i].name);
	km_vec_free(&s->all);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void end_locked(km_stages *s)
{
	struct stage *last = s->running ? &s->all.at[s->all.n - 1] : NULL;
	double own, children;

	if (!last)
		return;
	km_cpu_used(&own, &children);
	last->wall = km_now() - last->wall;
	last->own_cpu = own - last->own_cpu;
	last->child_cpu = children - last->child_cpu;
	s->running = false;
	if (s->quiet)
		return;
	km_line_draw("");
	KM_AUTOFREE char *text = km_printf("%s: %.1f s\n", last->name, last->wall);

	km_line_interrupt(text);
}

void km_stage(km_stages *s, const char *name)
{
	struct stage next = {.name = km_strdup(name)};

	pthread_mutex_lock(&s->lock);
	end_locked(s);
	next.wall = km_now();
	km_cpu_used(&next.own_cpu, &next.child_cpu);
	km_vec_push(&s->all, next);
	s->running = true;
	s->drawn = next.wall;
	if (!s->quiet) {
		KM_AUTOFREE char *text = km_printf("%s ...", name);

		km_line_draw(text);
	}
	pthread_mutex_unlock(&s->lock);
}

void km_stage_unit(km_stages *s, size_t done, size_t total, const char *unit)
{
	double now = km_now();

	pthread_mutex_lock(&s->lock);
	if (s->running && !s->quiet && km_line_live() && (now - s->drawn >= redraw_every || done == total)) {
		KM_AUTOFREE char *text =
			km_printf("%s: %zu/%zu %s", s->all.at[s->all.n - 1].name, done, total, unit);

		km_line_draw(text);
		s->drawn = now;
	}
	pthread_mutex_unlock(&s->lock);
}

void km_stages_end(km_stages *s)
{
	pthread_mutex_lock(&s->lock);
	end_locked(s);
	pthread_mutex_unlock(&s->lock);
}

size_t km_stages_count(const km_stages *s)
{
	return s->all.n;
}

const char *km_stages_at(const km_stages *s, size_t i, double *wall, double *own_cpu, double *child_cpu)
{
	const struct stage *stage = &s->all.at[i];
	bool running = s->running && i == s->all.n - 1;
	double own = 0, children = 0;

	if (running)
		km_cpu_used(&own, &children);
	if (wall)
		*wall = running ? km_now() - stage->wall : stage->wall;
	if (own_cpu)
		*own_cpu = running ? own - stage->own_cpu : stage->own_cpu;
	if (child_cpu)
		*child_cpu = running ? children - stage->child_cpu : stage->child_cpu;
	return stage->name;
}
