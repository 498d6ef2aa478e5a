/* SPDX-License-Identifier: MIT */
/* What firmware announces: ACPI and the device tree, as Linux shows them. */
#ifndef FIRMWARE_H
#define FIRMWARE_H

#include <stddef.h>

#include <paraclock/clock.h>

/* enum paraclock_firmware. */
int pclk_detect_device(const char *acpi_hid, const char *compatible);

/* Does a flattened device tree hold a node with this compatible? 1, 0. */
int pclk_detect_in_fdt(const void *fdt, size_t size, const char *compatible);

/*
 * The same in a folder that shows the tree as files. -ENOENT: no such folder;
 * another error: the folder, or a part of it, cannot be read.
 */
int pclk_detect_in_tree(const char *folder, const char *compatible);

#endif
