/* SPDX-License-Identifier: MIT */
/* Where a device's page lies, in the text of /proc/iomem. */
#ifndef IOMEM_H
#define IOMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A page is looked at in words of the host's, so it begins at such a word. */
#define IOMEM_ALIGN 8U

/* The first range of a device. */
struct iomem_found {
	uint64_t start;
	uint64_t size;	/* bytes; 0: no range that can be used */
	bool is_named;	/* a line names the device */
	bool is_hidden; /* but shows this process no address */
};

/* Finds it in a text that arrives in pieces. Zero it first, but for name. */
struct iomem_parser {
	const char *name; /* an ACPI _HID, without its ":00" */
	struct iomem_found found;
	char line[160];
	size_t used;
	bool overlong;
};

void pclk_iomem_parse(struct iomem_parser *parser, const char *text,
		      size_t size);

#endif
