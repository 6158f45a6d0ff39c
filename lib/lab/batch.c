/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many patches, few boots. Each patch is a group of steps; a guest takes patch after patch until one fails or
 * leaves a mark in the log, and a new guest goes on behind it.
 */
#include "internal.h"
#include "plan.h"

#include <sys/stat.h>

enum { TRANSITION = 60, PER_BOOT = 64, BOOT_BYTES = 128 << 20, SECONDS_EACH = 60 };

struct entry {
	struct lab_patch patch;
	size_t first, last; /* its steps in the present lab */
};

struct batch {
	const struct km_batch *b;
	struct entry *entries;
	size_t n; /* of those that could be read */
	km_lab *lab;
	char *core;	 /* kmend.ko, or NULL */
	size_t from, to; /* the entries of the present lab */
	km_batch_result *result;
};

/* ---- the plan -------------------------------------------------------------------------------------------- */

static km_error *add_entry(struct batch *batch, size_t i, double limit)
{
	struct entry *e = &batch->entries[i];
	struct km_lab_step like = {.group = i}, soft = {.group = i, .soft = true};
	km_lab *lab = batch->lab;

	e->first = km_lab_steps(lab);
	/* Names may repeat in a batch (the same patch built twice): a place for each. */
	free(e->patch.guest);
	e->patch.guest = km_printf("/kmend/patches/%zu/%s.ko", i, e->patch.module);
	KM_TRY(km_lab_carry(lab, e->patch.file, e->patch.guest));
	KM_TRY(lab_plan_core(lab, &e->patch, &like, batch->b->core, &batch->core));
	for (size_t j = 0; j < e->patch.objects.n; j++)
		if (km_lab_has_module(lab, e->patch.objects.at[j]))
			KM_TRY(km_lab_module(lab, &soft, e->patch.objects.at[j]));
	lab_plan_load(lab, &e->patch, &like, limit);
	lab_plan_patched(lab, &e->patch, &like);
	km_lab_step(lab, &(struct km_lab_step){.kind = KM_LAB_RUN, .name = "workload", .group = i, .timeout = 60},
		    (const char *const[]){"kmend-workload", "--seconds", "0.3", "--quiet", NULL});
	lab_plan_unload(lab, &e->patch, &like, limit);
	e->last = km_lab_steps(lab) - 1;
	return NULL;
}

static size_t file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (size_t)st.st_size;
}

/* Fills a lab with entries from batch->from on, as many as a guest's memory takes. */
static km_error *fill(struct batch *batch, const struct km_lab_kernel *kernel)
{
	double limit = batch->b->transition > 0 ? batch->b->transition : TRANSITION;
	size_t bytes = 0;

	KM_TRY(km_lab_create(kernel, &batch->lab));
	for (batch->to = batch->from; batch->to < batch->n && batch->to - batch->from < PER_BOOT; batch->to++) {
		bytes += file_size(batch->entries[batch->to].patch.file);
		if (batch->to > batch->from && bytes > BOOT_BYTES)
			break;
		KM_TRY(add_entry(batch, batch->to, limit));
	}
	return NULL;
}

/* options.after: false at the end of a patch that failed or when the log has a finding. */
static bool go_on(void *ctx, size_t step, const struct km_lab_result *sofar)
{
	const struct batch *batch = ctx;
	const struct km_lab_step *s = km_lab_step_at(batch->lab, step);

	if (sofar->steps.at[step].status && !s->soft)
		return false;
	return !sofar->findings.n || step != batch->entries[s->group].last;
}

/* ---- what came of it ------------------------------------------------------------------------------------- */

static char *reason_of(const struct batch *batch, const struct km_lab_result *r, const struct entry *e, km_str *output)
{
	for (size_t i = e->first; i <= e->last; i++) {
		const struct km_lab_step *step = km_lab_step_at(batch->lab, i);
		const struct km_lab_step_result *s = &r->steps.at[i];
		KM_AUTOFREE char *line = NULL;

		if (s->ended && (!s->status || step->soft))
			continue;
		if (s->output.n)
			km_str_addn(output, s->output.at, s->output.n);
		if (!s->ended)
			return km_printf("%s in the step '%s'", km_lab_end_text(r->end), step->name);
		line = lab_last_line(&s->output);
		return km_printf("%s: %s", step->name, *line ? line : "failed");
	}
	return NULL;
}

static void gather(const struct batch *batch, const struct km_lab_result *r, const struct entry *e,
		   struct km_batch_entry *ret)
{
	for (size_t i = e->first; i <= e->last; i++) {
		const struct km_lab_step_result *s = &r->steps.at[i];
		enum km_lab_kind kind = km_lab_step_at(batch->lab, i)->kind;

		ret->seconds += s->seconds;
		if (kind == KM_LAB_LOAD)
			ret->transition = s->transition;
		if (kind == KM_LAB_UNLOAD)
			ret->transition_back = s->transition;
		if (kind == KM_LAB_INSMOD && s->ended && s->status) {
			KM_AUTOFREE char *line = lab_last_line(&s->output);

			km_strv_push(&ret->modules_absent, line);
		}
	}
	for (size_t i = 0; i < r->findings.n; i++)
		if (r->findings.at[i].step >= e->first && r->findings.at[i].step <= e->last)
			km_strv_push(&ret->findings, r->findings.at[i].line);
}

