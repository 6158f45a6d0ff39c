/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

const struct cmd_option cmd_unload_options[] = {
	{"timeout", "SECONDS", "limit for the transition (60); at it the patch is enabled again"},
	{"no-wait", NULL, "return when the transition has begun; the module stays in memory"},
	{"force", NULL, "at the limit force the transition instead (can crash; never removable)"},
	{"mode", "MODE", "consistency for kmend.ko: stop, lazy, hybrid or deadline"},
	{"deadline", "SECONDS", "for the mode deadline: at it kmend.ko has turned back by itself"},
	{0},
};

static const struct {
	const char *result;
	enum cmd_exit status;
} outcomes[] = {
	[KM_HOST_DONE] = {"unloaded", EXIT_OK},	   [KM_HOST_ALREADY] = {"not-loaded", EXIT_OK},
	[KM_HOST_STARTED] = {"started", EXIT_OK},  [KM_HOST_REVERTED] = {"reverted", EXIT_REVERTED},
	[KM_HOST_STUCK] = {"stuck", EXIT_BETWEEN}, [KM_HOST_KEPT] = {"kept", EXIT_BETWEEN},
};

static void say_limit(const struct km_host_change *c, double limit)
{
	fprintf(stderr, "kmend: %serror:%s %s: not all tasks left the patch within %g s; %s\n",
		km_colour_on(stderr, KM_RED), km_colour_off(stderr), c->name, limit,
		c->outcome == KM_HOST_REVERTED ? "it is enabled again, nothing has changed"
					       : "enabling it again has begun and goes on in the kernel");
	if (c->blockers.n)
		fprintf(stderr, "  These tasks did not switch:\n");
	else
		fprintf(stderr, "  No task of user space or kernel thread is in the way: an idle CPU may be.\n");
	view_blockers(stderr, &c->blockers, "  ");
}

/* A name that is not loaded is no error, but may be a slip. */
static km_error *hint_near(km_host *host, const char *name)
{
	km_applied_list all = {0};
	km_strv names = {0};
	const char *near;

	KM_TRY(km_host_list(host, &all));
	for (size_t i = 0; i < all.n; i++)
		km_strv_push(&names, all.at[i].name);
	near = km_nearest(name, (const char *const *)names.at, names.n);
	if (near)
		km_warn("%s is loaded; did you mean that?", near);
	km_strv_free(&names);
	km_applied_list_free(&all);
	return NULL;
}

static void say(const struct km_host_change *c, double limit)
{
	switch (c->outcome) {
	case KM_HOST_ALREADY: printf("%s is not loaded\n", c->name); break;
	case KM_HOST_STARTED:
		printf("%s: the transition has begun; unload it once more to remove the module\n", c->name);
		break;
	case KM_HOST_DONE:
		printf("%s%s is unloaded%s", km_colour_on(stdout, KM_GREEN), c->name, km_colour_off(stdout));
		if (c->transition > 0)
			printf(": transition took %.2f s", c->transition);
		putchar('\n');
		break;
	case KM_HOST_KEPT:
		fprintf(stderr, "kmend: %swarning:%s %s is disabled%s, but its module stays in memory: %s\n",
			km_colour_on(stderr, KM_YELLOW), km_colour_off(stderr), c->name, c->forced ? " by force" : "",
			c->why);
		break;
	default: say_limit(c, limit);
	}
}

km_error *cmd_unload(const struct cmd_args *args, int *status)
{
	KM_AUTOHOST km_host *host = NULL;
	KM_AUTOFREE char *name = km_host_module_name(args->words[0]);
	struct km_host_spec spec = {0};
	struct km_host_change change = {0};
	km_error *err;

	KM_TRY(change_spec(args, &spec));
	if (!*name || !strcmp(name, ".."))
		return km_error_new(KM_USAGE, "'%s' is no name of a patch", args->words[0]);
	KM_TRY(cmd_host(&host));
	err = km_host_unload(host, name, &spec, &change);
	change_clear();
	KM_TRY(err);
	*status = outcomes[change.outcome].status;
	if (args->json)
		view_json(change_json("unload", outcomes[change.outcome].result, &change, *status));
	else
		say(&change, change.limit);
	err = change.outcome == KM_HOST_ALREADY ? hint_near(host, name) : NULL;
	km_host_change_free(&change);
	return err;
}
