/* SPDX-License-Identifier: MIT */
/* An open clock from inside. */
#ifndef CLOCK_PRIVATE_H
#define CLOCK_PRIVATE_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/counter.h"
#include "base/shared.h"
#include "events.h"

/* One is compiled in; the others are room for the backends of callers. */
#define MARKERS_MAX 4

/* One open source of markers. */
struct marker_source {
	const struct paraclock_backend *be;
	void *state;
};

/*
 * What a handle remembers of its sources. It has only whole 64-bit words,
 * because readers copy it word by word while it may be written.
 */
struct remembered {
	uint64_t epoch;
	uint64_t qualifiers; /* sample bytes 40 to 47, as one word */
	uint64_t flags;	     /* sample bytes 48 to 55 */
	/* 1: the counter is the fenced one, and of conv only base, mask and
	 * mult_lo count. */
	uint64_t plain;
	struct paraclock_conversion conv;
	struct paraclock_conversion last; /* the last one that was usable */
	uint64_t watched[2];		  /* the values at watch[] */
	struct paraclock_marker seen[MARKERS_MAX];
	uint64_t last_scale;  /* enum paraclock_timescale of last */
	int64_t last_leap;    /* pclk_announced_leap() of last */
	uint64_t noticed_tsc; /* counter when the epoch last advanced */
	uint64_t conv_tsc;    /* counter when conv was first seen */
	uint64_t since_tsc;   /* nothing is known of the time before it */
	uint64_t pending;     /* 1: the page may still be the old one */
	uint64_t implausible; /* 1: a second clock contradicts this one */
	/* 1: the page may be from before the open; see confirm_fresh(). */
	uint64_t unconfirmed;
	uint64_t primed; /* 1: there is something to compare with */
	/* 1: the qualifiers are those of a counter value beyond conv. */
	uint64_t off_conversion;
};
_Static_assert(sizeof(struct remembered) % sizeof(uint64_t) == 0,
	       "copied by words");

struct paraclock {
	/*
	 * The hot read's part comes first. now is written only by the holder
	 * of owner, between two increments of gen (odd: being written), with
	 * relaxed stores; readers check gen before and after.
	 */
	uint32_t gen;
	enum counter_how how; /* constant */
	struct remembered now;
	const uint64_t *watch[2]; /* constant; never NULL */

	/*
	 * The try-lock: the process that is changing now; 0: none. Nobody
	 * waits for it without bound. A forked child that inherits it locked
	 * sees that its owner is another process, and takes it over.
	 */
	uint32_t owner;

	/* Constant once open. */
	const struct paraclock_env *env;
	const struct paraclock_backend *be;
	void *state;
	uint64_t max_pair_error_ns;
	uint8_t marker_class; /* the upper limit; see best_marker_class() */
	uint8_t n_markers;
	bool markers_in_memory; /* watch[] shows every marker source */
	bool checks_copy;	/* see is_outdated() */
	struct marker_source marker[MARKERS_MAX];
	/* The page of a conversion that has none; no key equals it. */
	uint64_t nothing[PARACLOCK_CONVERSION_WORDS];

	bool may_be_foreign;  /* the page may be another machine's */
	struct event_log log; /* belongs to the holder of owner */
	/* Made by the first paraclock_event_fd(), then constant. */
	struct event_sources *events;
	struct event_loss loss; /* belongs to the consumer of events */
};

/* One consistent look at every source of a handle. */
struct observation {
	struct paraclock_sample sample;
	struct paraclock_conversion conv;
	struct paraclock_marker marker[MARKERS_MAX];
	/* Of a clock that checks_copy: the page's copy of the marker, not newer
	 * than the sample. */
	struct paraclock_marker copy;
	uint64_t watched[2];
};

/* The error of the last look of a source that only events look at; 0: none, or
 * another kind of source. */
static inline int look_error(const struct marker_source *source)
{
	return source->be->look && source->be->is_there
		       ? source->be->is_there(source->state)
		       : 0;
}

