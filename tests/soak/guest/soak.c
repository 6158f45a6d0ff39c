/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kmend-soak: runs in a guest, with the modules in /modules, as root. Each case is a line of TAP, "ok - CASE [MODE]: NOTE", as it ends; lines
 * that begin with # tell how far it is.
 *
 *   kmend-soak [--cycles N] [--modes stop,lazy,…] [--cases cycles,hot,…] [--load sleep,spin,…] [--fail-at STEP,…] [--slow N]
 *
 * Exit status: 0 all held, 1 some did not, 2 usage.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

static const char *wanted_cases;

bool in_list(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (strcspn(p, ",") == n && !strncmp(p, word, n))
			return true;
	return false;
}

static void usage(void)
{
	fprintf(stderr, "usage: kmend-soak [--cycles N] [--modes M,...] [--cases C,...] [--load J,...] [--fail-at STEP,...] [--slow N]\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			usage();
		if (!strcmp(argv[i], "--cycles")) {
			soak.cycles = atoi(argv[i + 1]);
		} else if (!strcmp(argv[i], "--slow")) {
			soak.slow = atoi(argv[i + 1]) ?: 1;
		} else if (!strcmp(argv[i], "--cases")) {
			wanted_cases = argv[i + 1];
		} else if (!strcmp(argv[i], "--load")) {
			soak.load = argv[i + 1];
		} else if (!strcmp(argv[i], "--fail-at")) {
			soak.fail_steps = argv[i + 1];
		} else if (!strcmp(argv[i], "--modes")) {
			soak.modes = 0;
			for (unsigned bit = 1; bit <= MODES_ALL; bit <<= 1)
				soak.modes |= in_list(argv[i + 1], mode_name(bit)) ? bit : 0;
		} else {
			usage();
		}
	}
}

/* Prints its result; false when nothing may follow in this guest. */
static bool run_case(const struct soak_case *c, unsigned mode, bool *failed)
{
	char note[sizeof(soak.note)];
	double begin = soak_now();
	bool ok;

	soak.mode = mode;
	soak.note[0] = 0;
	tries = (struct tries){0};
	load_set_pause(100 * soak.slow);
	load_forget();
	oracle_pace(2000 * soak.slow);
	fprintf(stderr, "# %s %s\n", c->name, mode_name(mode));
	ok = c->run();
	load_stop();
	if (ok && !c->last && mode)
		soak.mode = mode;
	snprintf(note, sizeof(note), "%s", soak.note);
	if (ok && !c->last && !expect_base()) {
		ok = false;
		snprintf(note, sizeof(note), "%s", soak.note);
	}
	printf("%s - %s%s%s: %s (%.1f s)\n", ok ? "ok" : "not ok", c->name, mode ? " " : "", mode_name(mode), note, soak_now() - begin);
	fflush(stdout);
	*failed |= !ok;
	if (c->last || clean_up())
		return true;
	printf("not ok - after %s: the guest cannot be cleaned up, the rest was not run\n", c->name);
	return false;
}

static bool run_mode(unsigned mode, bool *failed)
{
	for (unsigned i = 0; i < soak_case_count; i++) {
		const struct soak_case *c = &soak_cases[i];

		if (wanted_cases && !in_list(wanted_cases, c->name))
			continue;
		if ((mode ? c->modes & mode : !c->modes) && !run_case(c, mode, failed))
			return false;
	}
	return true;
}

static bool insert(const char *name)
{
	int err = module_insert(name, "%s", "");

	if (err)
		printf("not ok - %s cannot be inserted: %s\n", name, strerror(-err));
	return !err;
}

int main(int argc, char **argv)
{
	bool failed = false, going = true;

	parse(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stderr, NULL, _IOLBF, 0);
	if (!insert("kmend") || !insert("kmend_oracle"))
		return 1;
	for (unsigned mode = 1; mode <= MODES_ALL && going; mode <<= 1)
		if (soak.modes & mode)
			going = run_mode(mode, &failed);
	if (going)
		going = run_mode(0, &failed);
	return failed || !going;
}
