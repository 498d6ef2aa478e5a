// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "env_call.h"

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
	/* Names are compared whole, so what is behind one counts. */
	name[31] = '\0';
	for (unsigned int i = 0, ended = 0; i < 32; i++) {
		ended |= !name[i];
		ret_name[i] = ended ? '\0' : name[i];
	}
	*ret_kind = kind <= PARACLOCK_CLOCKSOURCE_OTHER
			    ? kind
			    : (uint8_t)PARACLOCK_CLOCKSOURCE_UNKNOWN;
	return 0;
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
		       "mount with nodev, or a security module; have it "
		       "allowed there";
	case -ENOMEM:
		return ": no memory is left";
	case -EMFILE:
		return ": this process has no file descriptor left; close "
		       "some, or raise its limit (ulimit -n)";
	case -ENFILE:
		return ": this machine has no open file left; raise its limit "
		       "(sysctl fs.file-max)";
	case -ENXIO:
		return ": no driver is behind this node; load it, or make the "
		       "node anew: its number may have changed";
	case -EBUSY:
		return ": it lets in one process, and another has it; end "
		       "that one first";
	case -ELOOP:
		return ": its symbolic links lead in a circle; mend them";
	case -EISDIR:
		return ": this is a folder; name a device in it";
	case -EIO:
		return ": the device fails; see the kernel's log";
	case -EINTR:
	case -EAGAIN:
		return ": it was not ready; try again";
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
		return ": no such device; is that its path, and was it given "
		       "to this container, if it is one?";
	case -ENODEV:
		return ": no such device";
	default:
		return ": it cannot be opened; see the kernel's log";
	}
}
