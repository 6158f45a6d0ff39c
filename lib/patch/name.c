// SPDX-License-Identifier: GPL-2.0-or-later
/* Names of patches: what the kernel, modprobe and our own file names can all live with. */
#include <kmend/patch.h>

/* The kernel reads MODULE_NAME_LEN - 1 characters of a name; tools put "kmend_" in front. */
enum { NAME_MAX_LEN = KM_KLP_OBJECT_MAX - 6 };

const char *km_flavour_name(enum km_flavour flavour)
{
	return flavour == KM_FLAVOUR_CORE ? "core" : "klp";
}

bool km_patch_name_ok(const char *name, const char **why)
{
	size_t n = name ? strlen(name) : 0;

	*why = NULL;
	if (!n)
		*why = "a patch needs a name";
	else if (n > NAME_MAX_LEN)
		*why = "it is longer than 49 characters";
	else if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != n)
		*why = "only a-z, 0-9 and _ may stand in it";
	else if (name[0] >= '0' && name[0] <= '9')
		*why = "it begins with a digit";
	else if (!strcmp(name, "vmlinux"))
		*why = "vmlinux is the kernel itself";
	return !*why;
}
