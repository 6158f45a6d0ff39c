/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The proof of one patch: the plan of its steps, and the verdict over what they gave. */
#include "internal.h"
#include "plan.h"

enum { TRANSITION = 60, CYCLES = 3 };
/* Groups: what must hold; the patched modules coming after the patch (only where they can be removed); the end of
 * the workload. */
enum { MAIN, LATE, LAST };

struct plan {
	const struct km_verify *v;
	struct lab_patch patch;
	km_lab *lab;
	char *core; /* kmend.ko, or NULL */
	double limit;
};

static void shell(struct plan *p, enum km_lab_kind kind, unsigned group, const char *name, const char *command)
{
	const struct km_lab_step step = {.kind = kind, .name = name, .group = group, .fatal = group == MAIN};

	if (command)
		km_lab_step(p->lab, &step, (const char *const[]){"sh", "-c", command, NULL});
}

static void cycle(struct plan *p, const struct km_lab_step *like)
{
	lab_plan_load(p->lab, &p->patch, like, p->limit);
	lab_plan_patched(p->lab, &p->patch, like);
	shell(p, KM_LAB_RUN, like->group, "after: the patch is applied", p->v->after);
	lab_plan_unload(p->lab, &p->patch, like, p->limit);
}

/* Two point releases can have one release name: the build-id in the guest's own notes tells. */
static void check_kernel(struct plan *p)
{
	KM_AUTOFREE char *command = NULL;

	if (!p->patch.build_id || p->patch.build_id[strspn(p->patch.build_id, "0123456789abcdef")])
		return;
	command = km_printf("od -An -v -tx1 /sys/kernel/notes | tr -d ' \\n' | grep -q %s || { echo 'the kernel has "
			    "another build-id than the "
			    "one that the patch was built for'; exit 1; }",
			    p->patch.build_id);
	shell(p, KM_LAB_RUN, MAIN, "the kernel is the patch's", command);
}

static void main_steps(struct plan *p)
{
	const struct km_lab_step like = {.group = MAIN, .fatal = true};
	bool exercised = p->v->before || p->v->after;

	shell(p, KM_LAB_RUN, MAIN, "before: the patch is not applied", p->v->before);
	for (int i = 0; i < (exercised ? 1 : CYCLES); i++)
		cycle(p, &like);
	shell(p, KM_LAB_RUN, MAIN, "before, again: the patch was taken back", p->v->before);
}

/* The modules leave and come back under the patch, as on a host where they are loaded later. */
static void late_steps(struct plan *p)
{
	const struct km_lab_step like = {.group = LATE};

	for (size_t i = p->patch.objects.n; i-- > 0;) {
		const char *name = p->patch.objects.at[i];
		KM_AUTOFREE char *text = km_printf("remove %s", name);

		km_lab_step(p->lab, &(struct km_lab_step){.kind = KM_LAB_RMMOD, .name = text, .group = LATE},
			    (const char *const[]){name, NULL});
	}
	lab_plan_load(p->lab, &p->patch, &(struct km_lab_step){.group = LATE, .name = "load, the modules come later"},
		      p->limit);
	for (size_t i = 0; i < p->patch.objects.n; i++) {
		const char *name = p->patch.objects.at[i];
		KM_AUTOFREE char *path = lab_guest_module(p->lab, name);
		KM_AUTOFREE char *text = km_printf("insert %s under the patch", name);

		km_lab_step(p->lab, &(struct km_lab_step){.kind = KM_LAB_INSMOD, .name = text, .group = LATE},
			    (const char *const[]){path, NULL});
	}
	lab_plan_patched(p->lab, &p->patch, &like);
	shell(p, KM_LAB_RUN, LATE, "after: the patch is applied", p->v->after);
	lab_plan_unload(p->lab, &p->patch, &like, p->limit);
}

static km_error *contents(struct plan *p)
{
	const struct km_verify *v = p->v;
	const struct km_lab_step like = {.group = MAIN, .fatal = true};

	for (size_t i = 0; i < v->carry.n; i++)
		KM_TRY(km_lab_carry_word(p->lab, v->carry.at[i]));
	KM_TRY(km_lab_carry(p->lab, p->patch.file, p->patch.guest));
	KM_TRY(lab_plan_core(p->lab, &p->patch, &like, v->core, &p->core));
	for (size_t i = 0; i < v->modules.n; i++)
		KM_TRY(km_lab_module(p->lab, &like, v->modules.at[i]));
	for (size_t i = 0; i < p->patch.objects.n; i++)
		KM_TRY(km_lab_module(p->lab, &like, p->patch.objects.at[i]));
	return NULL;
}

