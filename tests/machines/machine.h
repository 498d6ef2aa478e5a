/* SPDX-License-Identifier: MIT */
/*
 * A machine that a text describes, as an env: its CPUID, /sys and /proc, pages
 * and PTP clocks. README.md lists the words of the text.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include "fake_ptp.h"

#define MACHINE_LEAVES 64
#define MACHINE_FILES  64

struct machine_leaf {
	uint32_t leaf, regs[4];
};

struct machine_file {
	char path[128];
	char text[256];
	int error;  /* and the text, for a missing page, why */
	bool below; /* and for all below it */
};

struct machine {
	struct fake_ptp ptp; /* first: its env.ctx is this struct */
	struct machine_leaf leaf[MACHINE_LEAVES];
	struct machine_file file[MACHINE_FILES], no_page[4], node[FAKE_NODES];
	unsigned int n_leaves, n_files, n_no_pages, n_nodes, n_announced;
	int cpuid_error;
	char announced[4][64]; /* ACPI ids, and compatibles */
	uint8_t where;	       /* enum paraclock_firmware of those */
	uint8_t otherwise;     /* and of all others */
	unsigned int cpuids;   /* how many were run */
	int (*ptp_read_text)(void *ctx, const char *path, char *buf,
			     size_t size);
	int (*ptp_open)(void *ctx, const char *path, int *ret_fd);
	int (*fake_map)(void *ctx, const char *name, const char *path,
			struct paraclock_mapping *ret_map);
};

/*
 * Read the description at a path. Returns 0; else the number of the wrong line,
 * or -1: no such file.
 */
int machine_load(struct machine *machine, const char *path);

static inline const struct paraclock_env *machine_env(struct machine *machine)
{
	return &machine->ptp.clocks.world.env;
}

#endif
