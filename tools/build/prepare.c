/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `kmend prepare`: fetch and prepare a kernel ahead of a build. */
#include <getopt.h>
#include <jansson.h>

#include "build.h"

static const char usage_text[] =
	"usage: kmend prepare [OPTION...] [RELEASE | RELEASE=VERSION]\n"
	"\n"
	"Fetches and prepares a kernel, the running one by default, so that a later build needs no network and no "
	"wait.\n"
	"What is prepared already is left as it is.\n"
	"\n"
	"  --source DIR --config FILE --vmlinux FILE --symvers FILE [--modules DIR]\n"
	"                 a kernel of your own; DIR is never written to\n"
	"  --debs DIR     take Debian's packages from DIR instead of apt\n"
	"  --json         tell what was prepared as JSON\n"
	"  -q, --quiet    no progress\n"
	"  -h, --help\n"
	"\n"
	"The cache is $KMEND_CACHE, else $XDG_CACHE_HOME/kmend, else ~/.cache/kmend (/var/cache/kmend for root).\n";

enum { OPT_SOURCE = 256, OPT_CONFIG, OPT_VMLINUX, OPT_SYMVERS, OPT_MODULES, OPT_DEBS, OPT_JSON };

static const struct option options[] = {
	{"source", required_argument, NULL, OPT_SOURCE},
	{"config", required_argument, NULL, OPT_CONFIG},
	{"vmlinux", required_argument, NULL, OPT_VMLINUX},
	{"symvers", required_argument, NULL, OPT_SYMVERS},
	{"modules", required_argument, NULL, OPT_MODULES},
	{"debs", required_argument, NULL, OPT_DEBS},
	{"json", no_argument, NULL, OPT_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct prepare_job {
	struct km_kernel_source source;
	bool json, quiet, help;
};

static bool set_option(struct prepare_job *job, int c)
{
	const char **texts[] = {&job->source.source,  &job->source.config,  &job->source.vmlinux,
				&job->source.symvers, &job->source.modules, &job->source.debs};

	if (c >= OPT_SOURCE && c <= OPT_DEBS)
		*texts[c - OPT_SOURCE] = optarg;
	else if (c == OPT_JSON)
		job->json = true;
	else if (c == 'q')
		job->quiet = true;
	else if (c == 'h')
		job->help = true;
	else
		return false;
	return true;
}

static km_error *read_options(struct prepare_job *job, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":qh", options, NULL)) != -1)
		if (!set_option(job, c))
			return build_bad_option(c, argv, options, "prepare");
	if (argc - optind > 1)
		return km_error_new(KM_USAGE, "one kernel at a time, and there is '%s' too", argv[optind + 1]);
	job->source.release = argv[optind];
	if (job->source.release && job->source.source)
		return km_error_new(KM_USAGE, "a release and --source name two kernels");
	if (!job->source.source &&
	    (job->source.config || job->source.vmlinux || job->source.symvers || job->source.modules))
		return km_error_new(KM_USAGE, "--config, --vmlinux, --symvers and --modules go with --source");
	return NULL;
}

static km_error *tell(const struct prepare_job *job, const km_kernel *k)
{
	json_t *j;
	char *out;

	if (!job->json) {
		printf("kernel %s%s%s is ready in %s\n", k->release, *k->package_version ? " " : "", k->package_version,
		       k->dir);
		return NULL;
	}
	j = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", k->id, "release", k->release, "version", k->package_version,
		      "compiler", k->compiler_text, "directory", k->dir);
	out = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	json_decref(j);
	if (!out)
		return km_error_new(KM_BUG, "the kernel's names cannot be written as JSON");
	puts(out);
	free(out);
	return NULL;
}

static km_error *run(int argc, char **argv)
{
	struct prepare_job job = {0};
	km_kernel *kernel;
	km_stages *stages;
	km_error *err;

	KM_TRY(read_options(&job, argc, argv));
	if (job.help) {
		fputs(usage_text, stdout);
		return NULL;
	}
	stages = km_stages_create(job.quiet);
	err = km_kernel_open(&job.source, stages, &kernel);
	km_stages_end(stages);
	km_stages_destroy(stages);
	if (err)
		return err;
	err = tell(&job, kernel);
	km_kernel_close(kernel);
	return err;
}

int build_prepare(int argc, char **argv)
{
	km_error *err = run(argc, argv);
	int status = 0;

	if (err) {
		km_error_print("kmend prepare", err);
		status = km_error_exit(err);
		km_error_free(err);
	}
	return status;
}
