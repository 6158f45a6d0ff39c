/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend.ko for the guest: patches of the flavour core need it there before them. */
#include <kmend/kernel.h>

#include "job.h"
#include "plan.h"

static const char guest_path[] = LAB_BIN_DIR "/kmend.ko";

/* Of two kernels with one release name the core of the wrong one would be refused in the guest only. */
static km_error *check_kernel(const km_kernel *k, const struct lab_patch *p)
{
	char hex[2 * sizeof(k->vmlinux->build_id) + 1];

	km_hex(k->vmlinux->build_id, k->vmlinux->build_id_len, hex);
	if (!p->build_id || !strcmp(hex, p->build_id))
		return NULL;
	return km_error_hint(km_error_new(KM_ENV, "kmend.ko can only be built for another point release of %s", p->release),
			     "build it for the kernel of the patch (kmend core) and name it with --core");
}

/* The kernel is prepared where it was not. */
static km_error *build(const struct lab_patch *p, char **ret)
{
	const struct km_kernel_source source = {.release = p->release};
	struct km_core core = {0};
	km_kernel *k;
	km_error *err;

	KM_TRY(km_kernel_open(&source, NULL, &k));
	err = check_kernel(k, p);
	if (!err)
		err = km_core_open(k, false, &core);
	km_kernel_close(k);
	if (err)
		return km_error_hint(err, "--core FILE names a kmend.ko that is built already");
	*ret = km_strdup(core.module);
	km_core_free(&core);
	return NULL;
}

km_error *lab_plan_core(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like, const char *given, char **file)
{
	struct km_lab_step step = *like;

	if (!p->core)
		return NULL;
	if (!*file && given)
		*file = km_strdup(given);
	if (!*file)
		KM_TRY(build(p, file));
	KM_TRY(km_lab_carry(lab, *file, guest_path));
	step.kind = KM_LAB_INSMOD;
	step.name = "insert kmend.ko";
	km_lab_step(lab, &step, (const char *const[]){guest_path, NULL});
	return NULL;
}
