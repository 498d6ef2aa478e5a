/* SPDX-License-Identifier: MIT */
/* Devices, small files, and watches: members of the Linux env. */
#ifndef DEVICE_H
#define DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* How a clocksource of Linux relates to the counter: enum
 * paraclock_clocksource_kind, never UNKNOWN. */
uint8_t pclk_clocksource_kind(const char *name);

/* As the members of struct paraclock_env. */
int pclk_linux_clocksource(void *ctx, char ret_name[32], uint8_t *ret_kind);
int pclk_linux_read_text(void *ctx, const char *path, char *buf, size_t size);
int pclk_linux_open_device(void *ctx, const char *path, int *ret_fd);
int pclk_linux_ioctl(void *ctx, int fd, unsigned long request, void *arg);
void pclk_linux_close_device(void *ctx, int fd);
int pclk_linux_watch_clock(void *ctx, int *fd);
int pclk_linux_watch_generation(void *ctx, int *fd);
int pclk_linux_poll_group(void *ctx, int *group, int fd);
int pclk_linux_device_number(void *ctx, int fd, uint32_t *ret_major,
			     uint32_t *ret_minor);
int pclk_linux_next_number(void *ctx, const char *prefix, uint32_t from,
			   uint32_t *ret_number);

/* The error to return for a failed open(2): -ENODEV, -EACCES or -ENOMEM. */
int pclk_error_of_open(int error);
/* The errno of a failed open(2) of that path, negative; -EPERM if something
 * else than the mode forbids it. */
int pclk_reason_of_open(const char *path, int error);

#endif