/* Conversions more than 1 us apart where they meet are a jump. */
static inline bool is_jump(int64_t gap_ns)
{
	return gap_ns > 1000 || gap_ns < -1000;
}

/* What the marker of one source promises, as last seen. */
static inline uint8_t class_of(const struct paraclock_backend *be, void *state)
{
	return be->marker_class > PARACLOCK_MARKER_HEURISTIC &&
			       be->is_inferred && be->is_inferred(state)
		       ? PARACLOCK_MARKER_HEURISTIC
		       : be->marker_class;
}

/* What it promises to reads: nothing, if they do not look at it. */
static inline uint8_t promise_of(const struct paraclock_backend *be,
				 void *state)
{
	return be->look ? (uint8_t)PARACLOCK_MARKER_NONE : class_of(be, state);
}

/*
 * What equality of epochs promises now: as much as the best marker does, since
 * each of them is looked at. No marker vouches for a page that may be from
 * before a disruption just before the open.
 */
static inline uint8_t best_marker_class(const struct paraclock *clk,
					const struct remembered *now)
{
	uint8_t most = now->unconfirmed ? PARACLOCK_MARKER_HEURISTIC
					: PARACLOCK_MARKER_AUTHORITATIVE;
	uint8_t best = promise_of(clk->be, clk->state);

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];
		uint8_t its = promise_of(source->be, source->state);

		best = its > best ? its : best;
	}
	if (clk->marker_class < most)
		most = clk->marker_class;
	return best < most ? best : most;
}

/* --- read.c: the hot path; everything else is left to look.c ---------- */

/* --- look.c ----------------------------------------------------------- */

/* A read that the remembered conversion cannot answer. */
int pclk_read_slow(struct paraclock *clk, struct paraclock_sample *ret_sample);
/* The same at a counter value of the past, with get_time_at(). */
int pclk_read_at_slow(const struct paraclock *clk, uint64_t counter,
		      struct paraclock_sample *ret_sample);
/* Commit the changes that are visible now. -EAGAIN: another thread is changing
 * what is remembered. */
int pclk_look(const struct paraclock *clk);

/* --- change.c --------------------------------------------------------- */

/* Commit the changes that obs shows. 1: another thread has the try-lock. */
int pclk_commit(struct paraclock *clk, struct observation *obs,
		struct remembered *ret_now);
/* Commit a restore, or a possible one, that memory does not show. 1, or an
 * error: it could not be committed now. */
int pclk_commit_restore(struct paraclock *clk, enum event_cause cause);
/* Lock owner; unlock() releases it. false: another thread holds it. */
PCLK_SHARED bool pclk_clock_lock(struct paraclock *clk);
/* Whether a second clock contradicts this one. -EAGAIN: another thread is
 * changing what is remembered. */
int pclk_set_implausible(struct paraclock *clk, bool implausible);
bool pclk_is_implausible(const struct paraclock *clk);

/* --- observe.c -------------------------------------------------------- */

int pclk_look_at_markers(const struct paraclock *clk,
			 struct paraclock_marker ret_marker[MARKERS_MAX],
			 uint64_t ret_watched[2]);
/* 1: a marker differs from the remembered one; 0: all are the same. */
int pclk_markers_moved(const struct paraclock *clk,
		       const struct remembered *now);
PCLK_SHARED int pclk_observe(const struct paraclock *clk,
			     struct observation *ret_obs);
/* false: it is being written; bounded, for the writer may be stopped. */
PCLK_SHARED bool pclk_recall(const struct paraclock *clk,
			     struct remembered *ret_now);
/* The caller holds owner. */
void pclk_publish(struct paraclock *clk, const struct remembered *next);
PCLK_SHARED bool pclk_unchanged(const struct paraclock *clk,
				const struct remembered *now,
				const struct observation *obs);
/*
 * The leap second that the page announces for the end of the month in which a
 * UTC conversion begins: 1 inserted, -1 removed, or 0. The conversion itself
 * goes on without it.
 */
int64_t pclk_announced_leap(const struct observation *obs);

#endif
