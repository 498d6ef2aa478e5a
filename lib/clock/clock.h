/* SPDX-License-Identifier: MIT */
/* What an open clock is made of. */
#ifndef CLOCK_PRIVATE_H
#define CLOCK_PRIVATE_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/counter.h"
#include "base/shared.h"
#include "events.h"

/* One of them is compiled in; the rest is for the backends of others. */
#define MARKERS_MAX 4

/* One open source of markers. */
struct marker_source {
	const struct paraclock_backend *be;
	void *state;
};

/*
 * What a handle remembers of its sources. Whole 64-bit words only: readers
 * copy it word by word while it may be written.
 */
struct remembered {
	uint64_t epoch;
	uint64_t qualifiers; /* sample bytes 40 to 47, as one word */
	uint64_t flags;	     /* sample bytes 48 to 55 */
	/* 1: the counter is the fenced one, and of line only base, mask and
	 * mult_lo count. */
	uint64_t plain;
	struct paraclock_conversion conv;
	struct paraclock_conversion last; /* the last one that was usable */
	uint64_t watched[2];
	struct paraclock_marker seen[MARKERS_MAX];
	uint64_t last_scale;  /* enum paraclock_timescale of last */
	int64_t last_leap;    /* pclk_announced_leap() of last */
	uint64_t noticed_tsc; /* counter when the epoch last advanced */
	uint64_t conv_tsc;    /* counter at which line was first seen */
	uint64_t since_tsc;   /* before that nothing is known of the past */
	uint64_t pending;     /* 1: the page may still be the old one */
	uint64_t implausible; /* 1: a second clock contradicts this one */
	uint64_t unconfirmed; /* 1: it may be from before the open; settle() */
	uint64_t primed;      /* 1: there is something to compare with */
	uint64_t off_conversion; /* 1: qualifiers are not those of the line */
};
_Static_assert(sizeof(struct remembered) % sizeof(uint64_t) == 0,
	       "copied by words");

struct paraclock {
	/*
	 * The hot read's, first. now is written only by the holder of owner,
	 * between two increments of gen (odd: being written), with relaxed
	 * stores; readers check gen before and after.
	 */
	uint32_t gen;
	enum counter_how how; /* constant */
	struct remembered now;
	const uint64_t *watch[2]; /* constant; never NULL */

	/*
	 * Process that is changing now, 0: none. A try-flag, never waited for
	 * without bound; a forked child that inherits it taken sees that the
	 * taker is not in this process and takes it over.
	 */
	uint32_t owner;

	/* Constant once open. */
	const struct paraclock_env *env;
	const struct paraclock_backend *be;
	void *state;
	uint64_t max_pair_error_ns;
	uint8_t marker_class; /* at most; see best_marker_class() */
	uint8_t n_markers;
	bool markers_in_memory; /* watch[] shows every marker source */
	struct marker_source marker[MARKERS_MAX];
	/* What a line without a page points to; no key equals it. */
	uint64_t nothing[PARACLOCK_CONVERSION_WORDS];

	bool takes_other_machines; /* the page may be of another machine */
	struct event_log log;	   /* by the holder of owner */
	/* Made by the first paraclock_event_fd(), then constant. */
	struct event_sources *events;
	struct event_loss loss; /* the consumer's of events */
};

/* One consistent look at every source of a handle. */
struct observation {
	struct paraclock_sample sample;
	struct paraclock_conversion conv;
	struct paraclock_marker marker[MARKERS_MAX];
	uint64_t watched[2];
};

/* Two lines that differ by more at the new one's base are a jump, ns. */
static inline bool is_jump(int64_t gap_ns)
{
	return gap_ns > 1000 || gap_ns < -1000;
}

/* What one source's marker promises, by the last look at it. */
static inline uint8_t class_of(const struct paraclock_backend *be, void *state)
{
	return be->marker_class > PARACLOCK_MARKER_HEURISTIC &&
			       be->is_inferred && be->is_inferred(state)
		       ? PARACLOCK_MARKER_HEURISTIC
		       : be->marker_class;
}

/*
 * What equality of epochs promises now: what the best of the markers does, as
 * each of them is looked at. While the page may be from before a disruption
 * just before the open, no marker vouches for it.
 */
static inline uint8_t best_marker_class(const struct paraclock *clk,
					const struct remembered *now)
{
	uint8_t most = now->unconfirmed ? PARACLOCK_MARKER_HEURISTIC
					: PARACLOCK_MARKER_AUTHORITATIVE;
	uint8_t best = class_of(clk->be, clk->state);

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];
		uint8_t its = class_of(source->be, source->state);

		best = its > best ? its : best;
	}
	if (clk->marker_class < most)
		most = clk->marker_class;
	return best < most ? best : most;
}

/* observe.c */
int pclk_look_at_markers(const struct paraclock *clk,
			 struct paraclock_marker ret_marker[MARKERS_MAX],
			 uint64_t ret_watched[2]);
/* 1: a marker is not as remembered; 0: all are. */
int pclk_markers_moved(const struct paraclock *clk,
		       const struct remembered *now);
PCLK_SHARED int pclk_observe(const struct paraclock *clk,
			     struct observation *ret_obs);
PCLK_SHARED bool pclk_recall(const struct paraclock *clk,
			     struct remembered *ret_now);
PCLK_SHARED bool pclk_unchanged(const struct paraclock *clk,
				const struct remembered *now,
				const struct observation *obs);
void pclk_publish(struct paraclock *clk, const struct remembered *next);

/* disruption.c: take in what obs shows; 1: somebody else is at it. */
int pclk_notice(struct paraclock *clk, struct observation *obs,
		struct remembered *ret_now);
/* The machine was restored, or may have been (CAUSE_LOST), says who is not in
 * memory; 1, or an error: it could not be taken in now. */
int pclk_notice_restore(struct paraclock *clk, enum event_cause cause);
/* Take owner; flag_give() is the way back. false: another thread holds it. */
PCLK_SHARED bool pclk_own(struct paraclock *clk);
/* How far the new line is ahead of the old one, ns, at the later one of their
 * bases, or if they have none at counter. false: they cannot be compared. */
bool pclk_conversion_gap(const struct paraclock_conversion *from,
			 const struct paraclock_conversion *to,
			 uint64_t counter, int64_t *ret_ns);

/* The leap second at the end of the month that a line of UTC begins in, as its
 * page says: 1 inserted, -1 removed, or 0. The line goes on without it. */
int64_t pclk_announced_leap(const struct observation *obs);

/* A second clock contradicts this one, or no longer; -EAGAIN: somebody else is
 * changing what is remembered. */
int pclk_set_implausible(struct paraclock *clk, bool implausible);
bool pclk_is_implausible(const struct paraclock *clk);

/* read.c: the walk of every read that the line cannot answer. */
int pclk_read_slow(struct paraclock *clk, struct paraclock_sample *ret_sample);
/* Take in what is visible now; -EAGAIN: somebody else is at it. */
int pclk_look(const struct paraclock *clk);

#endif
