/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks that keep a transition from its end. /proc shows no idle tasks ("swapper"): a transition can wait for one of
 * them while no blocker is seen.
 */
#include <ctype.h>

#include "internal.h"

enum { PF_KTHREAD = 0x00200000 }; /* include/linux/sched.h */

void km_blocker_list_free(km_blocker_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct km_blocker *b = &l->at[i];

		for (size_t j = 0; j < b->stack.n; j++) {
			free(b->stack.at[j].text);
			free(b->stack.at[j].name);
			free(b->stack.at[j].module);
		}
		km_vec_free(&b->stack);
		free(b->comm);
	}
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

struct walk {
	km_host *host;
	const struct km_backend *backend;
	bool target, stacks;
	size_t count;
	km_blocker_list *list; /* or NULL: only count */
};

static void visit_task(struct walk *w, const char *pid, const char *tid)
{
	KM_AUTOFREE char *dir = km_printf("/proc/%s/task/%s", pid, tid), *full = host_path(w->host, "%s", dir);
	struct km_blocker b = {.pid = atol(pid), .tid = atol(tid)};

	if (!w->backend->pending(w->host, full, w->target))
		return;
	w->count++;
	if (!w->list)
		return;
	b.comm = host_text(w->host, "%s/comm", dir);
	if (!b.comm)
		b.comm = km_strdup("?");
	read_stat(w->host, dir, &b);
	if (w->stacks)
		read_stack(w->host, dir, &b);
	km_vec_push(w->list, b);
}

/* Tasks and processes may end between two looks: what cannot be read is gone. */
static void walk_tasks(struct walk *w)
{
	KM_AUTOFREE char *proc = host_path(w->host, "/proc");
	km_strv pids = {0};

	km_error_free(km_listdir(proc, &pids));
	for (size_t i = 0; i < pids.n; i++) {
		KM_AUTOFREE char *dir = km_printf("%s/%s/task", proc, pids.at[i]);
		km_strv tids = {0};

		if (!isdigit((unsigned char)pids.at[i][0]))
			continue;
		km_error_free(km_listdir(dir, &tids));
		for (size_t j = 0; j < tids.n; j++)
			visit_task(w, pids.at[i], tids.at[j]);
		km_strv_free(&tids);
	}
	km_strv_free(&pids);
}

size_t blockers_count(km_host *host, const struct km_backend *backend, bool target)
{
	struct walk w = {.host = host, .backend = backend, .target = target};

	walk_tasks(&w);
	return w.count;
}

static void mark_frames(const struct km_backend *backend, const struct km_applied *patch, const km_applied_list *all,
			km_blocker_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		for (size_t j = 0; j < list->at[i].stack.n; j++) {
			struct km_frame *frame = &list->at[i].stack.at[j];

			frame->patched = backend->blocks(patch, all, frame);
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
		struct walk w = {
			.host = host, .backend = backend, .target = patch->enabled, .stacks = stacks, .list = &list};

		walk_tasks(&w);
		mark_frames(backend, patch, &all, &list);
	}
	km_applied_list_free(&all);
	*ret = list;
	return NULL;
}
