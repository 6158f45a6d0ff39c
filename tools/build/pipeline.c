/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From source diffs to a patch module: the steps, one function each, in the order in which they run. */
#include <sys/resource.h>

#include "build.h"

static km_error *step_kernel(const struct build_job *job, struct build_outcome *out)
{
	KM_TRY(km_kernel_open(&job->kernel, out->stages, &out->kernel));
	km_stage(out->stages, "apply");
	return km_work_open(out->kernel, &out->work);
}

static void judge(struct build_outcome *out, struct km_judgement j)
{
	km_vec_push(&out->judgements, j);
}

/* What the text of the change alone tells. */
static void judge_touched(struct build_outcome *out)
{
	for (size_t i = 0; i < out->touched.n; i++) {
		const struct km_touched *t = &out->touched.at[i];

		if (t->kind == KM_TOUCH_ASM && !t->same_tokens)
			judge(out, (struct km_judgement){
				.severity = KM_REFUSE, .code = "assembly", .file = t->path, .line = 1, .subject = t->path,
				.reason = "hand-written assembly is changed, and code without a fentry call cannot be redirected",
				.next = "make the change in the C functions that call it" });
	}
}

static km_error *step_apply(struct build_job *job, struct build_outcome *out)
{
	KM_TRY(km_patches_hash(&job->patches, job->spec.source_hash));
	KM_TRY(km_work_apply(out->work, &job->patches, &out->touched));
	judge_touched(out);
	km_stage(out->stages, "units");
	KM_TRY(km_units_of(out->work, &out->touched, &out->unit_list, &out->left_out));
	for (size_t i = 0; i < out->unit_list.n; i++)
		km_vec_push(&out->units, (struct build_unit){ .unit = &out->unit_list.at[i] });
	return NULL;
}

/* ---- compile and compare, a unit at a time, several at once ---------------------------------------------------------- */
struct unit_job {
	const struct build_job *job;
	struct build_outcome *out;
	char *dir;
	size_t done; /* atomically */
};

/* Redirects a function, or has something new that other units of the patch may use. */
static bool travels(const km_diff *diff)
{
	for (size_t i = 0; i < diff->items.n; i++) {
		const struct km_change_item *it = &diff->items.at[i];

		if (it->replaces || (it->change == KM_NEW && it->carried && it->carried->bind == STB_GLOBAL))
			return true;
	}
	return false;
}

/* Objects of a unit that turns out not to matter are let go at once: a header can reach hundreds of units. */
static void forget_objects(struct build_unit *u)
{
	km_elf_destroy(u->original);
	km_elf_destroy(u->patched);
	u->original = u->patched = NULL;
}

static km_error *compare_unit(const struct unit_job *uj, struct build_unit *u)
{
	struct km_diff_options opt = {
		.object = u->unit->object, .unit = u->unit->source,
		.orig_path = u->files.original, .patched_path = u->files.patched,
		.allow_data = uj->job->allow_data, .allow_layout = uj->job->allow_layout,
	};

	KM_TRY(km_elf_read_file_flags(u->files.original, KM_ELF_NO_DEBUG, &u->original));
	KM_TRY(km_elf_read_file_flags(u->files.patched, KM_ELF_NO_DEBUG, &u->patched));
	KM_TRY(km_diff_unit(u->original, u->patched, &opt, &u->diff));
	u->travels = u->diff->carry && travels(u->diff);
	if (!u->diff->items.n)
		forget_objects(u);
	return NULL;
}

static km_error *do_unit(void *ctx, size_t i)
{
	struct unit_job *uj = ctx;
	struct build_unit *u = &uj->out->units.at[i];
	km_error *err = km_unit_compile(uj->out->work, u->unit, uj->dir, &u->files);

	if (!err && u->files.patched) {
		err = compare_unit(uj, u);
		if (err)
			err = km_error_add(err, "%s", u->unit->source);
	}
	km_stage_unit(uj->out->stages, __atomic_add_fetch(&uj->done, 1, __ATOMIC_RELAXED), uj->out->units.n, u->unit->source);
	return err;
}

static km_error *step_units(const struct build_job *job, struct build_outcome *out, const char *dir)
{
	struct unit_job uj = { .job = job, .out = out, .dir = km_path(dir, "units") };
	km_error *err = km_mkdirs(uj.dir);

	km_stage(out->stages, "compile and compare");
	if (!err)
		err = km_parallel(out->units.n, job->jobs, do_unit, &uj);
	free(uj.dir);
	return err;
}

/* ---- match ----------------------------------------------------------------------------------------------------------- */
static km_error *match_unit(struct build_outcome *out, struct build_unit *u)
{
	km_object *object = out->kernel->vmlinux;

	if (!u->unit->builtin)
		KM_TRY(km_kernel_module(out->kernel, u->unit->object, &object));
	KM_TRY(km_elf_read_file_flags(u->files.plain, KM_ELF_NO_DEBUG, &u->plain));
	return km_match_create(u->plain, object, out->kernel, &u->match);
}

