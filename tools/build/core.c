/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `kmend-build core`: kmend.ko for a kernel. */
#include <getopt.h>
#include <jansson.h>

#include "build.h"

static const char usage_text[] =
	"usage: kmend core [OPTION...] [RELEASE | RELEASE=VERSION]\n"
	"\n"
	"Builds kmend.ko, the core that patches of the flavour `core` need, for a kernel, the running one by default.\n"
	"It is kept in the cache beside the prepared kernel; what is built already is not built again.\n"
	"\n"
	"  --kernel RELEASE    the same as RELEASE\n"
	"  --debs DIR          take Debian's packages from DIR instead of apt\n"
	"  -o, --output DIR    copy kmend.ko, Module.symvers and kmend.h there\n"
	"  --test              the variant for tests, which can be told to fail\n"
	"  --json              tell where they are as JSON\n"
	"  -q, --quiet         no progress\n"
	"  -h, --help\n";

enum { OPT_KERNEL = 256, OPT_DEBS, OPT_TEST, OPT_JSON };

static const struct option options[] = {
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"debs", required_argument, NULL, OPT_DEBS},
	{"output", required_argument, NULL, 'o'},
	{"test", no_argument, NULL, OPT_TEST},
	{"json", no_argument, NULL, OPT_JSON},
	{"quiet", no_argument, NULL, 'q'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

struct core_job {
	struct km_kernel_source source;
	const char *out_dir;
	bool test, json, quiet, help;
};

static bool set_option(struct core_job *job, int c)
{
	switch (c) {
	case OPT_KERNEL: job->source.release = optarg; return true;
	case OPT_DEBS: job->source.debs = optarg; return true;
	case OPT_TEST: job->test = true; return true;
	case OPT_JSON: job->json = true; return true;
	case 'o': job->out_dir = optarg; return true;
	case 'q': job->quiet = true; return true;
	case 'h': job->help = true; return true;
	}
	return false;
}

static km_error *read_options(struct core_job *job, int argc, char **argv)
{
	int c;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":o:qh", options, NULL)) != -1)
		if (!set_option(job, c))
			return build_bad_option(c, argv, options, "core");
	if (argc - optind > (job->source.release ? 0 : 1))
		return km_error_new(KM_USAGE, "one kernel at a time, and there is '%s' too", argv[argc - 1]);
	if (optind < argc)
		job->source.release = argv[optind];
	return NULL;
}

static km_error *copy_out(const char *dir, struct km_core *core)
{
	char **files[] = {&core->module, &core->symvers, &core->header};

	KM_TRY(km_mkdirs(dir));
	for (size_t i = 0; i < KM_COUNT(files); i++) {
		char *to = km_path(dir, strrchr(*files[i], '/') + 1);
		km_error *err = km_file_copy(*files[i], to);

		free(*files[i]);
		*files[i] = to;
		if (err)
			return err;
	}
	return NULL;
}

static km_error *tell(const struct core_job *job, const km_kernel *k, const struct km_core *core)
{
	json_t *j;
	char *out;

	if (!job->json) {
		printf("kmend.ko for %s is %s\n", k->release, core->module);
		return NULL;
	}
	j = json_pack("{s:s, s:s, s:s, s:s}", "release", k->release, "module", core->module, "symvers", core->symvers,
		      "header", core->header);
	out = j ? json_dumps(j, JSON_INDENT(2)) : NULL;
	json_decref(j);
	if (!out)
		return km_error_new(KM_BUG, "the kernel's names cannot be written as JSON");
	puts(out);
	free(out);
	return NULL;
}

static km_error *build(const struct core_job *job, km_kernel *kernel, km_stages *stages)
{
	KM_CLEANUP(km_core_free) struct km_core core = {0};

	km_stage(stages, "build kmend.ko");
	KM_TRY(km_core_open(kernel, job->test, &core));
	km_stages_end(stages);
	if (job->out_dir)
		KM_TRY(copy_out(job->out_dir, &core));
	return tell(job, kernel, &core);
}

static km_error *run(int argc, char **argv)
{
	struct core_job job = {0};
	km_kernel *kernel = NULL;
	km_stages *stages;
	km_error *err;

	KM_TRY(read_options(&job, argc, argv));
	if (job.help) {
		fputs(usage_text, stdout);
		return NULL;
	}
	stages = km_stages_create(job.quiet);
	err = km_kernel_open(&job.source, stages, &kernel);
	if (!err)
		err = build(&job, kernel, stages);
	km_stages_end(stages);
	km_stages_destroy(stages);
	km_kernel_close(kernel);
	return err;
}

int build_core(int argc, char **argv)
{
	km_error *err = run(argc, argv);
	int status = 0;

	if (err) {
		km_error_print("kmend core", err);
		status = km_error_exit(err);
		km_error_free(err);
	}
	return status;
}
