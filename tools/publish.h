/* SPDX-License-Identifier: MIT */
/* All pages of a play's VMs, published as files. */
#ifndef PUBLISH_H
#define PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/sim_script.h>

#include "page_file.h"

/* Zero the members that are not set. */
struct publisher {
	const char *dir;  /* makes a file per page there; or NULL */
	const char *into; /* an existing file for one vmclock; or NULL */
	uint64_t at;	  /* where in that file, bytes */
	/* Private. */
	struct page_file *page;
	unsigned int pages;
	unsigned int vms; /* VMs whose pages are published */
	int error;	  /* of the first page that failed */
};

/* Publish all pages as they are now: 0, or -EIO and stderr says why. */
int publish(struct publisher *pub, const struct paraclock_sim_play *play);
/* Close all files. With @p off, hide Hyper-V's pages: nothing else on them can
 * say that their writer is gone. */
void publish_end(struct publisher *pub, bool off);

#endif
