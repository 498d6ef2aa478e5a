// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "env_call.h"

/* How often CLOCK_REALTIME is bracketed by CLOCK_MONOTONIC; the narrowest
 * bracket counts. */
#define OFFSET_TRIES 4

const int pclk_clock_id[PARACLOCK_CLOCKS] = {
	[PARACLOCK_CLOCK_REALTIME] = 0,	     /* CLOCK_REALTIME */
	[PARACLOCK_CLOCK_MONOTONIC] = 1,     /* CLOCK_MONOTONIC */
	[PARACLOCK_CLOCK_MONOTONIC_RAW] = 4, /* CLOCK_MONOTONIC_RAW */
	[PARACLOCK_CLOCK_BOOTTIME] = 7,	     /* CLOCK_BOOTTIME */
	[PARACLOCK_CLOCK_TAI] = 11,	     /* CLOCK_TAI */
};

int64_t pclk_env_pread(const struct paraclock_env *env, int fd, void *buf,
		       size_t n, uint64_t offset)
{
	return pclk_env_length(env->pread(env->ctx, fd, buf, n, offset), n);
}

int pclk_env_text(const struct paraclock_env *env, const char *path, char *buf,
		  size_t size)
{
	int ret;

	if (!env->read_text)
		return -EOPNOTSUPP;
	if (!size)
		return -EINVAL;
	ret = (int)pclk_env_length(env->read_text(env->ctx, path, buf, size),
				   size - 1);
	if (ret >= 0)
		buf[ret] = '\0';
	return ret;
}

int pclk_env_clocksource(const struct paraclock_env *env, char ret_name[32],
			 uint8_t *ret_kind)
{
	char name[33] = "";
	uint8_t kind = PARACLOCK_CLOCKSOURCE_UNKNOWN;
	int ret = -EOPNOTSUPP;

	if (env->clocksource)
		ret = pclk_env_error(env->clocksource(env->ctx, name, &kind));
	if (ret)
		return ret;
	/* Names are compared as whole arrays: clear what follows the name. */
	name[31] = '\0';
	for (unsigned int i = 0, ended = 0; i < 32; i++) {
		ended |= !name[i];
		if (ended)
			name[i] = '\0';
		ret_name[i] = name[i];
	}
	*ret_kind = kind <= PARACLOCK_CLOCKSOURCE_OTHER
			    ? kind
			    : (uint8_t)PARACLOCK_CLOCKSOURCE_UNKNOWN;
	return 0;
}

int pclk_env_describe(const struct paraclock_env *env,
		      struct paraclock_machine *ret_machine)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	int ret = -EOPNOTSUPP;

	if (env->describe)
		ret = pclk_env_error(env->describe(env->ctx, &machine));
	if (ret)
		return ret;
	machine.size = sizeof(machine);
	machine.hypervisor[sizeof(machine.hypervisor) - 1] = '\0';
	machine.clocksource[sizeof(machine.clocksource) - 1] = '\0';
	*ret_machine = machine;
	return 0;
}

bool pclk_env_offset(const struct paraclock_env *env, int64_t *ret_offset_ns,
		     int64_t *ret_realtime_ns)
{
	static const uint8_t clocks[] = { PARACLOCK_CLOCK_MONOTONIC,
					  PARACLOCK_CLOCK_REALTIME,
					  PARACLOCK_CLOCK_MONOTONIC };
	int64_t ns[3], width, offset, narrow = INT64_MAX;

	for (unsigned int i = 0; i < 3 * OFFSET_TRIES; i++) {
		if (!env->read_clock ||
		    env->read_clock(env->ctx, pclk_clock_id[clocks[i % 3]],
				    &ns[i % 3]))
			return false;
		/* An env may return any numbers. */
		if (i % 3 < 2 || __builtin_sub_overflow(ns[2], ns[0], &width) ||
		    width < 0 || width >= narrow ||
		    __builtin_sub_overflow(ns[1], ns[0] + width / 2, &offset))
			continue;
		narrow = width;
		*ret_offset_ns = offset;
		*ret_realtime_ns = ns[1];
	}
	return narrow < INT64_MAX;
}

int pclk_env_open(const struct paraclock_env *env, const char *path,
		  int *ret_fd)
{
	int fd = -1;
	int ret = pclk_env_error(env->open_device(env->ctx, path, &fd));

	if (!ret && fd < 0)
		ret = -EIO;
	if (!ret)
		*ret_fd = fd;
	return ret;
}

int pclk_open_error(int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		return -EACCES;
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return -ENOMEM;
	default:
		return -ENODEV;
	}
}

const char *pclk_open_why(int error)
{
	switch (error) {
	case -EACCES:
		return ": permission denied; ask for read access to it (a "
		       "group, by a udev rule), or run as root";
	case -EPERM:
		return ": refused, also to root: by the device policy of a "
		       "sandbox (a container's, a unit's DeviceAllow=), a "
		       "mount with nodev, a user namespace without its owner, "
		       "or a security module; have it allowed there";
	case -ENOMEM:
		return ": no memory is left";
	case -EMFILE:
		return ": this process has no file descriptor left; close "
		       "some, or raise its limit (ulimit -n)";
	case -ENFILE:
		return ": this machine has no file handle left; raise its "
		       "limit "
		       "(sysctl fs.file-max)";
	case -ENXIO:
		return ": no driver is behind this node; load it, or make the "
		       "node again: its number may have changed";
	case -EBUSY:
		return ": only one process may open it, and another has it "
		       "open; end that one first";
	case -ELOOP:
		return ": its symbolic links form a loop; correct them";
	case -EISDIR:
		return ": this is a directory; name a device in it";
	case -EIO:
		return ": the device fails; see the kernel's log";
	case -EINTR:
	case -EAGAIN:
		return ": it was not ready; try again";
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
		return ": no such device; check the path, and that the device "
		       "was given to this container, if this is one";
	case -ENODEV:
		return ": no such device";
	default:
		return ": it cannot be opened; see the kernel's log";
	}
}
