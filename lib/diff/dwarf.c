/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dwarf.c - where functions and variables are declared, and which function a static local belongs to.
 */
#include "debuginfo.h"

#include <dwarf.h>

static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base, const char *file,
			const char *link, GElf_Word crc, char **found)
{
	(void)mod, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc, (void)found;
	return -1;
}

/* libdwfl, since it applies the relocations of a relocatable object's DWARF and gives every section an address of its
 * own. */
static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = no_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static struct km_dwarf *open_dwarf(const char *path)
{
	struct km_dwarf *dw = km_calloc(1, sizeof(*dw));

	dw->arena = km_arena_create();
	dw->decls = km_map_create();
	dw->dwfl = dwfl_begin(&callbacks);
	if (dw->dwfl) {
		dw->module = dwfl_report_offline(dw->dwfl, "object", path, -1);
		dwfl_report_end(dw->dwfl, NULL, NULL);
	}
	dw->dwarf = dw->module ? dwfl_module_getdwarf(dw->module, &dw->bias) : NULL;
	if (dw->dwarf)
		return dw;
	km_dwarf_free(dw);
	return NULL;
}

void km_dwarf_free(struct km_dwarf *dw)
{
	if (!dw)
		return;
	dwfl_end(dw->dwfl);
	km_map_destroy(dw->decls);
	km_arena_destroy(dw->arena);
	free(dw);
}

/* ---- source places --------------------------------------------------------------------------- */

static const char *comp_dir(Dwarf_Die *die)
{
	Dwarf_Die cu;
	Dwarf_Attribute attr;

	if (!dwarf_diecu(die, &cu, NULL, NULL))
		return NULL;
	return dwarf_formstring(dwarf_attr(&cu, DW_AT_comp_dir, &attr));
}

struct km_decl km_dwarf_decl(struct km_dwarf *dw, Dwarf_Die *die)
{
	const char *file = dwarf_decl_file(die), *dir = comp_dir(die);
	struct km_decl decl = {0};
	int line = 0;

	if (!file || dwarf_decl_line(die, &line))
		return decl;
	size_t n = dir ? strlen(dir) : 0;

	if (n && !strncmp(file, dir, n) && file[n] == '/')
		file += n + 1;
	while (km_starts(file, "./"))
		file += 2;
	decl.file = km_arena_strdup(dw->arena, file);
	decl.line = line > 0 ? line : 0;
	return decl;
}

/* ---- which DIE stands for which place -------------------------------------------------------- */

static const char *place_key(char buffer[static 48], unsigned section, uint64_t offset)
{
	snprintf(buffer, 48, "%u:%llx", section, (unsigned long long)offset);
	return buffer;
}

static void record(struct km_dwarf *dw, Dwarf_Die *die, Dwarf_Addr addr, const char *scope)
{
	Dwarf_Addr at = addr + dw->bias;
	GElf_Word section = 0;
	char key[48];
	int index = dwfl_module_relocate_address(dw->module, &at);

	if (index < 0 || !dwfl_module_relocation_info(dw->module, index, &section))
		return;
	place_key(key, section, at);
	const struct km_decl *old = km_map_get(dw->decls, key);

	if (old && old->file)
		return;
	struct km_decl *decl = km_arena_new(dw->arena, struct km_decl);

	*decl = km_dwarf_decl(dw, die);
	decl->scope = scope ? km_arena_strdup(dw->arena, scope) : NULL;
	km_map_put(dw->decls, key, decl);
}

static void record_variable(struct km_dwarf *dw, Dwarf_Die *die, const char *scope)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	if (!dwarf_attr_integrate(die, DW_AT_location, &attr) || dwarf_whatform(&attr) != DW_FORM_exprloc ||
	    dwarf_getlocation(&attr, &ops, &n) || !n || ops[0].atom != DW_OP_addr)
		return;
	record(dw, die, ops[0].number, scope);
}

/* A function in two sections (a hot and a cold part) has ranges instead of a low pc. */
static void record_function(struct km_dwarf *dw, Dwarf_Die *die)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;

	while ((at = dwarf_ranges(die, at, &base, &start, &end)) > 0)
		record(dw, die, start, NULL);
}

enum { MAX_DEPTH = 128 };

static void visit(struct km_dwarf *dw, Dwarf_Die *parent, const char *scope, unsigned depth)
{
	Dwarf_Die die;

	if (depth > MAX_DEPTH || dwarf_child(parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			record_function(dw, &die);
			visit(dw, &die, dwarf_diename(&die), depth + 1);
			break;
		case DW_TAG_inlined_subroutine: visit(dw, &die, dwarf_diename(&die), depth + 1); break;
		case DW_TAG_lexical_block: visit(dw, &die, scope, depth + 1); break;
		case DW_TAG_variable: record_variable(dw, &die, scope); break;
		default: break;
		}
	} while (!dwarf_siblingof(&die, &die));
}

struct km_dwarf *km_dwarf_get(struct km_side *side)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;

	if (side->dwarf_tried)
		return side->dwarf;
	side->dwarf_tried = true;
	side->dwarf = side->path ? open_dwarf(side->path) : NULL;
	if (!side->dwarf)
		return NULL;
	while (!dwarf_get_units(side->dwarf->dwarf, cu, &cu, NULL, NULL, &die, NULL))
		visit(side->dwarf, &die, NULL, 0);
	return side->dwarf;
}

struct km_decl km_decl_of(struct km_side *side, const struct km_part *part)
{
	struct km_dwarf *dw = part->sec->file_index ? km_dwarf_get(side) : NULL;
	const struct km_decl *decl;
	char key[48];

	if (!dw)
		return (struct km_decl){0};
	decl = km_map_get(dw->decls, place_key(key, part->sec->file_index, part->sym ? part->sym->value : part->start));
	return decl ? *decl : (struct km_decl){0};
}
