/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-apply with the simulated kernel below $KMEND_ROOT. */
#include "../../agent/apply.h"
#include "sim.h"

int main(int argc, char **argv)
{
	const char *root = getenv("KMEND_ROOT");
	struct km_door door;
	struct sim sim;
	int status;

	if (!root)
		return 99;
	sim_open(&sim, root);
	door = sim_door(&sim);
	status = apply_main(argc, argv, &door);
	sim_close(&sim);
	return status;
}
