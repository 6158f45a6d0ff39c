/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-lab: a VM with one exact kernel in it. */
#include "lab.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *words, *summary;
} verbs[] = {
	{"run", cmd_run, "[OPTION]... SCRIPT [ARG]...", "boot a kernel and run a script in it"},
	{"verify", cmd_verify, "[OPTION]... FILE.ko", "prove a patch: load, exercise, unload, watch the log"},
	{"batch", cmd_batch, "[OPTION]... DIR|LIST|FILE.ko...",
	 "load and unload many patches in as few boots as possible"},
};

static int help(FILE *f)
{
	fprintf(f, "usage: kmend-lab VERB …\n\n");
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		fprintf(f, "  %-7s %-32s %s\n", verbs[i].name, verbs[i].words, verbs[i].summary);
	fprintf(f,
		"\n`kmend-lab VERB --help` lists a verb's options; kmend-lab(1) and kmend-verify(1) explain them.\n");
	return f == stderr ? EXIT_ENV : 0;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return help(stderr);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help"))
		return help(stdout);
	if (!strcmp(argv[1], "--version")) {
		printf("kmend-lab %s\n", KMEND_VERSION);
		return 0;
	}
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
	fprintf(stderr, "kmend-lab: error: there is no verb '%s'\n", argv[1]);
	return help(stderr);
}
