/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * special.c - the table of sections whose entries belong to code elsewhere, and how they are cut into entries.
 *
 * Sizes are those of Linux 6.1 on x86-64. A structure that grew since (struct alt_instr) is measured: the deciding
 * relocations stand one entry apart. Sources: the headers that fill each section, include/asm-generic/vmlinux.lds.h.
 */
#include "part.h"

/* clang-format off */
static const struct km_special table[] = {
	/* name                   kind                entry decides note */
	{ "__bug_table",               KM_SPECIAL_TABLE,   12, 0, "a WARN or BUG" },
	{ "__ex_table",                KM_SPECIAL_TABLE,   12, 0, "a fixup for a faulting access" },
	{ "__jump_table",              KM_SPECIAL_TABLE,   16, 0, "a static key's branch" },
	{ ".static_call_sites",        KM_SPECIAL_TABLE,    8, 0, "a static call" },
	{ ".altinstructions",          KM_SPECIAL_TABLE,   12, 0, "an alternative instruction" },
	{ ".parainstructions",         KM_SPECIAL_TABLE,   16, 0, "a paravirt call" },
	{ ".smp_locks",                KM_SPECIAL_TABLE,    4, 0, "a lock prefix" },
	{ ".retpoline_sites",          KM_SPECIAL_TABLE,    4, 0, "an indirect branch" },
	{ ".return_sites",             KM_SPECIAL_TABLE,    4, 0, "a return" },
	{ ".call_sites",               KM_SPECIAL_TABLE,    4, 0, "a call (depth tracking)" },
	{ ".ibt_endbr_seal",           KM_SPECIAL_TABLE,    4, 0, "an indirect branch target" },
	{ ".cfi_sites",                KM_SPECIAL_TABLE,    4, 0, "a control-flow check" },
	{ "__mcount_loc",              KM_SPECIAL_TABLE,    8, 0, "where ftrace hooks in" },
	{ "__patchable_function_entries", KM_SPECIAL_TABLE, 8, 0, "where ftrace hooks in" },
	{ "_kprobe_blacklist",         KM_SPECIAL_TABLE,    8, 0, "a function that kprobes must avoid" },
	{ "_error_injection_whitelist", KM_SPECIAL_TABLE,  16, 0, "a function open to error injection" },
	{ ".orc_unwind_ip",            KM_SPECIAL_TABLE,    4, 0, "an unwinder's place" },
	{ ".orc_unwind",               KM_SPECIAL_REBUILT,  6, 0, "the unwinder's data, parallel to .orc_unwind_ip" },
	{ ".altinstr_replacement",     KM_SPECIAL_CHUNKS,   0, 0, "replacement instructions" },
	{ ".altinstr_aux",             KM_SPECIAL_CHUNKS,   0, 0, "out-of-line code of an alternative" },
	{ ".fixup",                    KM_SPECIAL_CHUNKS,   0, 0, "out-of-line code of a fixup" },
	{ "__dyndbg",                  KM_SPECIAL_CHUNKS,  56, 0, "a dynamic debug message" },
	{ ".orc_header",               KM_SPECIAL_REBUILT,  0, 0, "made when the module is linked" },
	{ ".sframe",                   KM_SPECIAL_REBUILT,  0, 0, "made when the module is linked" },
	{ ".eh_frame",                 KM_SPECIAL_REBUILT,  0, 0, "the kernel does not use it" },
	{ ".printk_index",             KM_SPECIAL_DROPPED,  8, 0, "the list of messages in debugfs stays as it was" },
	{ "__dyndbg_classes",          KM_SPECIAL_DROPPED,  0, 0, "a new class of debug messages is not registered" },
	{ "__tracepoints",             KM_SPECIAL_DROPPED,  0, 0, "a new tracepoint is not registered" },
	{ "__tracepoints_ptrs",        KM_SPECIAL_DROPPED,  0, 0, "a new tracepoint is not registered" },
	{ "__tracepoints_strings",     KM_SPECIAL_DROPPED,  0, 0, "a new tracepoint is not registered" },
	{ "__tracepoint_str",          KM_SPECIAL_DROPPED,  0, 0, "a new tracepoint string is not registered" },
	{ "_ftrace_events",            KM_SPECIAL_DROPPED,  0, 0, "a new trace event is not registered" },
	{ "_ftrace_eval_map",          KM_SPECIAL_DROPPED,  0, 0, "a new trace event is not registered" },
	{ "__bpf_raw_tp_map",          KM_SPECIAL_DROPPED,  0, 0, "a new trace event is not registered" },
	{ "__syscalls_metadata",       KM_SPECIAL_DROPPED,  0, 0, "a new system call is not registered" },
	{ "__ksymtab*",                KM_SPECIAL_DROPPED,  0, 0, "a new export is not visible to modules" },
	{ "___ksymtab*",               KM_SPECIAL_DROPPED,  0, 0, "a new export is not visible to modules" },
	{ "__kcrctab*",                KM_SPECIAL_DROPPED,  0, 0, "a new export is not visible to modules" },
	{ "___kcrctab*",               KM_SPECIAL_DROPPED,  0, 0, "a new export is not visible to modules" },
	{ ".export_symbol",            KM_SPECIAL_DROPPED,  0, 0, "a new export is not visible to modules" },
	{ "__param",                   KM_SPECIAL_DROPPED,  0, 0, "a new module parameter is not registered" },
	{ "__modver",                  KM_SPECIAL_DROPPED,  0, 0, "a module's version stays as it was" },
	{ ".modinfo",                  KM_SPECIAL_DROPPED,  0, 0, "a module's description stays as it was" },
	{ ".initcall*",                KM_SPECIAL_DROPPED,  0, 0, "a new initcall does not run" },
	{ ".con_initcall*",            KM_SPECIAL_DROPPED,  0, 0, "a new initcall does not run" },
	{ ".exitcall*",                KM_SPECIAL_DROPPED,  0, 0, "a new exitcall does not run" },
	{ ".init.setup",               KM_SPECIAL_DROPPED,  0, 0, "a new boot option is not read" },
	{ ".init_array*",              KM_SPECIAL_DROPPED,  0, 0, "a new constructor does not run" },
	{ ".lsm_info.init",            KM_SPECIAL_DROPPED,  0, 0, "a new security module is not registered" },
	{ ".early_lsm_info.init",      KM_SPECIAL_DROPPED,  0, 0, "a new security module is not registered" },
	{ "__*_of_table",              KM_SPECIAL_DROPPED,  0, 0, "a new device match is not registered" },
	{ ".x86_cpu_dev.init",         KM_SPECIAL_DROPPED,  0, 0, "a new CPU vendor is not registered" },
	{ ".apicdrivers",              KM_SPECIAL_DROPPED,  0, 0, "a new APIC driver is not registered" },
	{ ".iommu_table",              KM_SPECIAL_DROPPED,  0, 0, "a new IOMMU is not registered" },
	{ ".pci_fixup*",               KM_SPECIAL_DROPPED,  0, 0, "a new PCI fixup does not run" },
	{ ".init.ramfs*",              KM_SPECIAL_DROPPED,  0, 0, "the initial file system stays as it was" },
	{ ".builtin_fw",               KM_SPECIAL_DROPPED,  0, 0, "new built-in firmware is not registered" },
	{ ".BTF_ids",                  KM_SPECIAL_DROPPED,  0, 0, "a new BTF id is not resolved" },
	{ ".BTF",                      KM_SPECIAL_DROPPED,  0, 0, "type information" },
	{ "__versions",                KM_SPECIAL_DROPPED,  0, 0, "made when the module is linked" },
	{ ".BTF.*",                    KM_SPECIAL_DROPPED,  0, 0, "type information" },
	{ ".gnu.linkonce.this_module", KM_SPECIAL_DROPPED,  0, 0, "made when the module is linked" },
	{ "___srcu_struct_ptrs",       KM_SPECIAL_DROPPED,  0, 0, "a new SRCU domain is not initialised" },
	{ "_kcsan*",                   KM_SPECIAL_DROPPED,  0, 0, "not used" },
	{ ".note*",                    KM_SPECIAL_DROPPED,  0, 0, "notes" },
	{ ".discard*",                 KM_SPECIAL_DROPPED,  0, 0, "only the build uses it" },
	{ ".debug_*",                  KM_SPECIAL_DROPPED,  0, 0, "DWARF" },
	{ ".comment",                  KM_SPECIAL_DROPPED,  0, 0, "the compiler's name" },
};
/* clang-format on */

