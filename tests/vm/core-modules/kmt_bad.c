// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A patch with one defect, which the parameter `how` names. None of them may get in.
 */
#include <linux/module.h>

#include "kmend.h"

static char *how = "";
module_param(how, charp, 0);

static int replacement(void)
{
	return 0;
}

/* Nothing hashes to zeros. */
static const struct kmend_expect wrong_hash = {.size = 16};
static const struct kmend_range turned_round[] = {{8, 4}, {2, 4}};
static const struct kmend_expect bad_masks = {.size = 16, .n_masks = 2, .masks = turned_round};

static struct kmend_func good = {.old_name = "version_proc_show", .new_func = replacement};
static struct kmend_func funcs[4];
static struct kmend_object objs[3] = {{.funcs = funcs}};
static struct kmend_state states[3];
static struct kmend_patch patch = {KMEND_PATCH_INIT, .objs = objs, .build_id = NULL};

static unsigned long place, not_zero = 1;
static u8 small_place;
static struct kmend_reloc relocs[2] = {{.place = &place, .name = "linux_banner", .type = 1 /* R_X86_64_64 */}};

static void make_symbol(void) { funcs[0].old_name = "kmt_there_is_no_such_function"; }
static void make_ambiguous(void) { funcs[0].old_name = "c_start"; funcs[0].old_sympos = 0; }
static void make_sympos(void) { funcs[0].old_sympos = 7; }
static void make_nofentry(void) { funcs[0].old_name = "entry_SYSCALL_64"; }
static void make_data(void) { funcs[0].old_name = "linux_proc_banner"; }
static void make_hash(void) { funcs[0].expect = &wrong_hash; }
static void make_masks(void) { funcs[0].expect = &bad_masks; }
static void make_nothing_new(void) { funcs[0].new_func = NULL; }
static void make_wild_new(void) { funcs[0].new_func = &place; }
static void make_twice(void) { funcs[1] = good; funcs[1].old_sympos = 1; }
static void make_abi(void) { patch.abi = KMEND_ABI + 1; }
static void make_no_module(void) { patch.mod = NULL; }
static void make_no_objects(void) { patch.objs = NULL; }
static void make_no_functions(void) { objs[0].name = "dummy"; objs[0].funcs = NULL; }
static void make_objects_twice(void) { objs[1] = objs[0]; }
static void make_vmlinux(void) { objs[0].name = "vmlinux"; }
static void make_itself(void) { objs[0].name = KBUILD_MODNAME; }
static void make_core(void) { objs[0].name = "kmend"; }
static void make_slash(void) { objs[0].name = "a/b"; }
static void make_mode(void) { patch.mode = 99; }
static void make_build_id(void) { patch.build_id = "00112233445566778899aabbccddeeff00112233"; }
static void make_build_id_text(void) { patch.build_id = "this is no number"; }
static void make_states(void) { states[0].id = states[1].id = 5; patch.states = states; }
static void make_state_missing(void) { patch.replace = true; }
static void make_state_older(void) { states[0].id = 1; states[0].version = 1; patch.states = states; }
static void make_reloc_symbol(void) { objs[0].relocs = relocs; relocs[0].name = "kmt_there_is_no_such_symbol"; }
static void make_reloc_type(void) { objs[0].relocs = relocs; relocs[0].type = 99; }
static void make_reloc_used(void) { objs[0].relocs = relocs; relocs[0].place = &not_zero; }
static void make_reloc_range(void) { objs[0].relocs = relocs; relocs[0].place = &small_place; relocs[0].type = 10 /* R_X86_64_32 */; }
static void make_reloc_place(void) { objs[0].relocs = relocs; relocs[0].place = (void *)&jiffies; }

static const struct {
	const char *name;
	void (*make)(void);
} defects[] = {
	{"symbol", make_symbol},
	{"ambiguous", make_ambiguous},
	{"sympos", make_sympos},
	{"nofentry", make_nofentry},
	{"data", make_data},
	{"hash", make_hash},
	{"masks", make_masks},
	{"nothing-new", make_nothing_new},
	{"wild-new", make_wild_new},
	{"twice", make_twice},
	{"abi", make_abi},
	{"no-module", make_no_module},
	{"no-objects", make_no_objects},
	{"no-functions", make_no_functions},
	{"objects-twice", make_objects_twice},
	{"vmlinux", make_vmlinux},
	{"itself", make_itself},
	{"core", make_core},
	{"slash", make_slash},
	{"mode", make_mode},
	{"build-id", make_build_id},
	{"build-id-text", make_build_id_text},
	{"states", make_states},
	{"state-missing", make_state_missing},
	{"state-older", make_state_older},
	{"reloc-symbol", make_reloc_symbol},
	{"reloc-type", make_reloc_type},
	{"reloc-used", make_reloc_used},
	{"reloc-range", make_reloc_range},
	{"reloc-place", make_reloc_place},
};

static int __init bad_init(void)
{
	int err;

	funcs[0] = good;
	for (size_t i = 0; i < ARRAY_SIZE(defects); i++)
		if (!strcmp(how, defects[i].name)) {
			defects[i].make();
			err = kmend_enable_patch(&patch);
			pr_info("kmt: %s: %d\n", how, err);
			return err;
		}
	return -ENOTTY; /* not a word of the list */
}

static void __exit bad_exit(void)
{
}

module_init(bad_init);
module_exit(bad_exit);
MODULE_LICENSE("GPL");
