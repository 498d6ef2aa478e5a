/* SPDX-License-Identifier: MIT */
/* Where this process runs: what service_check_place() judges by. */
#ifndef SERVICE_PLACE_H
#define SERVICE_PLACE_H

#include <sys/types.h>

#include "service.h"

struct place {
	/* Of /proc/self/ns/{time,pid}; 0: not known. */
	ino_t time_ns;
	ino_t pid_ns;
	bool has_time_offsets;
	/* The container's name, "podman"; NULL: nobody says so. */
	const char *container;
};

/* As service_check_place(). */
int place_judge(const struct place *place, bool in_container, char *why,
		size_t size);

#endif
