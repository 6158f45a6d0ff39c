/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The host's two programs run for a person: one at a time, and never beside the agent. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "../agent/exit.h"
#include "cmd.h"
#include "fleet_run.h"

enum { ROUNDS = 16 };

km_error *fleet_lock(const char *root, int *fd)
{
	KM_AUTOFREE char *path = km_printf("%s" KM_AGENT_LOCK, root);

	if (!*root && geteuid())
		return km_error_hint(km_error_new(KM_ENV, "only root can do this"), "run it through sudo");
	KM_TRY(km_agent_prepare(root));
	KM_TRY(km_lock(path, false, fd));
	if (*fd < 0) {
		fprintf(stderr, "kmend: waiting for the agent, which is at work\n");
		KM_TRY(km_lock(path, true, fd));
	}
	/* Not for kmend-fetch: a child that its user leaves behind would keep the agent from its work. */
	if (fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
		return km_error_sys(errno, "cannot keep the lock %s", path);
	return NULL;
}

/* The last line of what it said, without its own name before it. */
static km_error *failure(const char *program, int status, const char *said)
{
	const char *end = said + strlen(said), *begin, *prefix;
	enum km_code code = status == AGENT_EXIT_REFUSED      ? KM_REFUSED
			    : status == AGENT_EXIT_UNATTACHED ? KM_NOTHING
							      : KM_ENV;
	const char *error = strstr(said, ": error: ");

	if (error) {
		begin = error + strlen(": error: ");
		prefix = strchr(begin, '\n');
		km_error *err = km_error_new(code, "%.*s", (int)(prefix ? prefix - begin : end - begin), begin);

		while (prefix && (*prefix == '\n' || *prefix == ' '))
			prefix++;
		if (!prefix || !*prefix)
			return err;
		KM_AUTOFREE char *hint = km_strdup(prefix);

		hint[strcspn(hint, "\n")] = '\0';
		return km_error_hint(err, "%s", hint);
	}
	return km_error_new(code, "%s ended with status %d", program, status);
}

km_error *fleet_tool(const char *program, const char *stdin_path, char *const *words, int *status)
{
	KM_AUTOFREE char *path = cmd_program(program);
	struct km_done done;
	km_strv argv = {0};
	km_error *err;

	km_strv_push(&argv, path);
	for (; *words; words++)
		km_strv_push(&argv, *words);
	err = km_run(&(struct km_cmd){.argv = km_strv_argv(&argv), .stdin_path = stdin_path}, &done);
	km_strv_free(&argv);
	KM_TRY(err);
	*status = done.status;
	if (done.status != AGENT_EXIT_OK && done.status != AGENT_EXIT_CHANGED && done.status != AGENT_EXIT_TOLD)
		err = failure(program, done.status, done.err);
	else if (*done.err)
		fprintf(stderr, "%s", done.err);
	km_done_free(&done);
	return err;
}

km_error *fleet_refresh(void)
{
	int told = 0, changed = AGENT_EXIT_CHANGED;
	km_error *err = NULL, *fetch = NULL;

	for (unsigned i = 0; i < ROUNDS && changed == AGENT_EXIT_CHANGED && !err && !fetch; i++) {
		fetch = fleet_tool("kmend-fetch", NULL, (char *const[]){(char *)"checkin", NULL}, &told);
		err = fleet_tool("kmend-apply", NULL, (char *const[]){(char *)"cycle", NULL}, &changed);
		if (told == AGENT_EXIT_CHANGED)
			changed = told;
		else if (told != AGENT_EXIT_OK)
			break;
	}
	if (!err)
		return fetch;
	km_error_free(fetch);
	return err;
}
