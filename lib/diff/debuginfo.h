/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * debuginfo.h - one object's DWARF, opened once.
 */
#ifndef KMEND_DIFF_DEBUGINFO_H
#define KMEND_DIFF_DEBUGINFO_H

#include "part.h"

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>

struct km_dwarf {
	km_arena *arena;
	Dwfl *dwfl;
	Dwfl_Module *module;
	Dwarf *dwarf;
	Dwarf_Addr bias;
	km_map *decls; /* "section:offset" -> struct km_decl */
};

/* NULL when the side has no path or the file no DWARF. The side owns it. */
struct km_dwarf *km_dwarf_get(struct km_side *side);
/* enumerators.c */
void km_judge_enumerators(struct km_work *w, struct km_dwarf *orig, struct km_dwarf *patched);
/* Where a DIE says that it was declared; all zero when it does not. The file is in dw's arena. */
struct km_decl km_dwarf_decl(struct km_dwarf *dw, Dwarf_Die *die);

#endif