/* One '*', at the end or inside. */
static bool matches(const char *pattern, const char *name)
{
	const char *star = strchr(pattern, '*');

	if (!star)
		return !strcmp(pattern, name);
	size_t head = star - pattern;

	return !strncmp(pattern, name, head) && strlen(name) >= strlen(pattern) - 1 && km_ends(name, star + 1);
}

const struct km_special *km_special_find(const char *section)
{
	for (size_t i = 0; i < KM_COUNT(table); i++)
		if (matches(table[i].name, section))
			return &table[i];
	return NULL;
}

const struct km_special *km_special_at(size_t i)
{
	return i < KM_COUNT(table) ? &table[i] : NULL;
}

bool km_special_by_position(const struct km_special *s)
{
	return s->kind == KM_SPECIAL_TABLE && s->entry <= 8 && strcmp(s->name, ".static_call_sites");
}

bool km_special_is_setting(const struct km_special *s)
{
	return s->kind == KM_SPECIAL_DROPPED && (!strcmp(s->name, "__param") || !strcmp(s->name, ".pci_fixup*"));
}

/* Every entry has its deciding relocation, and no relocation stands across two entries. */
static bool stride_fits(const struct km_sec *sec, uint64_t stride, int decides)
{
	uint64_t next = 0;

	for (size_t i = 0; i < sec->rels.n; i++)
		if (sec->rels.at[i].offset == next + (uint64_t)decides)
			next += stride;
	return next >= sec->size && sec->size + stride > next;
}

