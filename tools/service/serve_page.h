/* SPDX-License-Identifier: MIT */
/* The vmclock page that is published, DIR/utc.vmclock, and its one writer. */
#ifndef SERVE_PAGE_H
#define SERVE_PAGE_H

#include <paraclock/host.h>

#include "serve_file.h"

struct serve_page {
	struct serve_file file;
	struct paraclock_page_writer writer;
	char path[256];
	struct serve_lock lock;
	uint64_t found; /* the marker of the page that was there; 0: none */
};

/* Make the folder, and hold the lock. 0, or -errno and a sentence in @p why:
 * -EBUSY names the process that holds it. */
int serve_page_open(struct serve_page *page, const char *folder, char *why,
		    size_t size);
/*
 * Write a timeline. The page of a writer that has died is repaired and kept, so
 * that who has mapped it goes on; one that does not fit is replaced. 0, or
 * -errno; -ESTALE: it contradicts what the page promises.
 */
int serve_page_write(struct serve_page *page,
		     const struct paraclock_timeline *tl);
/* From now on the page has no time: UNRELIABLE. */
void serve_page_freeze(struct serve_page *page);
void serve_page_close(struct serve_page *page);

#endif
