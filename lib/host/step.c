/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Named steps at which a test can kill or stop this process. */
#include <signal.h>

#include "internal.h"

const char *const km_host_steps[] = {
	"load-locked",
	"load-checked",
	"load-recorded",
	"load-chosen",
	"load-loaded",
	"load-waiting",
	"load-reverting",
	"load-reverted",
	"load-removed",
	"load-done",
	"unload-locked",
	"unload-disabling",
	"unload-disabled",
	"unload-waiting",
	"unload-reverting",
	"unload-removing",
	"unload-removed",
	NULL,
};

void km_host_step(const char *step)
{
	const char *kill_at = getenv("KMEND_KILL_AT"), *stop_at = getenv("KMEND_STOP_AT");

	if (kill_at && !strcmp(kill_at, step))
		raise(SIGKILL);
	if (stop_at && !strcmp(stop_at, step))
		raise(SIGSTOP);
}