/* All entries have relocations at the same places. */
static bool is_periodic(const struct km_sec *sec, uint64_t stride)
{
	size_t each = 0;

	while (each < sec->rels.n && sec->rels.at[each].offset < stride)
		each++;
	for (size_t i = each; each && i < sec->rels.n; i++)
		if (sec->rels.at[i].offset != sec->rels.at[i - each].offset + stride)
			return false;
	return each && sec->rels.n % each == 0;
}

enum { GROWTH = 8 }; /* of one structure, in bytes; more is another structure */

static uint64_t measure(const struct km_sec *sec, const struct km_special *s)
{
	if (stride_fits(sec, s->entry, s->decides))
		return s->entry;
	for (uint64_t stride = s->entry + 1; stride <= s->entry + GROWTH; stride++)
		if (stride_fits(sec, stride, s->decides) && is_periodic(sec, stride))
			return stride;
	return 0;
}

static const struct km_rel *decider(const struct km_entry *e)
{
	for (size_t i = 0; i < e->n_rels; i++)
		if (e->rels[i].offset == e->offset + (uint64_t)e->kind->decides)
			return &e->rels[i];
	return NULL;
}

km_error *km_special_entries(struct km_side *side, struct km_sec *sec)
{
	struct km_secinfo *info = km_info_of(side, sec);
	const struct km_special *s = info->special;

	if (!sec->size)
		return NULL;
	info->entry = measure(sec, s);
	if (!info->entry)
		return km_error_new(
			KM_INPUT,
			"section %s (%llu bytes) does not consist of entries of %u bytes that begin with a relocation",
			sec->name, (unsigned long long)sec->size, s->entry);
	for (uint64_t at = 0; at < sec->size; at += info->entry) {
		struct km_entry *e = km_arena_new(side->arena, struct km_entry);

		*e = (struct km_entry){.kind = s, .sec = sec, .offset = at};
		e->size = at + info->entry > sec->size ? sec->size - at : info->entry;
		e->rels = km_rels_in(sec, at, at + e->size, &e->n_rels);
		const struct km_rel *rel = decider(e);

		if (rel)
			e->owner = km_target_of(side, sec, rel).part;
		km_vec_push(&side->entries, e);
		if (e->owner)
			km_vec_push(&e->owner->entries, e);
	}
	return NULL;
}
