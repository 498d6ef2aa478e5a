/* SPDX-License-Identifier: MIT */
/* Pages of clocks: members of the Linux env. */
#ifndef MAPPING_H
#define MAPPING_H

#include <paraclock/backend.h>

int pclk_linux_map_page(void *ctx, const char *name, const char *path,
			struct paraclock_mapping *ret_map);
void pclk_linux_unmap_page(void *ctx, struct paraclock_mapping *map);
int pclk_linux_is_there(void *ctx, const struct paraclock_mapping *map);

#endif
