/* SPDX-License-Identifier: MIT */
/*
 * Where an x86 Linux shows its hypervisor's clock pages to every process.
 *
 * Source: Linux arch/x86/entry/vdso/vma.c and vdso-layout.lds.S, of releases
 * 4.5 to 6.18: the pages moved several times, and the number of pages tells
 * which layout it is (the release alone does not, for backports).
 */
#ifndef VVAR_H
#define VVAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VVAR_PAGE_SIZE 4096U

enum vvar_page {
	VVAR_PVCLOCK = 0,
	VVAR_HYPERV = 1,
};

/* The two mappings of /proc/self/maps that matter; 0 pages: absent. */
struct vvar_map {
	uint64_t vvar;
	uint64_t vvar_pages;
	uint64_t vclock;
	uint64_t vclock_pages;
};

/* Finds them in a text that arrives in pieces. Zero it first. */
struct vvar_parser {
	struct vvar_map map;
	char line[160];
	size_t used;
	bool overlong;
};

void pclk_vvar_parse(struct vvar_parser *parser, const char *text, size_t size);

/*
 * The address of a page. kernel is major << 16 | minor. -ENODEV: the page is
 * not shown, and *ret_why says why.
 */
int pclk_vvar_choose(const struct vvar_map *map, enum vvar_page page,
		     uint32_t kernel, uint64_t *ret_address,
		     const char **ret_why);

/* The same for this process, with a check that a load does not fault. */
int pclk_vvar_find(enum vvar_page page, const void **ret_page,
		   const char **ret_why);

/* Ask the kernel whether n bytes can be loaded, without a signal. -EFAULT: they
 * cannot. */
int pclk_vvar_probe(const void *page, size_t n);

/* "6.18.44-x" as major << 16 | minor; 0: not a release number. */
uint32_t pclk_vvar_release(const char *release);

#endif
