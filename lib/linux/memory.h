/* SPDX-License-Identifier: MIT */
/* A device's page in physical memory: a member of the Linux env, and a part of
 * another. */
#ifndef LINUX_MEMORY_H
#define LINUX_MEMORY_H

#include <paraclock/backend.h>

/* Find the vmclock's page, as map_page() with PARACLOCK_DEVICE_MEMORY. */
int pclk_linux_map_memory(struct paraclock_mapping *ret_map);
int64_t pclk_linux_read_memory(void *ctx, const struct paraclock_mapping *map,
			       void *buf, size_t n, uint64_t offset);

/* Copy n bytes, at most 4096, that lie at an address of this process or in the
 * file fd at an offset. 0, or the negative errno: -EFAULT where a load would
 * have raised a signal. */
int pclk_copy_by_pipe(const void *from, void *to, size_t n);
int pclk_copy_by_mapping(int fd, uint64_t offset, void *to, size_t n);

#endif
