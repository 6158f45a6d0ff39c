/* SPDX-License-Identifier: GPL-2.0-or-later */
/* log.h - the kernel's log as it comes out of the serial line: kept, cut into lines, and watched. */
#ifndef LAB_LOG_H
#define LAB_LOG_H

#include <kmend/lab.h>

struct lab_log {
	const km_strv *allow; /* or NULL */
	km_str text;	      /* raw but for the carriage returns, at most KM_LAB_LOG_MAX bytes */
	km_str line;	      /* the one that has not ended yet, at most LINE_MAX_KEPT bytes */
	size_t step;	      /* by the marks in the log; KM_LAB_BOOT before the first */
	km_vec(struct km_lab_finding) findings;
	bool panicked;
};

/* Takes n more bytes of the serial line and looks at each line that they end. */
void lab_log_feed(struct lab_log *log, const char *bytes, size_t n);
/* The guest is gone: looks at an unfinished last line too. */
void lab_log_end(struct lab_log *log);
/* Frees text and findings. */
void lab_log_free(struct lab_log *log);

#endif
