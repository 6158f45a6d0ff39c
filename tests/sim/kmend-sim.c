/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend with the simulated kernel below $KMEND_ROOT in place of the real one, for the tests of the command line. */
#include "../../tools/cmd.h"
#include "sim.h"

int main(int argc, char **argv)
{
	const char *root = getenv("KMEND_ROOT");
	struct km_door door;
	struct sim sim;
	int status;

	if (!root) {
		fprintf(stderr, "kmend-sim: KMEND_ROOT is not set\n");
		return 99;
	}
	sim_open(&sim, root);
	door = sim_door(&sim);
	status = cmd_main(argc, argv, &door);
	sim_close(&sim);
	return status;
}
