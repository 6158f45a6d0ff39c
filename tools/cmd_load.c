/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

const struct cmd_option cmd_load_options[] = {
	{"timeout", "SECONDS", "limit for the transition (60); at it the patch is taken back"},
	{"no-wait", NULL, "return when the transition has begun"},
	{"force", NULL, "at the limit force the transition instead (can crash; never removable)"},
	{"mode", "MODE", "consistency for kmend.ko: stop, lazy, hybrid or deadline"},
	{"deadline", "SECONDS", "for the mode deadline: at it kmend.ko has turned back by itself"},
	{0},
};

static const struct {
	const char *result;
	enum cmd_exit status;
} outcomes[] = {
	[KM_HOST_DONE] = {"loaded", EXIT_OK},	   [KM_HOST_ALREADY] = {"already-loaded", EXIT_OK},
	[KM_HOST_STARTED] = {"started", EXIT_OK},  [KM_HOST_REVERTED] = {"reverted", EXIT_REVERTED},
	[KM_HOST_STUCK] = {"stuck", EXIT_BETWEEN}, [KM_HOST_KEPT] = {"kept", EXIT_BETWEEN},
};

static void say_limit(const struct km_host_change *c, double limit)
{
	bool reverted = c->outcome == KM_HOST_REVERTED;

	fprintf(stderr, "kmend: %serror:%s %s: not all tasks switched to the patch within %g s; %s\n",
		km_colour_on(stderr, KM_RED), km_colour_off(stderr), c->name, limit,
		reverted ? "it was taken back, nothing has changed"
			 : "taking it back has begun and goes on in the kernel");
	if (c->blockers.n)
		fprintf(stderr, "  These tasks did not switch:\n");
	else
		fprintf(stderr, "  No task of user space or kernel thread is in the way: an idle CPU may be.\n");
	view_blockers(stderr, &c->blockers, "  ");
	if (c->why)
		fprintf(stderr, "  The module stays in memory, disabled: %s.\n", c->why);
	if (reverted)
		fprintf(stderr,
			"  Try again with a longer --timeout, or when these tasks have left the marked functions.\n");
	else
		fprintf(stderr, "  kmend unload %s waits for it.\n", c->name);
}

static void say(const struct km_host_change *c, double limit)
{
	switch (c->outcome) {
	case KM_HOST_ALREADY: printf("%s is already loaded\n", c->name); break;
	case KM_HOST_STARTED: printf("%s: the transition has begun; kmend status shows its end\n", c->name); break;
	case KM_HOST_DONE:
		printf("%s%s is loaded%s: transition %s%.2f s\n", km_colour_on(stdout, KM_GREEN), c->name,
		       km_colour_off(stdout),
		       c->forced    ? "FORCED after "
		       : c->resumed ? "begun earlier, ended after "
				    : "took ",
		       c->transition);
		for (size_t i = 0; i < c->replaced.n; i++)
			printf("it replaced %s\n", c->replaced.at[i]);
		break;
	default: say_limit(c, limit);
	}
}

/* As the kernel reads them: separated by blanks, a value that holds one in quotes. */
static km_error *join_parameters(char **words, int n, char **ret)
{
	km_str s = {0};

	for (int i = 0; i < n; i++) {
		const char *value = strchr(words[i], '=');

		if (!value) {
			km_str_free(&s);
			return km_error_hint(km_error_new(KM_USAGE, "'%s' is no PARAMETER=VALUE", words[i]),
					     "one patch at a time; what follows it are parameters of its module");
		}
		km_str_printf(&s, strpbrk(value, " \t") ? "%s%.*s\"%s\"" : "%s%.*s%s", i ? " " : "",
			      (int)(value + 1 - words[i]), words[i], value + 1);
	}
	*ret = s.at;
	return NULL;
}

km_error *cmd_load(const struct cmd_args *args, int *status)
{
	KM_AUTOHOST km_host *host = NULL;
	KM_AUTOFREE char *path = NULL;
	KM_AUTOFREE char *parameters = NULL;
	struct km_host_spec spec = {0};
	struct km_host_change change = {0};
	km_error *err;

	KM_TRY(change_spec(args, &spec));
	KM_TRY(join_parameters(args->words + 1, args->n - 1, &parameters));
	spec.parameters = parameters;
	KM_TRY(cmd_host(&host));
	KM_TRY(km_host_find_file(host, args->words[0], &path));
	err = km_host_load(host, path, &spec, &change);
	change_clear();
	KM_TRY(err);
	*status = outcomes[change.outcome].status;
	if (args->json)
		view_json(change_json("load", outcomes[change.outcome].result, &change, *status));
	else
		say(&change, change.limit);
	km_host_change_free(&change);
	return NULL;
}
