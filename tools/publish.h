/* SPDX-License-Identifier: MIT */
/* The pages of simulated VMs, as files that any program can read. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/sim_script.h>

/* A page in a file. */
struct published {
	const void *page; /* the simulation's */
	void *shown;	  /* a copy of what others see */
	char *path;
	size_t size;
	uint64_t at; /* where in the file, bytes */
	void *map;   /* of a file that takes no write(2); NULL: it does */
	size_t map_size;
	int pipe[2];
	unsigned int kind; /* enum paraclock_sim_page_kind */
	int fd;
	bool own;    /* the file is the page's alone */
	bool mended; /* it was cut, which has been complained of */
};

/* Zero what is not set. */
struct publisher {
	const char *dir;  /* NULL: no files */
	const char *into; /* NULL: into no file that is there */
	uint64_t at;	  /* where in that, bytes */
	/* The publisher's own. */
	struct published *page;
	unsigned int pages;
	unsigned int vms; /* of which the pages are there */
	int error;	  /* of the first page that cannot be */
};

/* Show all pages as they are now: 0, or -EIO and it has complained. */
int publish(struct publisher *pub, const struct paraclock_sim_play *play);
/* Close; with @p off, Hyper-V's pages are switched off: nothing else on them
 * can say that their writer is gone. */
void publish_end(struct publisher *pub, bool off);

#endif