static km_error *make_plan(struct plan *p)
{
	KM_TRY(contents(p));
	check_kernel(p);
	shell(p, KM_LAB_START, MAIN, "start the workload", p->v->workload);
	main_steps(p);
	if (p->patch.objects.n)
		late_steps(p);
	if (p->v->workload)
		km_lab_step(p->lab,
			    &(struct km_lab_step){
				    .kind = KM_LAB_STOP, .name = "end the workload", .group = LAST, .always = true},
			    NULL);
	return NULL;
}

/* ---- the verdict ----------------------------------------------------------------------------------------- */

/* A module in use cannot leave; that is no fault of the patch. */
static bool tolerated(const km_lab *lab, size_t i)
{
	return km_lab_step_at(lab, i)->kind == KM_LAB_RMMOD;
}

static char *step_reason(const km_lab *lab, size_t i, const struct km_lab_step_result *s)
{
	KM_AUTOFREE char *line = lab_last_line(&s->output);
	const char *name = km_lab_step_at(lab, i)->name;

	return *line ? km_printf("the step '%s' gave exit status %d: %s", name, s->status, line)
		     : km_printf("the step '%s' gave exit status %d", name, s->status);
}

static void died(const km_lab *lab, struct km_verdict *d)
{
	const struct km_lab_result *r = &d->result;
	const char *end = km_lab_end_text(r->end);

	d->step = r->last;
	if (r->last != KM_LAB_BOOT)
		d->reason = km_printf("%s in the step '%s'", end, km_lab_step_at(lab, r->last)->name);
	else
		d->reason = *r->qemu ? km_printf("%s: %s", end, r->qemu) : km_strdup(end);
}

static void judge(const km_lab *lab, struct km_verdict *d)
{
	const struct km_lab_result *r = &d->result;

	d->step = KM_LAB_BOOT;
	if (r->end != KM_LAB_CLEAN) {
		died(lab, d);
		return;
	}
	for (size_t i = 0; i < r->steps.n && !d->reason; i++) {
		const struct km_lab_step_result *s = &r->steps.at[i];

		if (s->ended && s->status && !tolerated(lab, i)) {
			d->step = i;
			d->reason = step_reason(lab, i, s);
		}
	}
	if (!d->reason && r->findings.n) {
		d->step = r->findings.at[0].step;
		d->reason = km_printf("the kernel's log has %s: %s", r->findings.at[0].reason, r->findings.at[0].line);
	}
	d->pass = !d->reason;
}

static km_error *prove(struct plan *p, const struct km_lab_kernel *kernel, struct km_verdict *ret)
{
	struct km_lab_options options = p->v->options;
	struct km_verdict d = {0};
	km_error *err;

	options.silence = lab_plan_silence(options.silence, p->patch.lookups);
	KM_TRY(km_lab_create(kernel, &p->lab));
	err = make_plan(p);
	if (!err)
		err = km_lab_run(p->lab, &options, &d.result);
	if (!err) {
		d.release = km_strdup(kernel->release);
		d.name = km_strdup(p->patch.module);
		for (size_t i = 0; i < km_lab_steps(p->lab); i++)
			km_strv_push(&d.step_names, km_lab_step_at(p->lab, i)->name);
		judge(p->lab, &d);
		*ret = d;
	}
	km_lab_destroy(p->lab);
	return err;
}

km_error *km_verify(const struct km_verify *v, struct km_verdict *ret)
{
	struct plan p = {.v = v, .limit = v->transition > 0 ? v->transition : TRANSITION};
	struct km_lab_kernel found = {0};
	km_error *err;

	KM_TRY(lab_patch_read(v->file, &p.patch));
	err = v->kernel ? NULL : km_lab_kernel_find(p.patch.release, p.patch.build_id, &found);
	if (!err)
		err = prove(&p, v->kernel ? v->kernel : &found, ret);
	km_lab_kernel_free(&found);
	lab_patch_free(&p.patch);
	free(p.core);
	return err;
}

void km_verdict_free(struct km_verdict *v)
{
	free(v->release);
	free(v->name);
	free(v->reason);
	km_strv_free(&v->step_names);
	km_lab_result_free(&v->result);
	*v = (struct km_verdict){0};
}