static km_error *step_match(struct build_outcome *out)
{
	km_stage(out->stages, "match");
	for (size_t i = 0; i < out->units.n; i++) {
		struct build_unit *u = &out->units.at[i];
		if (!u->travels)
			continue;
		km_stage_unit(out->stages, i + 1, out->units.n, u->unit->source);
		km_error *err = match_unit(out, u);
		if (err)
			return km_error_add(err, "%s", u->unit->source);
	}
	return NULL;
}

/* ---- write ----------------------------------------------------------------------------------------------------------- */
/* The diffs travel with what was made of them: NAME.ko.diff, all in one, which `kmend publish` gives to everyone who gets the patch. */
static km_error *write_source(const struct build_job *job)
{
	char *path KM_AUTOFREE = km_printf("%s/%s.ko.diff", job->out_dir, job->name);
	km_str all = { 0 };
	km_error *err = NULL;

	for (size_t i = 0; i < job->patches.n && !err; i++) {
		uint8_t *bytes KM_AUTOFREE = NULL;
		size_t size;

		err = km_file_read(job->patches.at[i], &bytes, &size);
		if (err)
			break;
		km_str_addn(&all, bytes, size);
		if (size && bytes[size - 1] != '\n')
			km_str_add(&all, "\n");
	}
	if (!err)
		err = km_file_write(path, all.at, all.n);
	km_str_free(&all);
	return err;
}

static km_error *step_write(const struct build_job *job, struct build_outcome *out, const char *dir)
{
	km_vec(struct km_patch_unit) units = { 0 };
	enum km_flavour flavour;

	km_stage(out->stages, "write");
	for (size_t i = 0; i < out->units.n; i++) {
		const struct build_unit *u = &out->units.at[i];
		if (u->travels)
			km_vec_push(&units, (struct km_patch_unit){
				.source = u->unit->source, .object = u->unit->object,
				.original = u->original, .diff = u->diff, .match = u->match });
	}
	char *work = km_path(dir, "module");
	km_error *err = km_mkdirs(work);
	if (!err)
		err = km_mkdirs(job->out_dir);
	if (!err)
		err = km_patch_write(out->kernel, units.at, units.n, &job->spec, work, job->out_dir, &out->patch);
	if (!err && build_file(out, &flavour))
		err = write_source(job);
	for (size_t i = 0; !err && i < KM_FLAVOURS; i++)
		if (out->patch.files[i].path)
			err = km_sha256_file(out->patch.files[i].path, out->sha256[i]);
	free(work);
	km_vec_free(&units);
	return err;
}

static bool anything_travels(const struct build_outcome *out)
{
	for (size_t i = 0; i < out->units.n; i++)
		if (out->units.at[i].travels)
			return true;
	return false;
}

static km_error *run_steps(struct build_job *job, struct build_outcome *out, enum build_result *ret)
{
	enum km_flavour flavour;

	KM_TRY(step_kernel(job, out));
	KM_TRY(step_apply(job, out));

	/* The working copy's lock is held by this build alone, and so is what lies beside it; a killed build's is removed here. */
	char *dir KM_AUTOFREE = km_printf("%s.build", km_work_tree(out->work));
	KM_TRY(km_remove_tree(dir));
	KM_TRY(step_units(job, out, dir));
	if (anything_travels(out) && !build_count_judgements(out, KM_REFUSE)) {
		KM_TRY(step_match(out));
		KM_TRY(step_write(job, out, dir));
	}
	KM_TRY(km_remove_tree(dir));

	if (build_count_judgements(out, KM_REFUSE))
		*ret = BUILD_REFUSED;
	else
		*ret = build_file(out, &flavour) ? BUILD_BUILT : BUILD_NOTHING;
	return NULL;
}

enum build_result build_pipeline(struct build_job *job, struct build_outcome *out)
{
	enum build_result result = BUILD_ERROR;
	struct rusage usage;
	double start = km_now();

	*out = (struct build_outcome){ .stages = km_stages_create(job->quiet) };
	out->error = run_steps(job, out, &result);
	km_stages_end(out->stages);
	if (out->error) {
		static const enum build_result of_exit[] = { BUILD_BUILT, BUILD_ERROR, BUILD_REFUSED, BUILD_NOTHING };
		result = of_exit[km_error_exit(out->error) & 3];
	}
	out->seconds = km_now() - start;
	km_cpu_used(&out->own_cpu, &out->child_cpu);
	getrusage(RUSAGE_SELF, &usage);
	out->own_peak_kb = usage.ru_maxrss;
	return result;
}

void build_outcome_free(struct build_outcome *out)
{
	km_patch_result_free(&out->patch);
	for (size_t i = 0; i < out->units.n; i++) {
		struct build_unit *u = &out->units.at[i];
		km_match_destroy(u->match);
		km_diff_destroy(u->diff);
		forget_objects(u);
		km_elf_destroy(u->plain);
		km_unit_objects_free(&u->files);
	}
	km_vec_free(&out->units);
	km_vec_free(&out->judgements);
	km_unit_list_free(&out->unit_list);
	km_left_out_free(&out->left_out);
	km_touched_free(&out->touched);
	if (out->work)
		km_work_close(out->work);
	if (out->kernel)
		km_kernel_close(out->kernel);
	km_stages_destroy(out->stages);
	km_error_free(out->error);
}
