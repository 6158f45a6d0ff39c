/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's own Kbuild, without its top Makefile: that one is run once, only to learn the environment that it gives
 * to scripts/Makefile.build, which then compiles a single unit in a second where a `make fs/file.o` needs twenty.
 */
#include <errno.h>
#include <unistd.h>

#include "prepared.h"

/* What make tells its children about itself would make them believe that they run below another make. */
static bool is_noise(const char *var)
{
	static const char *const names[] = {
		"MAKEFLAGS=",	 "MFLAGS=",    "MAKEOVERRIDES=", "MAKEFILES=", "MAKELEVEL=", "MAKE_TERMOUT=",
		"MAKE_TERMERR=", "KMEND_OUT=", "SHLVL=",	 "OLDPWD=",    "_=",	     "PWD="};

	for (size_t i = 0; i < KM_COUNT(names); i++)
		if (km_starts(var, names[i]))
			return true;
	return false;
}

/* PATH and HOME come from the run, the rest from the capture. */
static const char *from_user(const char *name, const char *fallback)
{
	const char *value = getenv(name);

	return value && *value ? value : fallback;
}

static const char system_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static km_error *keep_capture(const char *raw, const char *to)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	km_str kept = {0};
	km_error *err;
	size_t size;

	KM_TRY(km_file_read(raw, &bytes, &size));
	for (const char *at = (char *)bytes; at < (char *)bytes + size; at += strlen(at) + 1)
		if (!is_noise(at))
			km_str_addn(&kept, at, strlen(at) + 1);
	km_str_addn(&kept, "MAKEFLAGS=rR", sizeof("MAKEFLAGS=rR"));
	err = km_file_write(to, kept.at, kept.n);
	km_str_free(&kept);
	return err;
}

km_error *kbuild_capture(const char *tree, const char *release, const char *compiler, const char *to)
{
	static const char makefile[] = "kmend-env:\n\t@env -0 > $(KMEND_OUT)\n";
	KM_AUTOFREE char *mk = km_printf("%s.mk", to);
	KM_AUTOFREE char *raw = km_printf("%s.raw", to);
	KM_CLEANUP(km_strv_free) km_strv args = {0};
	KM_CLEANUP(km_strv_free) km_strv env = {0};
	struct km_cmd cmd = {.dir = tree, .timeout = 300};
	km_error *err;

	KM_TRY(km_file_write(mk, makefile, strlen(makefile)));
	km_strv_printf(&env, "PATH=%s", from_user("PATH", system_path));
	km_strv_printf(&env, "HOME=%s", from_user("HOME", "/"));
	km_strv_push(&env, "LANG=C");
	/* Not with -f: the top Makefile may run itself once more, and names only itself then. */
	km_strv_printf(&env, "MAKEFILES=%s", mk);
	km_strv_push(&env, "KBUILD_BUILD_TIMESTAMP=Thu Jan  1 00:00:00 UTC 1970");
	km_strv_push(&env, "KBUILD_BUILD_USER=kmend");
	km_strv_push(&env, "KBUILD_BUILD_HOST=kmend");
	km_strv_push(&args, "make");
	km_strv_push(&args, "-s");
	km_strv_push(&args, "ARCH=x86");
	km_strv_printf(&args, "KERNELRELEASE=%s", release);
	km_strv_printf(&args, "CC=%s", compiler);
	km_strv_printf(&args, "KMEND_OUT=%s", raw);
	km_strv_push(&args, "kmend-env");
	cmd.argv = km_strv_argv(&args);
	cmd.env = km_strv_argv(&env);
	err = km_run_ok(&cmd, NULL);
	if (!err)
		err = keep_capture(raw, to);
	unlink(mk);
	unlink(raw);
	return err ? km_error_add(err, "cannot learn Kbuild's environment") : NULL;
}

km_error *kbuild_env_read(const char *path, km_strv *ret)
{
	KM_AUTOFREE uint8_t *bytes = NULL;
	size_t size;

	KM_TRY(km_file_read(path, &bytes, &size));
	for (const char *at = (char *)bytes; at < (char *)bytes + size; at += strlen(at) + 1)
		km_strv_push(ret, at);
	return NULL;
}

static void env_set(km_strv *env, const char *name, size_t n, const char *value, bool append)
{
	for (size_t i = 0; i < env->n; i++) {
		char *old = env->at[i];

		if (strncmp(old, name, n) || old[n] != '=')
			continue;
		env->at[i] = append ? km_printf("%s %s", old, value) : km_printf("%.*s=%s", (int)n, name, value);
		free(old);
		return;
	}
	km_strv_printf(env, "%.*s=%s", (int)n, name, value);
}

void kbuild_env(const km_kernel *k, const char *tree, const km_strv *extra, km_strv *ret)
{
	const struct kernel_priv *priv = k->priv;
	static const char *const tree_paths[] = {"abs_srctree", "abs_objtree", "PWD"};

	for (size_t i = 0; i < priv->env.n; i++)
		km_strv_push(ret, priv->env.at[i]);
	env_set(ret, "PATH", 4, from_user("PATH", system_path), false);
	env_set(ret, "HOME", 4, from_user("HOME", "/"), false);
	for (size_t i = 0; i < KM_COUNT(tree_paths); i++)
		env_set(ret, tree_paths[i], strlen(tree_paths[i]), tree, false);
	for (size_t i = 0; extra && i < extra->n; i++) {
		const char *var = extra->at[i], *eq = strchr(var, '=');
		bool append = eq > var && eq[-1] == '+';

		env_set(ret, var, (size_t)(eq - var) - append, eq + 1, append);
	}
}

km_error *kbuild_run(const km_kernel *k, const char *tree, const km_strv *extra, const km_strv *args,
		     struct km_done *done)
{
	KM_CLEANUP(km_strv_free) km_strv env = {0};
	KM_CLEANUP(km_strv_free) km_strv argv = {0};
	struct km_cmd cmd = {.dir = tree};

	kbuild_env(k, tree, extra, &env);
	km_strv_push(&argv, "make");
	for (size_t i = 0; i < args->n; i++)
		km_strv_push(&argv, args->at[i]);
	cmd.argv = km_strv_argv(&argv);
	cmd.env = km_strv_argv(&env);
	return km_run(&cmd, done);
}
