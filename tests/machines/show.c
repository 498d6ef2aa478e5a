// SPDX-License-Identifier: MIT
/* paraclock status on the machine that a file describes. */

#include <stdio.h>

#include "machine.h"
#include "tools.h"

int main(int argc, char **argv)
{
	static struct machine machine;
	bool json = argc == 3 && strcmp(argv[1], "--json") == 0;
	int ret;

	if (argc != 2 + json) {
		fputs("usage: machine_status [--json] FILE\n", stderr);
		return STATUS_USAGE;
	}
	ret = machine_load(&machine, argv[argc - 1]);
	if (ret) {
		fprintf(stderr, "%s:%d: not understood\n", argv[argc - 1], ret);
		return STATUS_USAGE;
	}
	ret = status_show(machine_env(&machine), 0, json);
	/* For the limit on it: on some machines each one is an exit. */
	fprintf(stderr, "cpuids %u\n", machine.cpuids);
	return ret;
}
