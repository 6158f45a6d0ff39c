/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

extern char **environ;

/* True when the manual page was shown. */
static bool show_manual(const char *page)
{
	char *argv[] = {(char *)"man", (char *)page, NULL};
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status = 1;

	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!posix_spawnp(&pid, "man", &quiet, NULL, argv, environ))
		waitpid(pid, &status, 0);
	posix_spawn_file_actions_destroy(&quiet);
	return status == 0;
}

static json_t *verbs_json(void)
{
	json_t *verbs = json_array();

	for (const struct cmd *cmd = cmds; cmd->name; cmd++)
		json_array_append_new(verbs, json_pack("{s:s, s:s, s:s}", "name", cmd->name, "words", cmd->words,
						       "summary", cmd->summary));
	return json_pack("{s:o}", "verbs", verbs);
}

km_error *cmd_help(const struct cmd_args *args, int *status)
{
	const struct cmd *cmd = args->n ? cmd_find(args->words[0]) : NULL;
	KM_AUTOFREE char *page = args->n ? km_printf("kmend-%s", args->words[0]) : NULL;
	char *help[] = {args->n ? args->words[0] : NULL, (char *)"--help", NULL};

	(void)status;
	if (args->json) {
		view_json(verbs_json());
		return NULL;
	}
	if (!args->n) {
		cmd_usage_all(stdout);
		return NULL;
	}
	if (!cmd)
		return km_error_hint(km_error_new(KM_USAGE, "'%s' is not a kmend command", args->words[0]),
				     "kmend help lists them");
	if (isatty(STDOUT_FILENO) && show_manual(page))
		return NULL;
	if (cmd->program && !cmd->action)
		return cmd_exec(cmd, 2, help);
	cmd_usage(stdout, cmd);
	return NULL;
}
