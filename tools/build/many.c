/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One patch for many kernels: each build is a process of its own, which a scheduler could run elsewhere just as well. */
#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "build.h"

static const char all_cached[] = "all-cached";

struct one {
	char *kernel, *dir;
	int status;
	double seconds;
	char *said;     /* what went wrong, or NULL */
	json_t *report; /* of that build; NULL: it wrote none */
};
struct many {
	char program[4096]; /* this one */
	km_strv words;      /* of every build */
	km_vec(struct one) builds;
	unsigned compilers; /* of each build at once */
	bool quiet;
	size_t done; /* atomically */
};

static void many_free(struct many *m)
{
	for (size_t i = 0; i < m->builds.n; i++) {
		free(m->builds.at[i].kernel);
		free(m->builds.at[i].dir);
		free(m->builds.at[i].said);
		json_decref(m->builds.at[i].report);
	}
	km_vec_free(&m->builds);
	km_strv_free(&m->words);
}

bool build_is_many(const struct build_job *job)
{
	return job->jobs_file || job->kernels.n > 1 || km_strv_has(&job->kernels, all_cached);
}

/* ---- which kernels ---- */

static km_error *add(struct many *m, const char *out, const char *kernel)
{
	if (strchr(kernel, '/') || *kernel == '.' || !*kernel)
		return km_error_new(KM_USAGE, "'%s' is no kernel's release", kernel);
	for (size_t i = 0; i < m->builds.n; i++)
		if (!strcmp(m->builds.at[i].kernel, kernel))
			return NULL;
	km_vec_push(&m->builds, (struct one){ .kernel = km_strdup(kernel), .dir = km_path(out, kernel) });
	return NULL;
}

/* Those of packages: a kernel of one's own is cached, too, but it is named by its files. */
static km_error *add_cached(struct many *m, const char *out)
{
	KM_CLEANUP(km_kernel_list_free) km_kernel_list all = { 0 };

	KM_TRY(km_kernels_list(&all));
	for (size_t i = 0; i < all.n; i++) {
		const struct km_kernel_info *k = &all.at[i];
		char *exact KM_AUTOFREE = NULL;

		if (!k->cached || !k->version || !*k->version)
			continue;
		exact = km_printf("%s=%s", k->release, k->version);
		KM_TRY(add(m, out, exact));
	}
	return NULL;
}

static km_error *add_kernels(struct many *m, const struct build_job *job)
{
	for (size_t i = 0; i < job->kernels.n; i++)
		KM_TRY(!strcmp(job->kernels.at[i], all_cached) ? add_cached(m, job->out_dir)
							       : add(m, job->out_dir, job->kernels.at[i]));
	if (!m->builds.n)
		return km_error_hint(km_error_new(KM_USAGE, "there is no kernel to build for"),
				     "name some with --kernel; `kmend kernels` lists them");
	return NULL;
}

/* ---- the builds ---- */

static void command(const struct many *m, const struct one *b, km_strv *ret)
{
	km_strv_push(ret, m->program);
	km_strv_push(ret, "build");
	km_strv_printf(ret, "--kernel=%s", b->kernel);
	km_strv_printf(ret, "--output=%s", b->dir);
	km_strv_printf(ret, "--json=%s/report.json", b->dir);
	km_strv_printf(ret, "--jobs=%u", m->compilers);
	for (size_t i = 0; i < m->words.n; i++)
		km_strv_push(ret, m->words.at[i]);
}

/* One line for each reason, or NULL. */
static char *what_went_wrong(const struct one *b, const char *said)
{
	json_t *error = json_object_get(b->report, "error"), *j;
	km_str text = { 0 };
	size_t i;

	if (json_is_object(error))
		km_str_printf(&text, "  %s\n", json_string_value(json_object_get(error, "message")));
	json_array_foreach(json_object_get(b->report, "judgements"), i, j)
		if (!strcmp(json_string_value(json_object_get(j, "severity")), "refuse"))
			km_str_printf(&text, "  %s [%s]\n", json_string_value(json_object_get(j, "reason")),
				      json_string_value(json_object_get(j, "code")));
	if (!text.n && b->status && b->status != 3)
		km_str_printf(&text, "  %s\n", *said ? said : "it ended without a word");
	return text.at;
}

static km_error *run_one(void *ctx, size_t i)
{
	struct many *m = ctx;
	struct one *b = &m->builds.at[i];
	char *report KM_AUTOFREE = km_path(b->dir, "report.json");
	KM_CLEANUP(km_strv_free) km_strv words = { 0 };
	struct km_done done;
	struct km_cmd cmd = { 0 };

	command(m, b, &words);
	cmd.argv = km_strv_argv(&words);
	KM_TRY(km_mkdirs(b->dir));
	unlink(report); /* an older build's */
	KM_TRY(km_run(&cmd, &done));
	b->status = done.status;
	b->seconds = done.wall;
	b->report = json_load_file(report, 0, NULL);
	b->said = what_went_wrong(b, done.err);
	km_done_free(&done);
	if (!m->quiet)
		fprintf(stderr, "%zu/%zu %s: exit status %d\n", __atomic_add_fetch(&m->done, 1, __ATOMIC_RELAXED),
			m->builds.n, b->kernel, b->status);
	return NULL;
}

