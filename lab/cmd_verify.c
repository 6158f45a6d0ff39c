/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend verify: one patch, one verdict. */
#include "lab.h"

static const char *mark(const struct km_lab_step_result *s)
{
	return !s->begun ? "-" : !s->ended ? "?" : s->status ? "no" : "ok";
}

static void print_step(const char *name, const struct km_lab_step_result *s)
{
	enum km_colour colour = s->ended && !s->status ? KM_GREEN : s->begun ? KM_RED : KM_DIM;

	printf("  %s%-3s%s %-46s", km_colour_on(stdout, colour), mark(s), km_colour_off(stdout), name);
	if (s->ended)
		printf("%8.2f s", s->seconds);
	if (s->transition >= 0)
		printf("   transition %.2f s", s->transition);
	putchar('\n');
}

static void print(const struct km_verdict *d)
{
	const struct km_lab_result *r = &d->result;

	printf("%s on %s, booted in %.1f s%s\n", d->name, d->release, r->boot, r->kvm ? " (KVM)" : "");
	for (size_t i = 0; i < r->steps.n; i++)
		print_step(d->step_names.at[i], &r->steps.at[i]);
	printf("%s%s%s", km_colour_on(stdout, d->pass ? KM_GREEN : KM_RED), d->pass ? "pass" : "fail",
	       km_colour_off(stdout));
	printf(": %s (%.1f s)\n", d->pass ? "every step did what it should, and the log is clean" : d->reason, r->wall);
	if (d->pass)
		return;
	if (d->step != KM_LAB_BOOT && r->steps.at[d->step].output.n) {
		printf("  it printed:\n");
		report_tail(stdout, r->steps.at[d->step].output.at, r->steps.at[d->step].output.n, 20);
	}
	if (r->findings.n)
		printf("  in the kernel's log:\n");
	report_print_findings(stdout, r, 10);
	printf("  the log ends:\n");
	report_tail(stdout, r->log.at, r->log.n, 15);
}

static km_error *report(const struct lab_options *o, const struct km_verdict *d)
{
	const struct km_lab_result *r = &d->result;
	json_t *steps, *root;

	if (o->keep_log)
		KM_TRY(report_log(o->keep_log, r));
	if (!o->json)
		return NULL;
	steps = json_array();
	for (size_t i = 0; i < r->steps.n; i++)
		json_array_append_new(steps, report_step(d->step_names.at[i], &r->steps.at[i]));
	root = json_pack("{s:b, s:s?, s:s, s:s, s:o, s:o}", "pass", d->pass, "reason", d->reason, "kernel", d->release,
			 "patch", d->name, "guest", report_guest(r), "steps", steps);
	if (d->step != KM_LAB_BOOT)
		json_object_set_new(root, "failing_step", json_integer(d->step));
	return report_write(o->json, root);
}

static km_error *verify(const struct lab_options *o, const char *file, int *status)
{
	struct km_lab_kernel kernel = {0};
	struct km_verify v = {
		.file = file,
		.before = o->before,
		.after = o->after,
		.workload = o->workload,
		.carry = o->carry,
		.modules = o->module,
		.core = o->core,
		.transition = o->transition,
		.options = o->lab,
	};
	struct km_verdict d;
	km_error *err;

	KM_TRY(lab_options_kernel(o, &kernel));
	v.kernel = kernel.release ? &kernel : NULL;
	err = km_verify(&v, &d);
	km_lab_kernel_free(&kernel);
	if (err)
		return err;
	if (!o->json || strcmp(o->json, "-"))
		print(&d);
	err = report(o, &d);
	if (!err)
		*status = d.pass ? EXIT_PASS : EXIT_FAIL;
	km_verdict_free(&d);
	return err;
}

int cmd_verify(int argc, char **argv)
{
	struct lab_options o = {0};
	int status = EXIT_ENV;
	km_strv words = {0};
	km_error *err = lab_options_parse(argc, argv, "verify", &o, &words);

	if (!err && o.help)
		status = EXIT_PASS;
	else if (!err && words.n != 1)
		err = km_error_new(KM_USAGE, "one patch at a time; `kmend-lab batch` takes many");
	else if (!err)
		err = verify(&o, words.at[0], &status);
	if (err) {
		km_error_print("kmend verify", err);
		km_error_free(err);
		status = EXIT_ENV;
	}
	lab_options_free(&o);
	km_strv_free(&words);
	return status;
}
