/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-fetch: the network's side of a host, as the user kmend. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exit.h"
#include "fetch.h"

static km_error *become(const struct passwd *user)
{
	if (setgroups(0, NULL) < 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) < 0 ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid) < 0)
		return km_error_sys(errno, "cannot become the user " KM_AGENT_USER);
	if (!setuid(0) || !geteuid())
		return km_error_new(KM_BUG, "root's rights are still there");
	return NULL;
}

km_error *fetch_drop(const char *root)
{
	const struct passwd *user;

	if (!*root && !geteuid()) {
		user = getpwnam(KM_AGENT_USER);
		if (!user || !user->pw_uid)
			return km_error_hint(km_error_new(KM_ENV, "there is no user " KM_AGENT_USER),
					     "the package makes it: systemd-sysusers");
		KM_TRY(become(user));
	}
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return km_error_sys(errno, "cannot refuse new privileges");
	return NULL;
}

static const struct {
	const char *name;
	int words; /* an empty one stands for one that is not given */
	const char *usage;
	km_error *(*run)(const char *root, char **words, int *status);
} verbs[] = {
	{"checkin", 0, "", fetch_checkin},
	{"attach", 4, "URL FINGERPRINT CA PROXY, the token's secret on stdin", fetch_attach},
	{"detach", 0, "", fetch_detach},
};

static int finish(km_error *err, int status)
{
	if (!err)
		return status;
	status = err->code == KM_NOTHING   ? AGENT_EXIT_UNATTACHED
		 : err->code == KM_REFUSED ? AGENT_EXIT_REFUSED
					   : AGENT_EXIT_ERROR;
	km_error_print("kmend-fetch", err);
	km_error_free(err);
	return status;
}

int main(int argc, char **argv)
{
	KM_AUTOFREE char *root = km_agent_root();
	int status = AGENT_EXIT_OK;
	km_error *err = fetch_drop(root);

	umask(022);
	if (err)
		return finish(err, AGENT_EXIT_ERROR);
	for (size_t i = 0; argc > 1 && i < KM_COUNT(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name) && argc == 2 + verbs[i].words) {
			err = verbs[i].run(root, argv + 2, &status);
			return finish(err, status);
		}
	fprintf(stderr, "kmend-fetch is run by kmend-agent(8) and kmend(1):\n");
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		fprintf(stderr, "  kmend-fetch %s %s\n", verbs[i].name, verbs[i].usage);
	return AGENT_EXIT_ERROR;
}
