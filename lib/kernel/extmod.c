/* SPDX-License-Identifier: GPL-2.0-or-later */
/* External modules, by the kernel's own Kbuild in the prepared tree. */
#include "prepared.h"

km_error *km_module_build(km_kernel *k, const char *dir, const char *name, const km_strv *more)
{
	KM_AUTOFREE char *real = realpath(dir, NULL);
	KM_AUTOFREE char *ko = real ? km_printf("%s/%s.ko", real, name) : NULL;
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	KM_CLEANUP(km_strv_free) km_strv env = {0};
	struct km_cmd cmd = {.dir = k->headers};
	struct km_done done;
	km_error *err = NULL;

	if (!real)
		return km_error_new(KM_ENV, "%s is no directory", dir);
	kbuild_env(k, k->headers, NULL, &env);
	km_strv_push(&args, "env");
	km_strv_push(&args, "-i");
	for (size_t i = 0; i < env.n; i++) /* the top Makefile works all else out again */
		if (km_starts(env.at[i], "PATH=") || km_starts(env.at[i], "HOME=") || km_starts(env.at[i], "LANG=") ||
		    km_starts(env.at[i], "KBUILD_BUILD_"))
			km_strv_push(&args, env.at[i]);
	km_strv_push(&args, "make");
	km_strv_push(&args, "-s");
	km_strv_push(&args, "ARCH=x86");
	km_strv_printf(&args, "KERNELRELEASE=%s", k->release);
	km_strv_printf(&args, "CC=%s", k->compiler);
	km_strv_printf(&args, "M=%s", real);
	km_strv_push(&args, "KBUILD_MODPOST_WARN=1");
	km_strv_push(&args, "CONFIG_DEBUG_INFO_BTF_MODULES=");
	for (size_t i = 0; more && i < more->n; i++)
		km_strv_push(&args, more->at[i]);
	km_strv_push(&args, "modules");
	cmd.argv = km_strv_argv(&args);
	KM_TRY(km_run(&cmd, &done));
	if (done.status || !km_exists(ko)) {
		const char *text = *done.err ? done.err : done.out;
		size_t n = strlen(text);

		err = km_error_new(KM_BUG, "Kbuild cannot make %s.ko:\n%s", name, n > 3000 ? text + n - 3000 : text);
	}
	km_done_free(&done);
	return err;
}
