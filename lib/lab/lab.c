/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a lab is made of: files, modules and steps. */
#include "internal.h"

#include <kmend/kernel.h>

#include "content.h"
#include "job.h"

enum { STEP_LIMIT = 120, MODULE_MAX = 256 << 20 };

static const char *const kind_words[] = {
	[KM_LAB_RUN] = "run",	  [KM_LAB_START] = "start", [KM_LAB_STOP] = "stop",	  [KM_LAB_INSMOD] = "insmod",
	[KM_LAB_RMMOD] = "rmmod", [KM_LAB_LOAD] = "load",   [KM_LAB_PATCHED] = "patched", [KM_LAB_UNLOAD] = "unload",
};

km_error *km_lab_create(const struct km_lab_kernel *kernel, km_lab **ret)
{
	km_lab *lab = km_calloc(1, sizeof(*lab));
	km_error *err = NULL;

	lab->kernel = kernel;
	lab_cpio_init(&lab->cpio);
	if (kernel->modules)
		err = lab_modules_open(kernel->modules, &lab->modules);
	if (!err)
		err = lab_content_skeleton(&lab->cpio);
	if (err) {
		km_lab_destroy(lab);
		return err;
	}
	*ret = lab;
	return NULL;
}

void km_lab_destroy(km_lab *lab)
{
	if (!lab)
		return;
	lab_modules_close(lab->modules);
	lab_cpio_deinit(&lab->cpio);
	lab_devices_free(&lab->devices);
	km_strv_free(&lab->carried);
	for (size_t i = 0; i < lab->steps.n; i++)
		free((char *)lab->steps.at[i].name);
	km_vec_free(&lab->steps);
	km_str_free(&lab->job);
	free(lab);
}

/* ---- files ----------------------------------------------------------------------------------------------- */

km_error *km_lab_carry(km_lab *lab, const char *path, const char *guest_path)
{
	KM_AUTOFREE char *real = NULL;
	KM_AUTOFREE char *guest = NULL;

	if (guest_path && *guest_path == '/') {
		guest = km_strdup(guest_path);
	} else if (guest_path) {
		guest = km_path(LAB_HOME, guest_path);
	} else {
		real = realpath(path, NULL);
		if (!real || !strcmp(real, "/"))
			return km_error_new(KM_USAGE, "cannot carry %s: no such file or directory", path);
		/* Under the name that was said, a symlink's own; "." and ".." have none. */
		const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;

		if (!*base || !strcmp(base, ".") || !strcmp(base, ".."))
			base = strrchr(real, '/') + 1;
		guest = km_path(LAB_HOME, base);
	}
	return lab_content_carry(&lab->cpio, path, guest);
}

km_error *km_lab_carry_word(km_lab *lab, const char *word)
{
	const char *colon = strchr(word, ':');
	KM_AUTOFREE char *path = colon ? km_strndup(word, colon - word) : km_strdup(word);

	return km_lab_carry(lab, path, colon && colon[1] ? colon + 1 : NULL);
}

void km_lab_carry_bytes(km_lab *lab, const char *guest_path, unsigned mode, const void *bytes, size_t n)
{
	km_error_free(lab_cpio_file(&lab->cpio, guest_path, mode, bytes, n)); /* the path is a caller's constant */
}

/* ---- modules --------------------------------------------------------------------------------------------- */

bool km_lab_has_module(const km_lab *lab, const char *name)
{
	return lab->modules && lab_modules_path(lab->modules, name);
}

char *lab_guest_module(const struct km_lab *lab, const char *name)
{
	return km_printf("/lib/modules/%s/kernel/%s.ko", lab->kernel->release, name);
}

/* Into the guest, decompressed: not every kernel can do that itself. */
static km_error *put_module(km_lab *lab, const char *name)
{
	const char *path = lab_modules_path(lab->modules, name);
	KM_AUTOFREE char *guest = lab_guest_module(lab, name);
	KM_AUTOFREE uint8_t *bytes = NULL;
	KM_AUTOFREE uint8_t *plain = NULL;
	size_t n, plain_n;
	km_error *err;

	KM_TRY(km_file_read(path, &bytes, &n));
	err = km_decompress(bytes, n, MODULE_MAX, &plain, &plain_n);
	if (err)
		return km_error_add(err, "cannot unpack %s", path);
	return lab_cpio_file(&lab->cpio, guest, 0644, plain, plain_n);
}

static km_error *carry_closure(km_lab *lab, const char *name, km_strv *closure)
{
	if (!lab->modules)
		return km_error_hint(km_error_new(KM_USAGE,
						  "the module %s cannot be found: the kernel was given without modules",
						  name),
				     "--modules DIR names /lib/modules/RELEASE");
	KM_TRY(lab_modules_closure(lab->modules, name, closure));
	for (size_t i = 0; i < closure->n; i++) {
		if (km_strv_has(&lab->carried, closure->at[i]))
			continue;
		KM_TRY(put_module(lab, closure->at[i]));
		km_strv_push(&lab->carried, closure->at[i]);
	}
	return NULL;
}

km_error *km_lab_module_carry(km_lab *lab, const char *name)
{
	km_strv closure = {0};
	km_error *err = carry_closure(lab, name, &closure);

	km_strv_free(&closure);
	return err;
}

km_error *km_lab_module(km_lab *lab, const struct km_lab_step *like, const char *name)
{
	km_strv closure = {0};
	km_error *err = carry_closure(lab, name, &closure);

	for (size_t i = 0; i < closure.n && !err; i++) {
		KM_AUTOFREE char *path = lab_guest_module(lab, closure.at[i]);
		KM_AUTOFREE char *text = km_printf("insert %s", closure.at[i]);
		struct km_lab_step step = *like;

		step.kind = KM_LAB_INSMOD;
		step.name = text;
		km_lab_step(lab, &step, (const char *const[]){path, NULL});
	}
	km_strv_free(&closure);
	return err;
}

/* ---- steps ----------------------------------------------------------------------------------------------- */

static void job_field(km_str *job, const char *text)
{
	km_str_addn(job, text, strlen(text) + 1);
}

size_t km_lab_step(km_lab *lab, const struct km_lab_step *step, const char *const *args)
{
	struct km_lab_step own = *step;
	size_t argc = 0;

	own.name = km_strdup(step->name);
	if (own.timeout <= 0)
		own.timeout = STEP_LIMIT;
	while (args && args[argc])
		argc++;
	job_field(&lab->job, kind_words[own.kind]);
	km_str_printf(&lab->job, "%u", own.group);
	job_field(&lab->job, "");
	km_str_printf(&lab->job, "%s%s%s", own.always ? "a" : "", own.soft ? "s" : "", own.fatal ? "f" : "");
	job_field(&lab->job, "");
	km_str_printf(&lab->job, "%.3f", own.timeout);
	job_field(&lab->job, "");
	km_str_printf(&lab->job, "%zu", argc);
	job_field(&lab->job, "");
	for (size_t i = 0; i < argc; i++)
		job_field(&lab->job, args[i]);
	km_vec_push(&lab->steps, own);
	return lab->steps.n - 1;
}

size_t km_lab_steps(const km_lab *lab)
{
	return lab->steps.n;
}

const struct km_lab_step *km_lab_step_at(const km_lab *lab, size_t i)
{
	return &lab->steps.at[i];
}