/* An error is worse than a refusal, and a refusal than nothing to do. */
static int worst_of(const struct many *m)
{
	static const int order[] = { 0, 3, 2, 1 };
	size_t worst = 0;

	for (size_t i = 0; i < m->builds.n; i++) {
		size_t rank = KM_COUNT(order) - 1;

		for (size_t j = 0; j < KM_COUNT(order); j++)
			if (order[j] == m->builds.at[i].status)
				rank = j;
		worst = rank > worst ? rank : worst;
	}
	return order[worst];
}

/* ---- the report ---- */

static const char *result_of(const struct one *b)
{
	static const char *const names[] = { "built", "error", "refused", "nothing" };

	return b->status >= 0 && b->status <= 3 ? names[b->status] : "error";
}

static const char *fit_of(const struct one *b)
{
	json_t *hunks = json_object_get(b->report, "hunks");

	if (json_integer_value(json_object_get(hunks, "fuzzy")))
		return "with fuzz";
	if (json_integer_value(json_object_get(hunks, "moved")))
		return "with offset";
	return b->report && b->status != 1 ? "exactly" : "-";
}

static void show(const struct many *m, FILE *to)
{
	fprintf(to, "%-46s %-8s %-12s %9s\n", "KERNEL", "RESULT", "APPLIES", "SECONDS");
	for (size_t i = 0; i < m->builds.n; i++) {
		const struct one *b = &m->builds.at[i];

		fprintf(to, "%-46s %-8s %-12s %9.1f\n", b->kernel, result_of(b), fit_of(b), b->seconds);
	}
	for (size_t i = 0; i < m->builds.n; i++)
		if (m->builds.at[i].said)
			fprintf(to, "\n%s:\n%s", m->builds.at[i].kernel, m->builds.at[i].said);
}

static km_error *write_json(const struct many *m, int status, const char *path)
{
	json_t *j = json_object(), *all = json_array();

	for (size_t i = 0; i < m->builds.n; i++) {
		const struct one *b = &m->builds.at[i];
		json_t *o = json_object();

		json_object_set_new(o, "kernel", json_string(b->kernel));
		json_object_set_new(o, "result", json_string(result_of(b)));
		json_object_set_new(o, "exit", json_integer(b->status));
		json_object_set_new(o, "applies", json_string(fit_of(b)));
		json_object_set_new(o, "directory", json_string(b->dir));
		json_object_set_new(o, "seconds", json_real(b->seconds));
		json_object_set(o, "report", b->report ? b->report : json_null());
		json_array_append_new(all, o);
	}
	json_object_set_new(j, "tool", json_string("kmend " KMEND_VERSION));
	json_object_set_new(j, "exit", json_integer(status));
	json_object_set_new(j, "builds", all);
	char *dump KM_AUTOFREE = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(6));

	json_decref(j);
	if (!dump)
		return km_error_new(KM_INPUT, "a path in the report is not UTF-8");
	char *line KM_AUTOFREE = km_printf("%s\n", dump);
	if (strcmp(path, "-"))
		return km_file_write(path, line, strlen(line));
	fputs(line, stdout);
	return fflush(stdout) ? km_error_sys(errno, "standard output") : NULL;
}

/* ---- commands ---- */

/* For sh: in single quotes, which end for a quote of the word itself. */
static void quote(km_str *to, const char *word)
{
	km_str_add(to, "'");
	for (; *word; word++)
		km_str_addn(to, *word == '\'' ? "'\\''" : word, *word == '\'' ? 4 : 1);
	km_str_add(to, "'");
}

static km_error *write_commands(const struct many *m, const char *path)
{
	km_str all = { 0 };
	km_error *err;

	for (size_t i = 0; i < m->builds.n; i++) {
		KM_CLEANUP(km_strv_free) km_strv words = { 0 };

		command(m, &m->builds.at[i], &words);
		km_str_add(&all, "mkdir -p ");
		quote(&all, m->builds.at[i].dir);
		km_str_add(&all, " &&");
		for (size_t j = 0; j < words.n; j++) {
			km_str_add(&all, " ");
			quote(&all, words.at[j]);
		}
		km_str_add(&all, "\n");
	}
	err = km_file_write(path, all.at, all.n);
	km_str_free(&all);
	return err;
}

km_error *build_many(const struct build_job *job, int argc, char **argv, int *status)
{
	KM_CLEANUP(many_free) struct many m = { .quiet = job->quiet };
	ssize_t n = readlink("/proc/self/exe", m.program, sizeof(m.program) - 1);
	unsigned at_once;

	if (n < 0)
		return km_error_sys(errno, "cannot tell which program this is");
	build_job_words(argc, argv, &m.words);
	KM_TRY(add_kernels(&m, job));
	at_once = m.builds.n < job->jobs ? (unsigned)m.builds.n : job->jobs;
	m.compilers = job->jobs_file ? job->jobs : job->jobs / at_once;
	if (job->jobs_file)
		return write_commands(&m, job->jobs_file);
	KM_TRY(km_parallel(m.builds.n, at_once, run_one, &m));
	*status = worst_of(&m);
	if (!job->quiet || *status)
		show(&m, job->json_path && !strcmp(job->json_path, "-") ? stderr : stdout);
	return job->json_path ? write_json(&m, *status, job->json_path) : NULL;
}
