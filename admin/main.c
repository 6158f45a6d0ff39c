/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-admin: the verbs of those who publish patches and look after rollouts, run by `kmend publish`, `kmend channel`
 * and so on. */
#include <ctype.h>

#include "admin.h"

static const struct verb {
	const char *name, *summary;
	const struct cmd *actions; /* named "VERB ACTION"; or one that is named "VERB" */
} verbs[] = {
	{"publish", "make a release of modules, sign it, bring it to the server", publish_cmds},
	{"release", "look at releases, withdraw one", release_cmds},
	{"channel", "say which releases a channel has", channel_cmds},
	{"rollout", "let a release go to a channel's hosts in waves", rollout_cmds},
	{"token", "make and revoke the tokens that hosts attach with", token_cmds},
	{"admin", "make and revoke the tokens of those who run the service", admin_cmds},
	{"host", "look at hosts, tag and forget them", host_cmds},
	{"audit", "read and verify the log of who did what", audit_cmds},
	{"bundle", "carry a channel to hosts without a network", bundle_cmds},
};

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static void usage(FILE *f)
{
	fputs("usage: kmend-admin VERB [ACTION] [OPTIONS] [WORDS]\n\n", f);
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		fprintf(f, "  %-9s %s\n", verbs[i].name, verbs[i].summary);
	fputs("\nkmend VERB --help tells more, kmend help VERB shows the manual.\n", f);
}

static void verb_usage(FILE *f, const struct verb *verb)
{
	fprintf(f, "usage: kmend %s ACTION [OPTIONS] [WORDS]\n\n%c%s.\n\n", verb->name,
		toupper((unsigned char)*verb->summary), verb->summary + 1);
	for (const struct cmd *a = verb->actions; a->name; a++) {
		KM_AUTOFREE char *left = km_printf("%s %s", a->name + strlen(verb->name) + 1, a->words);

		fprintf(f, "  %-34s %s\n", left, a->summary);
	}
	fprintf(f, "\nkmend %s ACTION --help shows an action's options.\n", verb->name);
}

static km_error *unknown(const char *kind, const char *word, const char *const *names, size_t n)
{
	const char *near = km_nearest(word, names, n);
	km_error *err = km_error_new(KM_USAGE, "there is no %s '%s'", kind, word);

	return near ? km_error_hint(err, "did you mean '%s'?", near) : err;
}

static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int run_action(const struct verb *verb, int argc, char **argv)
{
	const char *names[32];
	size_t n = 0, skip = strlen(verb->name) + 1;

	if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		verb_usage(argc < 2 ? stderr : stdout, verb);
		return argc < 2 ? EXIT_ENV : EXIT_OK;
	}
	for (const struct cmd *a = verb->actions; a->name; a++) {
		if (!strcmp(a->name + skip, argv[1]))
			return cmd_run(a, argc - 1, argv + 1);
		names[n++] = a->name + skip;
	}
	KM_AUTOFREE char *kind = km_printf("action of kmend %s", verb->name);
	km_error *err = unknown(kind, argv[1], names, n);

	return cmd_fail(verb->name, wants_json(argc, argv),
			km_error_hint(err, "kmend %s --help lists them", verb->name));
}

int main(int argc, char **argv)
{
	const char *names[KM_COUNT(verbs)];
	const struct verb *verb;

	km_colour_setup("auto");
	if (argc < 2) {
		usage(stderr);
		return EXIT_ENV;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("kmend-admin " KMEND_VERSION);
		return EXIT_OK;
	}
	verb = find(argv[1]);
	if (verb && !strcmp(verb->actions->name, verb->name))
		return cmd_run(verb->actions, argc - 1, argv + 1);
	if (verb)
		return run_action(verb, argc - 1, argv + 1);
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		names[i] = verbs[i].name;
	return cmd_fail(
		argv[1], wants_json(argc, argv),
		km_error_hint(unknown("verb", argv[1], names, KM_COUNT(names)), "kmend-admin --help lists them"));
}
