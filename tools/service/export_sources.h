/* SPDX-License-Identifier: MIT */
/* Every source of this build, or the one that the user names. */
#ifndef EXPORT_SOURCES_H
#define EXPORT_SOURCES_H

#include "export_source.h"

struct loop;

struct export_sources {
	struct export_follower followers[EXPORT_SOURCES];
	struct export_data *data;
	struct loop *loop; /* NULL: nothing is followed between collections */
	uint64_t changes;  /* after which the machine was described */
};

/* enum status: STATUS_USAGE, and stderr says why, if this build has no such
 * backend. A source that is not there is no error. */
int sources_open(struct export_sources *sources, const struct source *only,
		 struct export_data *data);
void sources_close(struct export_sources *sources);

/* From now on, count events as they come, and look for sources that come. */
void sources_start(struct export_sources *sources, struct loop *loop);

/* What is known now, into the data. */
void sources_collect(struct export_sources *sources);

#endif
