/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diff_text.h - objects as text, and differences as text, for the tests of lib/diff.
 *
 * An object is a list of definitions, one a line:
 *   F name [@section] [global] [nofentry] [stays] : op op …   a function, in .text.<name> unless told; it ends in RET
 * but for `stays` D name [@section] [global] [ro] : item item …     a datum, in .data.<name> or, with ro,
 * .rodata.<name> B name [@section] : size                          a datum of .bss.<name> Ops are listed in the table
 * below; a `_` in a text stands for a space. Data items are hex bytes, `&symbol[+n]` and `s:text`. Like an assembler,
 * references to local symbols are written against their section.
 */
#ifndef KMEND_TEST_DIFF_TEXT_H
#define KMEND_TEST_DIFF_TEXT_H

#include <kmend/diff.h>

km_elf *object_of(const char *text);
/* "name:changed:string:r, …; code:refuse:subject, …" where the last letter of an item is r (redirected), i (travels) or
 * -. */
char *difference_of(const char *orig, const char *patched, const struct km_diff_options *opt);
/* The sections of what travels, "name/size/relocations", sorted as they stand; "" when nothing does. */
char *sections_of(const km_diff *d);

#endif
