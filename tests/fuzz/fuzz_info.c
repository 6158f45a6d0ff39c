/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a module file says of itself is read without harm, and what is accepted is whole; what is refused, with
 * KM_INPUT. */
#include <kmend/patch.h>

#include "target.h"

static void check_object(const struct km_info_object *object)
{
	fuzz_require(object->name && *object->name && strlen(object->name) <= KM_KLP_OBJECT_MAX, "an object has a name",
		     NULL);
	for (size_t i = 0; i < object->funcs.n; i++)
		fuzz_require(object->funcs.at[i].name && *object->funcs.at[i].name, "a function has a name", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct km_info *info = NULL;
	km_error *err = km_info_parse(bytes, size, &info);

	if (err) {
		fuzz_require(err->code == KM_INPUT && !info, "a refusal names the input", err);
		km_error_free(err);
		return 0;
	}
	if (info->ours)
		fuzz_require(info->name && info->release && info->format == KM_PATCH_FORMAT, "ours is whole", NULL);
	for (size_t i = 0; i < info->objects.n; i++)
		check_object(&info->objects.at[i]);
	km_info_free(info);
	return 0;
}
