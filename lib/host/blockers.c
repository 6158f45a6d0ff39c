/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks that keep a transition from its end. /proc shows no idle tasks ("swapper"): a transition can wait for one of
 * them while no blocker is seen.
 */
#include "internal.h"

enum { PF_KTHREAD = 0x00200000 }; /* include/linux/sched.h */

static void blocker_end(struct km_blocker *b)
{
	for (size_t j = 0; j < b->stack.n; j++) {
		free(b->stack.at[j].text);
		free(b->stack.at[j].name);
		free(b->stack.at[j].module);
	}
	km_vec_free(&b->stack);
	free(b->comm);
}

void km_blocker_list_free(km_blocker_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		blocker_end(&l->at[i]);
	km_vec_free(l);
}

/* "[<0>] do_sys_poll+0x1c/0x30 [mod]" */
static void add_frame(struct km_blocker *b, const char *line)
{
	struct km_frame frame = {0};
	const char *open, *close;

	if (km_starts(line, "[<") && (close = strstr(line, ">] ")))
		line = close + 3;
	frame.text = km_strdup(line);
	frame.name = km_strndup(line, strcspn(line, "+ "));
	open = strrchr(line, '[');
	close = open ? strchr(open, ']') : NULL;
	if (close)
		frame.module = km_strndup(open + 1, close - open - 1);
	km_vec_push(&b->stack, frame);
}

static void read_stack(km_host *host, const char *dir, struct km_blocker *b)
{
	KM_AUTOFREE char *text = host_text(host, "%s/stack", dir);
	char *rest = text;

	for (char *line; text && (line = strsep(&rest, "\n"));)
		if (*line)
			add_frame(b, line);
}

/* /proc/PID/stat: "pid (comm) state ppid pgrp session tty tpgid flags …"; comm may hold anything, even ") ". */
static void read_stat(km_host *host, const char *dir, struct km_blocker *b)
{
	KM_AUTOFREE char *text = host_text(host, "%s/stat", dir);
	const char *end = text ? strrchr(text, ')') : NULL;
	unsigned flags = 0;
	char state = '?';

	if (end)
		sscanf(end + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags);
	b->state = state;
	b->kthread = flags & PF_KTHREAD;
}

/* A task that has gone meanwhile keeps what the back end said of it. */
static void read_task(km_host *host, bool stacks, struct km_blocker *b)
{
	KM_AUTOFREE char *dir = km_printf("/proc/%ld/task/%ld", b->pid, b->tid);
	struct km_blocker said = *b;

	b->comm = host_text(host, "%s/comm", dir);
	read_stat(host, dir, b);
	b->stack = (typeof(b->stack)){0};
	if (stacks)
		read_stack(host, dir, b);
	if (!b->comm) {
		b->comm = said.comm ? said.comm : km_strdup("?");
		said.comm = NULL;
	}
	if (stacks && !b->stack.n) {
		b->stack = said.stack;
		said.stack = (typeof(said.stack)){0};
	}
	if (!b->tid) { /* the idle tasks are not in /proc */
		b->kthread = true;
		b->state = 'I';
	}
	blocker_end(&said);
}

static void mark_frames(const struct km_backend *backend, const struct km_applied *patch, const km_applied_list *all,
			km_blocker_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = 0; j < list->at[i].stack.n; j++) {
			struct km_frame *frame = &list->at[i].stack.at[j];

			frame->patched |= backend->blocks(patch, all, frame);
		}
}

km_error *km_host_blockers(km_host *host, const char *name, bool stacks, km_blocker_list *ret)
{
	km_applied_list all = {0};
	km_blocker_list list = {0};
	const struct km_applied *patch;

	KM_TRY(km_host_list(host, &all));
	patch = km_applied_find(&all, name);
	if (patch && patch->transition) {
		const struct km_backend *backend = host_backend(patch->backend);

		backend->pending(host, name, patch->enabled, &list);
		for (size_t i = 0; i < list.n; i++)
			read_task(host, stacks, &list.at[i]);
		mark_frames(backend, patch, &all, &list);
	}
	km_applied_list_free(&all);
	*ret = list;
	return NULL;
}
