/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cmd.h"

km_error *cmd_version(const struct cmd_args *args, int *status)
{
	(void)status;
	if (args->json)
		view_json(json_pack("{s:s, s:i}", "version", KMEND_VERSION, "patch_format", KM_PATCH_FORMAT));
	else
		printf("kmend %s\n", KMEND_VERSION);
	return NULL;
}
