/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-build: the verbs that need a kernel's source, run by `kmend build`, `kmend kernels` and `kmend prepare`. */
#include "build.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *summary;
} verbs[] = {
	{ "build", build_build, "make a live patch from source diffs" },
	{ "kernels", build_kernels, "list the kernels that patches can be built for" },
	{ "prepare", build_prepare, "fetch and prepare a kernel ahead of a build" },
	{ "core", build_core, "build kmend.ko for a kernel" },
};

static void usage(FILE *to)
{
	fputs("usage: kmend-build VERB [OPTION...] [ARG...]\n\n", to);
	for (size_t i = 0; i < KM_COUNT(verbs); i++)
		fprintf(to, "  %-8s  %s\n", verbs[i].name, verbs[i].summary);
	fputs("\nkmend-build VERB --help tells more. The manual pages are kmend-build(1), kmend-kernels(1), kmend-prepare(1), kmend-core(1).\n",
	      to);
}

int main(int argc, char **argv)
{
	const char *names[KM_COUNT(verbs)];

	if (argc < 2) {
		usage(stderr);
		return 1;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("kmend-build " KMEND_VERSION);
		return 0;
	}
	for (size_t i = 0; i < KM_COUNT(verbs); i++) {
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
		names[i] = verbs[i].name;
	}
	const char *near = km_nearest(argv[1], names, KM_COUNT(names));
	km_error *err = km_error_new(KM_USAGE, "there is no verb '%s'", argv[1]);
	err = near ? km_error_hint(err, "did you mean 'kmend %s'?", near)
		   : km_error_hint(err, "kmend-build --help lists the verbs");
	km_error_print("kmend-build", err);
	km_error_free(err);
	return 1;
}
