// SPDX-License-Identifier: MIT
/* What a service does to its own process, and whether it is in its place. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place.h"
#include "service.h"

/* Of the kernel's include/linux/proc_ns.h: fixed since the namespaces exist. */
#define INITIAL_TIME_NS 4026531834U
#define INITIAL_PID_NS	4026531836U

/* Read the code of the program and of libparaclock (all of a static program)
 * into memory, also what has not run yet. libc is three times as large, and the
 * loop has run what it uses of that. */
static int lock_code(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	if (info->dlpi_name[0] && !strstr(info->dlpi_name, "paraclock"))
		return 0;
	for (unsigned int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + segment->p_vaddr;

		if (segment->p_type == PT_LOAD)
			mlock((const void *)start, segment->p_filesz);
	}
	return 0;
}

/*
 * MCL_FUTURE makes malloc(3) fail where memory cannot be locked, so only without
 * a limit. Root may lift it; a unit has LimitMEMLOCK=infinity.
 */
static bool lift_limit(void)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit limit;

	return setrlimit(RLIMIT_MEMLOCK, &unlimited) == 0 ||
	       (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 &&
		limit.rlim_cur == RLIM_INFINITY);
}

/*
 * MCL_ONFAULT: a page is locked once it has been touched. All of the address
 * space would be megabytes of libraries, heap and stack that nobody uses.
 */
void service_lock_memory(void)
{
	int flags = MCL_CURRENT | MCL_ONFAULT;

	if (lift_limit())
		flags |= MCL_FUTURE;
	if (mlockall(flags)) {
		service_log(LOG_LEVEL_NOTICE,
			    "cannot lock memory, so the first correction "
			    "after a restore may have to wait for a disk: %s; "
			    "raise RLIMIT_MEMLOCK (LimitMEMLOCK=infinity)",
			    strerror(errno));
		return;
	}
	dl_iterate_phdr(lock_code, NULL);
}

static ino_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

static size_t read_text(const char *path, char *text, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		n = 0;
	text[n] = '\0';
	return (size_t)n;
}

/* "monotonic  0  0" and the same for boottime. */
static bool has_time_offsets(void)
{
	char text[256];

	if (!read_text("/proc/self/timens_offsets", text, sizeof(text)))
		return false;
	return strpbrk(text, "123456789");
}

int place_judge(const struct place *place, bool in_container, char *why,
		size_t size)
{
	if ((place->time_ns && place->time_ns != INITIAL_TIME_NS) ||
	    place->has_time_offsets) {
		snprintf(why, size,
			 "this process is in a time namespace, whose clocks "
			 "are not the machine's: start it outside of it");
		return -EPERM;
	}
	if (in_container)
		return 0;
	if (place->container ||
	    (place->pid_ns && place->pid_ns != INITIAL_PID_NS)) {
		snprintf(why, size,
			 "this process is in a container (%.32s), and the "
			 "clock is the whole machine's: run it on the machine "
			 "itself, or say --container",
			 place->container
				 ? place->container
				 : "it has a PID namespace of its own");
		return -EPERM;
	}
	return 0;
}

int service_check_place(bool in_container, char *why, size_t size)
{
	char name[64];
	struct place place = {
		.time_ns = inode_of("/proc/self/ns/time"),
		.pid_ns = inode_of("/proc/self/ns/pid"),
		.has_time_offsets = has_time_offsets(),
	};

	/* Container managers set it, and systemd writes the file from it. */
	place.container = getenv("container");
	if (place.container && !place.container[0])
		place.container = NULL;
	if (!place.container &&
	    read_text("/run/systemd/container", name, sizeof(name))) {
		service_make_printable(name);
		place.container = name;
	}
	return place_judge(&place, in_container, why, size);
}
