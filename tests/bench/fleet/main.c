/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kmend-fleet-sim: what a server bears. Exit status 0 when the run came to its end; what it measured is for the caller
 * to judge. */
#include <signal.h>

#include "sim.h"

static km_error *simulate(int argc, char **argv)
{
	KM_CLEANUP(fleet_destroyp) struct fleet *fleet = NULL;
	KM_AUTOFREE char *text = NULL;
	struct options options;
	json_t *result;

	KM_TRY(options_parse(argc, argv, &options));
	KM_TRY(fleet_create(&options, &fleet));
	KM_TRY(fleet_attach(fleet));
	KM_TRY(fleet_run(fleet));
	result = fleet_result(fleet);
	text = json_dumps(result, JSON_INDENT(2) | JSON_REAL_PRECISION(14));
	json_decref(result);
	puts(text);
	return fflush(stdout) ? km_error_new(KM_ENV, "cannot write the result") : NULL;
}

int main(int argc, char **argv)
{
	km_error *err;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		options_help();
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	err = simulate(argc, argv);
	if (err) {
		km_error_print("kmend-fleet-sim", err);
		km_error_free(err);
		return 1;
	}
	return 0;
}
