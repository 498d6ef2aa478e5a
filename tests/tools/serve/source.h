/* SPDX-License-Identifier: MIT */
/* A host that publishes a vmclock page whose time is wrong by less than the
 * bound that it states. */
#ifndef SOURCE_H
#define SOURCE_H

#include <paraclock/host.h>

#include "pages.h"
#include "world.h"

/* How its error moves within its bound. */
enum source_error {
	SOURCE_STEPS, /* anywhere, at every update */
	SOURCE_SLEWS, /* from edge to edge, at 200 ppm */
	SOURCE_AHEAD, /* at the edge */
	SOURCE_BEHIND,
};

/* What it has published, for whoever asks later. */
#define SOURCE_KEPT 1024

struct source {
	struct world *world;
	void *page;
	struct paraclock_page_writer writer;
	struct paraclock_timeline timeline;
	enum source_error error;
	int64_t bound_ns;
	double rate_ppm; /* its rate is wrong by this, and it says so */
	bool is_dead;	 /* it publishes no more */
	uint64_t marker, generation;
	uint64_t updates, refused;
	int64_t error_ns;     /* of the last update */
	int64_t published_ns; /* its bound */
	uint32_t random;
	bool slews_back;
	uint64_t updated;
	struct page kept[SOURCE_KEPT];
};

/* On UTC or TAI. @p page: zeroed, and mapped by others. 0, or -errno. */
int source_init(struct source *source, struct world *world, void *page,
		bool is_utc);
/* Publish what it believes now; one that is dead does nothing. */
int source_update(struct source *source);
/*
 * Go on after a disruption, while nobody reads: the page is another host's. The
 * marker changes if @p is_marked, the generation as well if @p is_restored.
 */
int source_move(struct source *source, bool is_marked, bool is_restored);
/* The page says that it is unreliable, until the next update. */
int source_freeze(struct source *source);

/*
 * Does an interval at a counter value cover what the host said there? NULL, or
 * what is wrong; also NULL if that is not known any more.
 */
const char *source_is_covered(const struct source *source,
			      const struct page *served);

#endif
