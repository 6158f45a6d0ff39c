/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-lab batch: many patches, as few boots as possible. */
#include "lab.h"

/* All FILE.ko in a directory. */
static km_error *add_dir(const char *dir, km_strv *files)
{
	km_strv names = {0};

	KM_TRY(km_listdir(dir, &names));
	for (size_t i = 0; i < names.n; i++)
		if (km_ends(names.at[i], ".ko"))
			km_strv_printf(files, "%s/%s", dir, names.at[i]);
	km_strv_free(&names);
	return NULL;
}

/* A list: one path a line; empty lines and those that begin with # are none. */
static km_error *add_list(const char *path, km_strv *files)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t n;

	KM_TRY(km_file_read(path, &bytes, &n));
	for (char *save = NULL, *line = strtok_r((char *)bytes, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (*line && *line != '#')
			km_strv_push(files, line);
	return NULL;
}

static km_error *add_word(const char *word, km_strv *files)
{
	if (km_is_dir(word))
		return add_dir(word, files);
	if (!km_ends(word, ".ko"))
		return add_list(word, files);
	km_strv_push(files, word);
	return NULL;
}

static void print_entry(void *ctx, const struct km_batch_entry *e)
{
	FILE *f = ctx;

	fprintf(f, "%s%-4s%s %-40s", km_colour_on(f, e->pass ? KM_GREEN : KM_RED), e->pass ? "pass" : "fail",
		km_colour_off(f), e->name);
	if (e->pass)
		fprintf(f, " %5.2f s, transitions %.2f s and %.2f s%s\n", e->seconds, e->transition, e->transition_back,
			e->modules_absent.n ? ", in part: a module was absent" : "");
	else
		fprintf(f, " %s\n", e->reason);
	fflush(f);
}

static json_t *strings(const km_strv *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n; i++) {
		KM_AUTOFREE char *text = km_lab_printable(v->at[i], strlen(v->at[i]));

		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *entry_json(const struct km_batch_entry *e)
{
	KM_AUTOFREE char *output = km_lab_printable(e->output.at, e->output.n);

	return json_pack("{s:s, s:s, s:b, s:s?, s:f, s:f, s:f, s:s, s:o, s:o}", "file", e->file, "name", e->name,
			 "pass", e->pass, "reason", e->reason, "seconds", e->seconds, "transition_seconds",
			 e->transition, "transition_back_seconds", e->transition_back, "output", output, "findings",
			 strings(&e->findings), "modules_absent", strings(&e->modules_absent));
}

static km_error *report(const char *path, const km_batch_result *r, size_t boots, double wall, size_t passed)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n; i++)
		json_array_append_new(list, entry_json(&r->at[i]));
	return report_write(path, json_pack("{s:I, s:I, s:I, s:f, s:o}", "patches", (json_int_t)r->n, "passed",
					    (json_int_t)passed, "boots", (json_int_t)boots, "seconds", wall, "results",
					    list));
}

static km_error *batch(const struct lab_options *o, struct km_batch *b, int *status)
{
	bool quiet = o->json && !strcmp(o->json, "-");
	double begin = km_now();
	km_batch_result r = {0};
	size_t boots, passed = 0;
	km_error *err = NULL;

	b->options = o->lab;
	b->transition = o->transition;
	b->core = o->core;
	b->done = print_entry;
	b->done_ctx = quiet ? stderr : stdout;
	KM_TRY(km_batch(b, &boots, &r));
	for (size_t i = 0; i < r.n; i++)
		passed += r.at[i].pass;
	fprintf(b->done_ctx, "%zu of %zu patches passed, %zu boots, %.1f s\n", passed, r.n, boots, km_now() - begin);
	if (o->json)
		err = report(o->json, &r, boots, km_now() - begin, passed);
	if (!err)
		*status = passed == r.n ? EXIT_PASS : EXIT_FAIL;
	km_batch_result_free(&r);
	return err;
}

static km_error *run(const struct lab_options *o, const km_strv *words, int *status)
{
	struct km_lab_kernel kernel = {0};
	struct km_batch b = {0};
	km_error *err = NULL;

	for (size_t i = 0; i < words->n && !err; i++)
		err = add_word(words->at[i], &b.files);
	if (!err && !b.files.n)
		err = km_error_new(KM_USAGE, "%s names no .ko file", words->at[0]);
	if (!err)
		err = lab_options_kernel(o, &kernel);
	b.kernel = kernel.release ? &kernel : NULL;
	if (!err)
		err = batch(o, &b, status);
	km_lab_kernel_free(&kernel);
	km_strv_free(&b.files);
	return err;
}

int cmd_batch(int argc, char **argv)
{
	struct lab_options o = {0};
	int status = EXIT_ENV;
	km_strv words = {0};
	km_error *err = lab_options_parse(argc, argv, "batch", &o, &words);

	if (!err && o.help)
		status = EXIT_PASS;
	else if (!err)
		err = run(&o, &words, &status);
	if (err) {
		km_error_print("kmend-lab", err);
		km_error_free(err);
		status = EXIT_ENV;
	}
	lab_options_free(&o);
	km_strv_free(&words);
	return status;
}
