// SPDX-License-Identifier: MIT
/*
 * The kernel's log, /dev/kmsg, where it says that this machine was restored or
 * cloned.
 *
 * Source: Linux Documentation/ABI/testing/dev-kmsg; drivers/char/random.c,
 * add_vmfork_randomness(), since 5.18.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "device.h"
#include "generation.h"

#define KMSG	   "/dev/kmsg"
#define KMSG_MAJOR 1
#define KMSG_MINOR 11

/* A longer record is not the one that is looked for; the kernel skips it, and
 * the read fails with EINVAL. */
#define RECORD_MAX 1024

/* The record's first number is a level below 8, and a facility times 8. The
 * kernel's own facility is 0; a process that writes to the log gets another. */
#define FACILITY_SHIFT 3

/* A number and the comma after it; NULL: text is something else. */
static const char *skip_number(const char *text, const char *end,
			       uint64_t *ret_value)
{
	const char *at = text;

	*ret_value = 0;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		if (*ret_value > UINT64_MAX / 16)
			return NULL;
		*ret_value = *ret_value * 10 + (uint64_t)(*at - '0');
	}
	return at > text && at < end && *at == ',' ? at + 1 : NULL;
}

/* "level/facility,sequence,time,flags;text\n": more fields may follow the
 * flags, and more lines the text. */
bool pclk_kernel_log_is_generation(const char *record, size_t size)
{
	static const char wanted[] =
		"random: crng reseeded due to virtual machine fork\n";
	const char *end = record + size, *at = record;
	uint64_t first = 0, number;

	for (unsigned int field = 0; at && field < 3; field++)
		at = skip_number(at, end, field ? &number : &first);
	if (!at || first >> FACILITY_SHIFT)
		return false;
	at = memchr(at, ';', (size_t)(end - at));
	if (!at || (size_t)(end - ++at) < sizeof(wanted) - 1)
		return false;
	return !memcmp(at, wanted, sizeof(wanted) - 1);
}

/* Containers may have anything at that path: a console, a pipe. */
static bool is_the_log(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) &&
	       st.st_rdev == makedev(KMSG_MAJOR, KMSG_MINOR);
}

int pclk_kernel_log_open(int *ret_fd)
{
	int fd = open(KMSG, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	int ret;

	if (fd < 0)
		return pclk_error_of_open(errno);
	/* From here on: older records tell of older restores. */
	if (is_the_log(fd) && lseek(fd, 0, SEEK_END) >= 0) {
		*ret_fd = fd;
		return 0;
	}
	ret = -ENODEV;
	close(fd);
	return ret;
}

int pclk_kernel_log_read(int fd)
{
	char record[RECORD_MAX];
	/* By number: libc's wrapper is a cancellation point, see device.c. */
	ssize_t got = syscall(SYS_read, fd, record, sizeof(record));

	if (got > 0)
		return pclk_kernel_log_is_generation(record, (size_t)got)
			       ? GENERATION_CHANGED
			       : 0;
	if (got < 0 && (errno == EINTR || errno == EINVAL))
		return 0;
	/* Records were overwritten before they were read. */
	return got < 0 && errno == EPIPE ? GENERATION_LOST : -EAGAIN;
}
