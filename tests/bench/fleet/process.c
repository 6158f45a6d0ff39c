/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the server's process has used so far: /proc/PID/stat and /proc/PID/status (proc(5)). */
#include <unistd.h>

#include "sim.h"

static double line_of(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	return at ? strtod(at + strlen(name), NULL) / 1024 : 0;
}

km_error *process_usage(pid_t pid, struct usage *ret)
{
	KM_AUTOFREE char *stat_path = km_printf("/proc/%d/stat", (int)pid),
			 *status_path = km_printf("/proc/%d/status", (int)pid);
	KM_AUTOFREE uint8_t *stat = NULL, *status = NULL;
	unsigned long user, system;
	const char *rest;
	size_t size;

	KM_TRY(km_file_read(stat_path, &stat, &size));
	KM_TRY(km_file_read(status_path, &status, &size));
	/* The name, in brackets, may have brackets and blanks in it. */
	rest = strrchr((const char *)stat, ')');
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		return km_error_new(KM_INPUT, "%s has another form than proc(5) says", stat_path);
	ret->cpu = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
	ret->rss = line_of((const char *)status, "\nVmRSS:");
	ret->rss_peak = line_of((const char *)status, "\nVmHWM:");
	return NULL;
}
