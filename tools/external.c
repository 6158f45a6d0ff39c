/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Heavy verbs are programs of their own, so that the command of a host stays small. Looked for, in this order: below
 * $KMEND_LIBEXECDIR, beside this executable (a build tree runs its own), where the installation put them, in PATH.
 */
#include <errno.h>
#include <unistd.h>

#include "cmd.h"

/* Where a build tree and a copied installation have them, seen from kmend itself. */
static const char *const beside[] = {"", "build/", "../lab/", "../admin/", "../agent/", "../server/", "../sbin/",
				      "../libexec/kmend/"};

static char *own_dir(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	if (n <= 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	return slash ? km_strndup(path, slash - path) : NULL;
}

static void places(const char *program, km_strv *ret)
{
	const char *env = getenv("KMEND_LIBEXECDIR");
	KM_AUTOFREE char *own = own_dir();

	if (env && *env)
		km_strv_printf(ret, "%s/%s", env, program);
	for (size_t i = 0; own && i < KM_COUNT(beside); i++)
		km_strv_printf(ret, "%s/%s%s", own, beside[i], program);
	km_strv_printf(ret, "%s/%s", KMEND_LIBEXECDIR, program);
}

char *cmd_program(const char *program)
{
	km_strv paths = {0};
	char *found = NULL;

	places(program, &paths);
	for (size_t i = 0; i < paths.n && !found; i++)
		if (!access(paths.at[i], X_OK))
			found = km_strdup(paths.at[i]);
	km_strv_free(&paths);
	return found ? found : km_strdup(program);
}

km_error *cmd_exec(const struct cmd *cmd, int argc, char **argv)
{
	km_strv paths = {0}, words = {0};
	char *const *argvec;

	places(cmd->program, &paths);
	km_strv_push(&words, cmd->program);
	km_strv_push(&words, cmd->name);
	for (int i = 1; i < argc; i++)
		km_strv_push(&words, argv[i]);
	argvec = km_strv_argv(&words);
	for (size_t i = 0; i < paths.n; i++)
		execv(paths.at[i], argvec);
	execvp(cmd->program, argvec);
	km_strv_free(&paths);
	km_strv_free(&words);
	return km_error_hint(km_error_sys(errno, "kmend %s needs the program %s", cmd->name, cmd->program),
			     "it belongs into " KMEND_LIBEXECDIR " or into PATH");
}
