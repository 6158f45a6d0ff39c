/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The report that a script reads; its keys are documented in kmend-build(1). */
#include <errno.h>
#include <jansson.h>

#include "build.h"

static const char *const result_names[] = {
	[BUILD_BUILT] = "built", [BUILD_ERROR] = "error", [BUILD_REFUSED] = "refused", [BUILD_NOTHING] = "nothing",
};
static const char *const change_names[] = {
	[KM_SAME] = "same", [KM_CHANGED] = "changed", [KM_NEW] = "new", [KM_REMOVED] = "removed",
};
static const char *const severity_names[] = { [KM_NOTE] = "note", [KM_RISK] = "risk", [KM_REFUSE] = "refuse" };

/* Compilers and file names may hold bytes that are no UTF-8; they become '?'. */
static json_t *text(const char *s)
{
	if (!s)
		return json_null();
	json_t *j = json_string(s);
	if (j)
		return j;
	char *plain KM_AUTOFREE = km_strdup(s);
	for (char *c = plain; *c; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	return json_string(plain);
}

static json_t *texts(const km_strv *v)
{
	json_t *a = json_array();

	for (size_t i = 0; i < v->n; i++)
		json_array_append_new(a, text(v->at[i]));
	return a;
}

static json_t *hex(const uint8_t *bytes, size_t n)
{
	char *s KM_AUTOFREE = km_calloc(2 * n + 1, 1);

	km_hex(bytes, n, s);
	return json_string(s);
}

static json_t *kernel_json(const km_kernel *k)
{
	json_t *j = json_object();

	json_object_set_new(j, "release", text(k->release));
	json_object_set_new(j, "package", text(k->package_version));
	json_object_set_new(j, "arch", text(k->arch));
	json_object_set_new(j, "build_id", hex(k->vmlinux->build_id, k->vmlinux->build_id_len));
	json_object_set_new(j, "compiler", text(k->compiler_text));
	return j;
}

static json_t *signature_json(const struct km_patch_file *file)
{
	const struct km_modsig *sig = &file->signature;
	json_t *j;

	if (!sig->there)
		return json_null();
	j = json_object();
	json_object_set_new(j, "issuer", text(sig->issuer));
	json_object_set_new(j, "serial", text(sig->serial));
	json_object_set_new(j, "hash", text(sig->hash));
	json_object_set_new(j, "unsigned_size", json_integer((json_int_t)sig->body));
	json_object_set_new(j, "unsigned_sha256", text(file->unsigned_sha256));
	return j;
}

static json_t *file_json(const struct build_outcome *out, enum km_flavour flavour)
{
	const struct km_patch_file *file = &out->patch.files[flavour];
	json_t *j = json_object();

	json_object_set_new(j, "flavour", text(km_flavour_name(flavour)));
	json_object_set_new(j, "file", text(file->path));
	json_object_set_new(j, "size", json_integer((json_int_t)file->size));
	json_object_set_new(j, "sha256", text(out->sha256[flavour]));
	json_object_set_new(j, "signature", signature_json(file));
	return j;
}

/* The first file stands in the patch itself; with two flavours `files` lists both. */
static void add_files(json_t *patch, const struct build_outcome *out)
{
	json_t *files = json_array(), *first;
	enum km_flavour flavour;

	if (build_file(out, &flavour)) {
		first = file_json(out, flavour);
		json_object_update(patch, first);
		json_decref(first);
	}
	for (flavour = 0; flavour < KM_FLAVOURS; flavour++)
		if (out->patch.files[flavour].path)
			json_array_append_new(files, file_json(out, flavour));
	if (json_array_size(files))
		json_object_set(patch, "files", files);
	json_decref(files);
}

static json_t *patch_json(const struct build_job *job, const struct build_outcome *out)
{
	json_t *j = json_object();

	json_object_set_new(j, "name", text(job->name));
	json_object_set_new(j, "version", text(job->spec.version));
	json_object_set_new(j, "source_hash", text(job->spec.source_hash));
	json_object_set_new(j, "cves", texts(&job->spec.cves));
	json_object_set_new(j, "severity", text(job->spec.severity));
	json_object_set_new(j, "description", text(job->spec.description));
	json_object_set_new(j, "replace", json_boolean(job->spec.replace));
	json_object_set_new(j, "flags", texts(&job->spec.flags));
	json_object_set_new(j, "sources", texts(&job->patches));
	add_files(j, out);
	return j;
}

static json_t *item_json(const struct build_outcome *out, const struct build_unit *u, const struct km_change_item *item)
{
	json_t *j = json_object();
	const char *orig_name = item->orig ? item->orig->name : item->name;
	const struct km_patch_func *placed = item->replaces ? build_placed(out, u, orig_name) : NULL;

	json_object_set_new(j, "name", text(item->name));
	json_object_set_new(j, "kind", text(item->kind));
	json_object_set_new(j, "change", text(change_names[item->change]));
	json_object_set_new(j, "included", json_boolean(item->included));
	json_object_set_new(j, "replaces", json_boolean(item->replaces));
	if (item->why != KM_WHY_NOT)
		json_object_set_new(j, "why", text(km_why_text(item->why)));
	if (item->detail)
		json_object_set_new(j, "detail", text(item->detail));
	if (item->file) {
		json_object_set_new(j, "file", text(item->file));
		json_object_set_new(j, "line", json_integer(item->line));
	}
	if (placed) {
		json_object_set_new(j, "sympos", json_integer(placed->sympos));
		json_object_set_new(j, "size", json_integer((json_int_t)placed->size));
		json_object_set_new(j, "matched", json_boolean(placed->matched));
		json_object_set_new(j, "expected", hex(placed->expected, KM_SHA256_LEN));
	}
	return j;
}

static json_t *unit_json(const struct build_outcome *out, const struct build_unit *u)
{
	json_t *j = json_object(), *items = json_array();

	json_object_set_new(j, "source", text(u->unit->source));
	json_object_set_new(j, "object", text(u->unit->object));
	json_object_set_new(j, "why", text(u->unit->why_text));
	json_object_set_new(j, "same_tokens", json_boolean(u->files.same_tokens));
	json_object_set_new(j, "original_from_cache", json_boolean(u->files.from_cache));
	json_object_set_new(j, "compile_cpu", json_real(u->files.compile_cpu));
	for (size_t i = 0; u->diff && i < u->diff->items.n; i++)
		json_array_append_new(items, item_json(out, u, &u->diff->items.at[i]));
	json_object_set_new(j, "items", items);
	return j;
}

static void add_judgement(void *ctx, const char *unit, const struct km_judgement *j)
{
	json_t *o = json_object();

	json_object_set_new(o, "severity", text(severity_names[j->severity]));
	json_object_set_new(o, "code", text(j->code));
	json_object_set_new(o, "unit", text(unit));
	json_object_set_new(o, "subject", text(j->subject));
	json_object_set_new(o, "file", text(j->file));
	json_object_set_new(o, "line", json_integer(j->line));
	json_object_set_new(o, "reason", text(j->reason));
	json_object_set_new(o, "next", text(j->next));
	json_array_append_new(ctx, o);
}

static json_t *left_out_json(const struct build_outcome *out)
{
	json_t *a = json_array();

	for (size_t i = 0; i < out->left_out.n; i++) {
		json_t *o = json_object();
		json_object_set_new(o, "path", text(out->left_out.at[i].path));
		json_object_set_new(o, "reason", text(out->left_out.at[i].reason));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *times_json(const struct build_outcome *out)
{
	json_t *a = json_array();

	for (size_t i = 0; i < km_stages_count(out->stages); i++) {
		double wall, own, child;
		const char *name = km_stages_at(out->stages, i, &wall, &own, &child);
		json_t *o = json_object();
		json_object_set_new(o, "stage", text(name));
		json_object_set_new(o, "wall", json_real(wall));
		json_object_set_new(o, "own_cpu", json_real(own));
		json_object_set_new(o, "tools_cpu", json_real(child));
		json_array_append_new(a, o);
	}
	return a;
}

static json_t *error_json(const km_error *err)
{
	json_t *j = json_object();

	json_object_set_new(j, "message", text(err->message));
	json_object_set_new(j, "hint", text(err->hint));
	return j;
}

static json_t *hunks_json(const struct build_outcome *out)
{
	unsigned moved = 0, fuzzy = 0;
	json_t *j = json_object();

	if (out->work)
		km_work_hunks(out->work, &moved, &fuzzy);
	json_object_set_new(j, "moved", json_integer(moved));
	json_object_set_new(j, "fuzzy", json_integer(fuzzy));
	return j;
}

static json_t *whole(const struct build_job *job, const struct build_outcome *out, enum build_result result)
{
	json_t *j = json_object(), *units = json_array(), *judgements = json_array();

	json_object_set_new(j, "tool", text("kmend " KMEND_VERSION));
	json_object_set_new(j, "result", text(result_names[result]));
	json_object_set_new(j, "exit", json_integer(result));
	json_object_set_new(j, "error", out->error ? error_json(out->error) : json_null());
	json_object_set_new(j, "kernel", out->kernel ? kernel_json(out->kernel) : json_null());
	json_object_set_new(j, "patch", patch_json(job, out));
	json_object_set_new(j, "hunks", hunks_json(out));
	for (size_t i = 0; i < out->units.n; i++)
		json_array_append_new(units, unit_json(out, &out->units.at[i]));
	json_object_set_new(j, "units", units);
	json_object_set_new(j, "left_out", left_out_json(out));
	build_each_judgement(out, add_judgement, judgements);
	json_object_set_new(j, "judgements", judgements);
	json_object_set_new(j, "times", times_json(out));
	json_object_set_new(j, "seconds", json_real(out->seconds));
	json_object_set_new(j, "own_cpu", json_real(out->own_cpu));
	json_object_set_new(j, "tools_cpu", json_real(out->child_cpu));
	json_object_set_new(j, "own_peak_kb", json_integer(out->own_peak_kb));
	return j;
}

km_error *build_report_json(const struct build_job *job, const struct build_outcome *out, enum build_result result,
			    const char *path)
{
	json_t *j = whole(job, out, result);
	char *dump KM_AUTOFREE = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(6));

	json_decref(j);
	if (!dump)
		km_oom();
	char *line KM_AUTOFREE = km_printf("%s\n", dump);
	if (strcmp(path, "-"))
		return km_file_write(path, line, strlen(line));
	fputs(line, stdout);
	return fflush(stdout) ? km_error_sys(errno, "standard output") : NULL;
}
