/* SPDX-License-Identifier: MIT */
/*
 * Calls of an env whose results are checked as a page is: an env is somebody
 * else's code, and what it returns is what memory is then walked by.
 */
#ifndef ENV_CALL_H
#define ENV_CALL_H

#include <errno.h>
#include <stdbool.h>

#include <paraclock/backend.h>

/* read_clock()'s number of a clock, as clock_gettime(2) has it; by enum
 * paraclock_clock. */
extern const int pclk_clock_id[PARACLOCK_CLOCKS];

/* Of a function that returns 0 or a negative errno: one of these. */
static inline int pclk_env_error(int ret)
{
	return ret <= 0 && ret >= -4095 ? ret : -EIO;
}

/* Of one that returns a length: at most what was asked for, or an errno. */
static inline int64_t pclk_env_length(int64_t ret, size_t most)
{
	if (ret < 0)
		return ret >= -4095 ? ret : -EIO;
	return (uint64_t)ret < most ? ret : (int64_t)most;
}

/* Of one that starts to watch, and gives a descriptor. */
static inline int pclk_env_watch(int ret, const int *fd)
{
	if (ret < 0)
		return pclk_env_error(ret);
	return *fd < 0 ? -EIO : ret;
}

/* Bytes read, at most n, or a negative errno. */
int64_t pclk_env_pread(const struct paraclock_env *env, int fd, void *buf,
		       size_t n, uint64_t offset);

/* read_text(): its length, below size, with a NUL there; buf is left as it was
 * on an error. -EOPNOTSUPP: the env has none. */
int pclk_env_text(const struct paraclock_env *env, const char *path, char *buf,
		  size_t size);

/* clocksource(): the name ends, and nothing but NULs follows. */
int pclk_env_clocksource(const struct paraclock_env *env, char ret_name[32],
			 uint8_t *ret_kind);

/* describe(): its names end; *ret_machine is written on success only. */
int pclk_env_describe(const struct paraclock_env *env,
		      struct paraclock_machine *ret_machine);

/* CLOCK_REALTIME - CLOCK_MONOTONIC, and the former, ns; false: these clocks
 * cannot be read, or say what cannot be. */
bool pclk_env_offset(const struct paraclock_env *env, int64_t *ret_offset_ns,
		     int64_t *ret_realtime_ns);

/* open_device(): 0 and a descriptor that may be one, or a negative errno. */
int pclk_env_open(const struct paraclock_env *env, const char *path,
		  int *ret_fd);

/* What paraclock_open() makes of an error of open_device(): -EACCES, -ENOMEM
 * or -ENODEV. */
int pclk_open_error(int error);

/* The fault and its remedy, to be put behind a path. */
const char *pclk_open_why(int error);

#endif
