/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program kmend-build: the verbs that need a kernel's source.
 *
 * main.c finds the verb; options.c reads the words of `kmend build` into a build_job; pipeline.c carries the job through its steps
 * and fills a build_outcome; report_text.c and report_json.c show the outcome, and know nothing of how it came about.
 */
#ifndef KMEND_TOOLS_BUILD_H
#define KMEND_TOOLS_BUILD_H

#include <getopt.h>

#include <kmend/patch.h>

/* The verbs. Each returns the exit status of the program. argv[0] is the verb. */
int build_build(int argc, char **argv);
int build_kernels(int argc, char **argv);
int build_prepare(int argc, char **argv);
int build_core(int argc, char **argv);

/* The error for what getopt_long() gave as '?' or, with a ':' in front of the letters, as ':'; set opterr to 0 before. */
KM_CHECKED km_error *build_bad_option(int opt, char **argv, const struct option *options, const char *verb);

/* What the author asked for. */
struct build_job {
	struct km_kernel_source kernel; /* points into argv */
	struct km_patch_spec spec;      /* spec.name points at `name` */
	char *name;
	km_strv kernels;       /* every --kernel; several, or "all-cached": one build for each */
	const char *jobs_file; /* those builds are written there instead, or NULL */
	km_strv patches;
	const char *out_dir;   /* "." by default */
	const char *json_path; /* "-": standard output; NULL: no JSON */
	unsigned jobs;
	bool quiet, verbose;
	bool allow_data, allow_layout;
	struct km_signer_files sign; /* no key: the patch is not signed */
	km_signer *signer;           /* spec.signer; NULL: none */
};
/* Reads the command line. *done: help was printed, and there is no work. */
KM_CHECKED km_error *build_job_read(struct build_job *job, int argc, char **argv, bool *done);
void build_job_free(struct build_job *job);
/* The command line once more, each option as "--name" or "--name=value", without what is said anew for each of several kernels:
 * --kernel, --output, --json, --jobs, --jobs-file. For argv that build_job_read() has taken. */
void build_job_words(int argc, char **argv, km_strv *ret);

/* Several kernels: a build for each in a process of its own, as many at once as there are jobs; one report, and the worst exit status in
 * *status. Or writes the file of commands. */
KM_CHECKED km_error *build_many(const struct build_job *job, int argc, char **argv, int *status);
bool build_is_many(const struct build_job *job);

/* One unit on its way. */
struct build_unit {
	const km_unit *unit;
	struct km_unit_objects files;
	km_elf *plain, *original, *patched; /* kept while something of the unit travels */
	km_diff *diff;                      /* NULL: its tokens were the same before and after */
	km_match *match;
	bool travels;                       /* it replaces a function */
};

struct build_outcome {
	km_kernel *kernel;
	km_work *work;
	km_stages *stages;
	km_touched_list touched;
	km_unit_list unit_list;
	km_left_out_list left_out;
	km_vec(struct build_unit) units; /* in the order of unit_list */
	km_vec(struct km_judgement) judgements; /* of the pipeline itself; those of units and of the patch are in theirs */
	struct km_patch_result patch;
	char sha256[KM_FLAVOURS][KM_SHA256_HEX]; /* of the written files, "" where none was */
	km_error *error;            /* what ended it early, or NULL */
	double seconds, own_cpu, child_cpu;
	long own_peak_kb;
};
enum build_result { BUILD_BUILT, BUILD_ERROR, BUILD_REFUSED, BUILD_NOTHING }; /* the exit statuses, in this order */

/* Carries the job as far as it goes, and writes the hash of its diffs into job->spec; what went wrong is in out->error. */
enum build_result build_pipeline(struct build_job *job, struct build_outcome *out);
void build_outcome_free(struct build_outcome *out);

/* Every judgement of an outcome, wherever it was made, in order of units. unit is "" for those of the patch as a whole. */
void build_each_judgement(const struct build_outcome *out,
			  void (*seen)(void *ctx, const char *unit, const struct km_judgement *j), void *ctx);
/* The file that was written, of the first flavour when there are two; or NULL. */
const struct km_patch_file *build_file(const struct build_outcome *out, enum km_flavour *flavour);
/* The number of judgements of at least this severity. */
size_t build_count_judgements(const struct build_outcome *out, enum km_weight least);

/* Where a function of a unit was found in the shipped kernel, or NULL when it is not replaced. */
const struct km_patch_func *build_placed(const struct build_outcome *out, const struct build_unit *u, const char *name);

void build_report_text(const struct build_job *job, const struct build_outcome *out, enum build_result result, FILE *to);
KM_CHECKED km_error *build_report_json(const struct build_job *job, const struct build_outcome *out,
				       enum build_result result, const char *path);

#endif
