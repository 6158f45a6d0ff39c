/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one line at the bottom of stderr that is redrawn. All functions are thread-safe. */
#ifndef KMEND_BASE_TERMINAL_H
#define KMEND_BASE_TERMINAL_H

#include <stdbool.h>

/* True when stderr is a terminal that can redraw a line. */
bool km_line_live(void);
/* Shows text, without newline, in place of what is there; "" clears. Nothing happens when the line is not live. */
void km_line_draw(const char *text);
/* Prints text (with its newlines) above the line, which is drawn again below it. */
void km_line_interrupt(const char *text);

#endif
