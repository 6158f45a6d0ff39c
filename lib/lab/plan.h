/* SPDX-License-Identifier: GPL-2.0-or-later */
/* plan.h - what verify and batch share: a patch file as the lab sees it, and the steps it is put through. */
#ifndef LAB_PLAN_H
#define LAB_PLAN_H

#include <kmend/lab.h>
#include <kmend/patch.h>

struct lab_patch {
	char *file, *guest; /* on the host, in the guest */
	char *module;	    /* the name that the kernel will know it by */
	char *release;	    /* the kernel it is for */
	char *build_id;	    /* hex; or NULL */
	km_strv objects;    /* modules it patches; vmlinux is not among them */
	km_strv functions;  /* "object/function,pos", as sysfs shows them */
	bool core;	    /* for kmend.ko */
	size_t lookups;	    /* symbols that the kernel must find by name while it loads the module */
};
/* Reads what the lab must know of a patch file. KM_INPUT when it is no module, or no live patch. */
KM_CHECKED km_error *lab_patch_read(const char *file, struct lab_patch *ret);
/* Frees it; *p is empty. */
void lab_patch_free(struct lab_patch *p);

/* Seconds in which a guest may be silent: what was asked for, else enough for the look-ups of `lookups` symbols, of which 6.1 needs
 * up to half a second each under emulation, with not a word in between. */
double lab_plan_silence(double asked, size_t lookups);
/* Each adds a step; `like` gives group and flags. */
/* core.c: carries kmend.ko, and adds the step that inserts it, where the patch is for it. given: the file of --core, or NULL. *file is
 * NULL, or what was used before; it gets the file, built when none was given; the caller's. */
KM_CHECKED km_error *lab_plan_core(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like, const char *given,
				   char **file);
/* The step that inserts the patch and waits `limit` seconds for its transition. */
void lab_plan_load(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like, double limit);
/* The step that asks ftrace whether all functions of the patch are redirected. */
void lab_plan_patched(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like);
/* The step that disables the patch, waits `limit` seconds, and removes its module. */
void lab_plan_unload(km_lab *lab, const struct lab_patch *p, const struct km_lab_step *like, double limit);
/* The last line of what a step printed, printable; "" when there was none. The caller's. */
char *lab_last_line(const km_str *output);

#endif
