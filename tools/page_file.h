/* SPDX-License-Identifier: MIT */
/* A page of a simulated VM in a file that other programs read. */
#ifndef PAGE_FILE_H
#define PAGE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <paraclock/sim.h>

/* Set page, size and kind, fd and both ends of the pipe to -1; zero the
 * rest. */
struct page_file {
	const void *page; /* the simulation's */
	void *shown;	  /* a copy of what others see */
	char *path;
	size_t size;
	uint64_t at; /* where in the file, bytes */
	void *map;   /* of a file that refuses write(2); else NULL */
	size_t map_size;
	int pipe[2];
	unsigned int kind; /* enum paraclock_sim_page_kind */
	int fd;
	bool own;    /* the file holds this page and nothing else */
	bool mended; /* it was truncated, and stderr has said so */
};

/* Open DIR/NAME, a file for this page alone: 0, or -EIO and stderr says why. */
int page_file_open(struct page_file *p, const char *dir, const char *name);
/* Use the bytes from at on of an existing file, likewise. */
int page_file_open_into(struct page_file *p, const char *path, uint64_t at);
/* Make the file say what the page says now: 0, or -EIO and stderr says why. */
int page_file_show(struct page_file *p);
/* Make its sequence say that the page must not be used. */
int page_file_hide(const struct page_file *p);
void page_file_close(const struct page_file *p);

#endif