static void add_result(struct batch *batch, const struct km_lab_result *r, struct entry *e)
{
	struct km_batch_entry out = {
		.file = km_strdup(e->patch.file),
		.name = km_strdup(e->patch.module),
		.transition = -1,
		.transition_back = -1,
	};

	for (size_t i = 0; i < e->patch.objects.n; i++)
		if (!km_lab_has_module(batch->lab, e->patch.objects.at[i]))
			km_strv_printf(&out.modules_absent, "%s: not shipped with this kernel", e->patch.objects.at[i]);
	gather(batch, r, e, &out);
	out.reason = reason_of(batch, r, e, &out.output);
	if (!out.reason && out.findings.n)
		out.reason = km_printf("the kernel's log has %s: %s", km_lab_finding(out.findings.at[0]),
				       out.findings.at[0]);
	out.pass = !out.reason;
	km_vec_push(batch->result, out);
	if (batch->b->done)
		batch->b->done(batch->b->done_ctx, &out);
}

/* Whether the present guest settled an entry: its last step ended, one failed, or the guest died in it. */
static bool settled(const struct batch *batch, const struct km_lab_result *r, const struct entry *e)
{
	for (size_t i = e->first; i <= e->last; i++) {
		const struct km_lab_step_result *s = &r->steps.at[i];

		if (!s->ended)
			return s->begun && r->end != KM_LAB_STOPPED && r->end != KM_LAB_CLEAN;
		if (s->status && !km_lab_step_at(batch->lab, i)->soft)
			return true;
	}
	return true;
}

static km_error *collect(struct batch *batch, const struct km_lab_result *r)
{
	size_t from = batch->from;

	while (batch->from < batch->to && settled(batch, r, &batch->entries[batch->from]))
		add_result(batch, r, &batch->entries[batch->from++]);
	if (batch->from == from) {
		KM_AUTOFREE char *tail = km_lab_printable(r->log.at, r->log.n < 2000 ? r->log.n : 2000);

		return km_error_new(KM_ENV, "the guest did not come to the first patch: %s\n%s%s",
				    km_lab_end_text(r->end), r->qemu, tail);
	}
	return NULL;
}

/* ---- boots ----------------------------------------------------------------------------------------------- */

static size_t most_lookups(const struct batch *batch)
{
	size_t most = 0;

	for (size_t i = batch->from; i < batch->to; i++)
		if (batch->entries[i].patch.lookups > most)
			most = batch->entries[i].patch.lookups;
	return most;
}

static km_error *boot_once(struct batch *batch, const struct km_lab_kernel *kernel)
{
	struct km_lab_options options = batch->b->options;
	struct km_lab_result r;
	km_error *err = fill(batch, kernel);

	if (!err) {
		options.after = go_on;
		options.ctx = batch;
		/* With one CPU a transition is over at once; with more the kernel waits a second for the idle task
		 * of each. */
		if (!options.smp)
			options.smp = 1;
		options.silence = lab_plan_silence(options.silence, most_lookups(batch));
		if (options.timeout <= 0)
			options.timeout = 120 + SECONDS_EACH * (double)(batch->to - batch->from);
		err = km_lab_run(batch->lab, &options, &r);
	}
	if (!err) {
		err = collect(batch, &r);
		km_lab_result_free(&r);
	}
	km_lab_destroy(batch->lab);
	batch->lab = NULL;
	return err;
}

/* A file that is no patch fails by itself, before any boot. */
static void add_unreadable(struct batch *batch, const char *file, km_error *err)
{
	char *name = lab_module_name(file);
	struct km_batch_entry out = {
		.file = km_strdup(file),
		.name = name ? name : km_strdup(file),
		.reason = km_strdup(err->message),
		.transition = -1,
		.transition_back = -1,
	};

	km_error_free(err);
	km_vec_push(batch->result, out);
	if (batch->b->done)
		batch->b->done(batch->b->done_ctx, &out);
}

static void read_all(struct batch *batch)
{
	for (size_t i = 0; i < batch->b->files.n; i++) {
		km_error *err = lab_patch_read(batch->b->files.at[i], &batch->entries[batch->n].patch);

		if (err)
			add_unreadable(batch, batch->b->files.at[i], err);
		else
			batch->n++;
	}
}

static km_error *run_all(struct batch *batch, size_t *boots)
{
	const struct km_lab_kernel *kernel = batch->b->kernel;
	struct km_lab_kernel found = {0};
	km_error *err;

	read_all(batch);
	err = kernel || !batch->n ? NULL : km_lab_kernel_find(batch->entries[0].patch.release, batch->entries[0].patch.build_id, &found);
	for (*boots = 0; batch->from < batch->n && !err; ++*boots)
		err = boot_once(batch, kernel ? kernel : &found);
	km_lab_kernel_free(&found);
	return err;
}

km_error *km_batch(const struct km_batch *b, size_t *boots, km_batch_result *ret)
{
	km_batch_result result = {0};
	struct batch batch = {.b = b, .result = &result};
	size_t count = 0;
	km_error *err;

	batch.entries = km_calloc(b->files.n + 1, sizeof(*batch.entries));
	err = run_all(&batch, &count);
	for (size_t i = 0; i < batch.n; i++)
		lab_patch_free(&batch.entries[i].patch);
	free(batch.entries);
	free(batch.core);
	if (err) {
		km_batch_result_free(&result);
		return err;
	}
	*boots = count;
	*ret = result;
	return NULL;
}

void km_batch_result_free(km_batch_result *r)
{
	for (size_t i = 0; i < r->n; i++) {
		struct km_batch_entry *e = &r->at[i];

		free(e->file);
		free(e->name);
		free(e->reason);
		km_strv_free(&e->modules_absent);
		km_str_free(&e->output);
		km_strv_free(&e->findings);
	}
	km_vec_free(r);
}
