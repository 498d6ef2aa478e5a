/* SPDX-License-Identifier: MIT */
/*
 * Calls into an env, with their results checked as a page's are: an env is
 * somebody else's code, and the lengths that it returns are used as indices.
 */
#ifndef ENV_CALL_H
#define ENV_CALL_H

#include <errno.h>
#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/crosststamp.h>

/* read_clock()'s number of a clock, as clock_gettime(2) has it; by enum
 * paraclock_clock. */
extern const int pclk_clock_id[PARACLOCK_CLOCKS];

/* The result of a function that returns 0 or a negative errno; -EIO for any
 * other value. */
static inline int pclk_env_error(int ret)
{
	return ret <= 0 && ret >= -4095 ? ret : -EIO;
}

/* The result of a function that returns a length, which is at most what was
 * asked for, or a negative errno. */
static inline int64_t pclk_env_length(int64_t ret, size_t most)
{
	if (ret < 0)
		return ret >= -4095 ? ret : -EIO;
	return (uint64_t)ret < most ? ret : (int64_t)most;
}

/* The result of a function that starts a watch and returns its descriptor. */
static inline int pclk_env_watch(int ret, const int *fd)
{
	if (ret < 0)
		return pclk_env_error(ret);
	return *fd < 0 ? -EIO : ret;
}

/* Bytes read, at most n, or a negative errno. */
int64_t pclk_env_pread(const struct paraclock_env *env, int fd, void *buf,
		       size_t n, uint64_t offset);

/* env->read_text(): the text's length, below size, with a NUL after it; buf is
 * unchanged on an error. -EOPNOTSUPP: the env has no such function. */
int pclk_env_text(const struct paraclock_env *env, const char *path, char *buf,
		  size_t size);

/* env->clocksource(): the name ends with a NUL, and only NULs follow it. */
int pclk_env_clocksource(const struct paraclock_env *env, char ret_name[32],
			 uint8_t *ret_kind);

/* env->describe(): each name ends with a NUL; *ret_machine is written on
 * success only. */
int pclk_env_describe(const struct paraclock_env *env,
		      struct paraclock_machine *ret_machine);

/* CLOCK_REALTIME - CLOCK_MONOTONIC, and CLOCK_REALTIME itself, ns. false: these
 * clocks cannot be read, or say what cannot be. */
bool pclk_env_offset(const struct paraclock_env *env, int64_t *ret_offset_ns,
		     int64_t *ret_realtime_ns);

/* env->open_device(): 0 and a descriptor of 0 or more, or a negative errno. */
int pclk_env_open(const struct paraclock_env *env, const char *path,
		  int *ret_fd);

/* The error of paraclock_open() for an error of env->open_device(): -EACCES,
 * -ENOMEM or -ENODEV. */
int pclk_open_error(int error);

/* The fault and its remedy, to be appended to a path. */
const char *pclk_open_why(int error);

#endif
