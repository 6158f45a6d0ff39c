/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-lab run: boots a kernel, runs a script in it, gives its exit status. */
#include <sys/utsname.h>
#include <unistd.h>

#include "lab.h"

static void show(void *ctx, size_t step, const char *bytes, size_t n)
{
	KM_AUTOFREE char *text = km_lab_printable(bytes, n);

	(void)ctx;
	(void)step;
	fwrite(text, 1, n, stdout);
	fflush(stdout);
}

static km_error *pick_kernel(const struct lab_options *o, struct km_lab_kernel *ret)
{
	struct utsname u;

	if (o->vmlinuz || o->release)
		return lab_options_kernel(o, ret);
	if (uname(&u))
		return km_error_new(KM_ENV, "cannot tell the running kernel");
	return km_lab_kernel_find(u.release, NULL, ret);
}

static km_error *describe(km_lab *lab, const struct lab_options *o, const km_strv *words)
{
	struct km_lab_step step = {.kind = KM_LAB_RUN, .name = "script", .timeout = o->lab.timeout};
	const char *slash = strrchr(words->at[0], '/'), *base = slash ? slash + 1 : words->at[0];
	KM_AUTOFREE char *guest = km_printf("/kmend/script/%s", base);
	km_strv line = {0};

	for (size_t i = 0; i < o->carry.n; i++)
		KM_TRY(km_lab_carry_word(lab, o->carry.at[i]));
	for (size_t i = 0; i < o->module.n; i++)
		KM_TRY(km_lab_module(lab, &(struct km_lab_step){.group = 0}, o->module.at[i]));
	for (size_t i = 0; i < o->disk.n; i++)
		KM_TRY(km_lab_disk(lab, &(struct km_lab_step){.group = 0}, o->disk.at[i]));
	if (o->net)
		KM_TRY(km_lab_net(lab, &(struct km_lab_step){.group = 0}, o->net));
	KM_TRY(km_lab_carry(lab, words->at[0], guest));
	/* A script that lacks the bit was still meant to be run. */
	if (access(words->at[0], X_OK))
		km_strv_push(&line, "sh");
	km_strv_push(&line, guest);
	for (size_t i = 1; i < words->n; i++)
		km_strv_push(&line, words->at[i]);
	km_lab_step(lab, &step, (const char *const *)km_strv_argv(&line));
	km_strv_free(&line);
	return NULL;
}

/* The first step that failed, or the last one, which is the script. */
static size_t deciding_step(const struct km_lab_result *r)
{
	for (size_t i = 0; i < r->steps.n; i++)
		if (!r->steps.at[i].ended || r->steps.at[i].status)
			return i;
	return r->steps.n - 1;
}

static int judge(const km_lab *lab, const struct km_lab_result *r)
{
	size_t i = deciding_step(r);
	const struct km_lab_step_result *s = &r->steps.at[i];

	report_print_findings(stderr, r, 20);
	if (r->end == KM_LAB_TIMEOUT) {
		fprintf(stderr, "kmend-lab: %s\n", km_lab_end_text(r->end));
		return RUN_TIMEOUT;
	}
	if (r->end != KM_LAB_CLEAN) {
		fprintf(stderr, "kmend-lab: %s\n", km_lab_end_text(r->end));
		report_tail(stderr, r->log.at, r->log.n, 12);
		if (*r->qemu)
			fprintf(stderr, "%s\n", r->qemu);
		return RUN_GUEST_DIED;
	}
	if (i + 1 < r->steps.n) {
		fprintf(stderr, "kmend-lab: the step '%s' failed\n", km_lab_step_at(lab, i)->name);
		report_tail(stderr, s->output.at, s->output.n, 12);
		return RUN_NO_LAB;
	}
	if (s->status)
		return s->status;
	return r->findings.n ? RUN_FINDING : 0;
}

static km_error *report(const km_lab *lab, const struct lab_options *o, const struct km_lab_result *r, int status)
{
	json_t *steps, *root;

	if (o->keep_log)
		KM_TRY(report_log(o->keep_log, r));
	if (!o->json)
		return NULL;
	steps = json_array();
	for (size_t i = 0; i < r->steps.n; i++)
		json_array_append_new(steps, report_step(km_lab_step_at(lab, i)->name, &r->steps.at[i]));
	root = json_pack("{s:i, s:o, s:o}", "status", status, "guest", report_guest(r), "steps", steps);
	return report_write(o->json, root);
}

static km_error *run(const struct lab_options *o, const struct km_lab_kernel *kernel, km_strv *words, int *status)
{
	struct km_lab_options options = o->lab;
	struct km_lab_result r;
	km_lab *lab = NULL;
	km_error *err;
	int code = 0;

	/* With the report on the standard output, that is all that goes there. */
	options.output = o->json && !strcmp(o->json, "-") ? NULL : show;
	KM_TRY(km_lab_create(kernel, &lab));
	err = describe(lab, o, words);
	if (!err)
		err = km_lab_run(lab, &options, &r);
	if (!err) {
		code = judge(lab, &r);
		err = report(lab, o, &r, code);
		km_lab_result_free(&r);
	}
	km_lab_destroy(lab);
	if (!err)
		*status = code;
	return err;
}

int cmd_run(int argc, char **argv)
{
	struct km_lab_kernel kernel = {0};
	struct lab_options o = {0};
	int status = RUN_NO_LAB;
	km_strv words = {0};
	km_error *err;

	err = lab_options_parse(argc, argv, "run", &o, &words);
	if (!err && o.help)
		status = 0;
	else if (!err)
		err = pick_kernel(&o, &kernel);
	if (!err && !o.help)
		err = run(&o, &kernel, &words, &status);
	if (err) {
		km_error_print("kmend-lab", err);
		km_error_free(err);
		status = RUN_NO_LAB;
	}
	km_lab_kernel_free(&kernel);
	lab_options_free(&o);
	km_strv_free(&words);
	return status;
}
