/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mkpatch FILE NAME [KEY=VALUE]... [foreign] [ordinary] [core]: a patch file for the tests; keys as in struct sim_patch. */
#include "sim.h"

int main(int argc, char **argv)
{
	struct sim_patch p = {0};

	if (argc < 3)
		return 1;
	p.name = argv[2];
	for (int i = 3; i < argc; i++) {
		p.version = km_starts(argv[i], "version=") ? argv[i] + 8 : p.version;
		p.severity = km_starts(argv[i], "severity=") ? argv[i] + 9 : p.severity;
		p.source = km_starts(argv[i], "source=") ? argv[i] + 7 : p.source;
		p.flag = km_starts(argv[i], "flag=") ? argv[i] + 5 : p.flag;
		p.release = km_starts(argv[i], "release=") ? argv[i] + 8 : p.release;
		p.build_id = km_starts(argv[i], "build_id=") ? argv[i] + 9 : p.build_id;
		p.id = km_starts(argv[i], "id=") ? argv[i] + 3 : p.id;
		p.cve = km_starts(argv[i], "cve=") ? argv[i] + 4 : p.cve;
		p.module = km_starts(argv[i], "module=") ? argv[i] + 7 : p.module;
		p.foreign |= !strcmp(argv[i], "foreign");
		p.core |= !strcmp(argv[i], "core");
		p.ordinary |= !strcmp(argv[i], "ordinary");
	}
	sim_write_patch(argv[1], &p);
	return 0;
}
