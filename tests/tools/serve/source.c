// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <string.h>

#include <paraclock/backend.h>

#include "source.h"

#define SLEW_PPM 200

/* An edge that leaves room for rounding. */
#define EDGE 0.98

static uint32_t next_random(struct source *source)
{
	source->random = source->random * 1664525U + 1013904223U;
	return source->random >> 8;
}

static void set_rate(struct source *source, const struct span *span)
{
	struct paraclock_timeline *tl = &source->timeline;
	const long double sec = (long double)span->rate /
				(long double)(1ULL << RATE_BITS) / 1e9L *
				(1.0L + (long double)source->rate_ppm / 1e6L);
	int exponent;

	/* From 1/2 to 1, so that 64 bits hold it. */
	frexpl(sec, &exponent);
	tl->period_shift = (uint8_t)-exponent;
	tl->period_frac = (uint64_t)ldexpl(sec, 64 - exponent);
	tl->maxerror_rate_frac =
		(uint64_t)((long double)tl->period_frac *
			   fabsl(source->rate_ppm) * 1.01L / 1e6L);
}

static void set_time(struct source *source, int64_t ns)
{
	struct paraclock_timeline *tl = &source->timeline;

	if (tl->timescale == PARACLOCK_TIMESCALE_UTC)
		ns -= TAI_SEC * NS_PER_SEC;
	tl->base_sec = (uint64_t)(ns / NS_PER_SEC);
	tl->base_frac =
		(uint64_t)(((u128)(ns % NS_PER_SEC) << 64) / NS_PER_SEC);
}

static int64_t wanted_error(struct source *source, uint64_t now, int64_t edge)
{
	const int64_t by = ns_of(source->world, now - source->updated) *
			   SLEW_PPM / 1000000;

	switch (source->error) {
	case SOURCE_AHEAD:
		return edge;
	case SOURCE_BEHIND:
		return -edge;
	case SOURCE_STEPS:
		return (int64_t)(next_random(source) % (uint64_t)(2 * edge)) -
		       edge;
	case SOURCE_SLEWS:
		break;
	}
	if (source->error_ns > edge - by)
		source->slews_back = true;
	if (source->error_ns < by - edge)
		source->slews_back = false;
	return source->error_ns + (source->slews_back ? -by : by);
}

static int64_t clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

/* Within its bound, and within the one that it gave before. */
static int64_t next_error(struct source *source, uint64_t now)
{
	const int64_t edge = (int64_t)((double)source->bound_ns * EDGE);
	/* Of the page that is there, and to be. */
	const int64_t narrower = source->published_ns < source->bound_ns
					 ? source->published_ns
					 : source->bound_ns;
	const int64_t step = narrower * 9 / 10;

	return clamp(clamp(wanted_error(source, now, edge),
			   source->error_ns - step, source->error_ns + step),
		     -edge, edge);
}

static int publish(struct source *source)
{
	const uint64_t now = counter_now();
	const struct span *span = line_find(&source->world->truth, now);
	const int64_t error_ns = next_error(source, now);
	int ret;

	set_rate(source, span);
	set_time(source, line_at(&source->world->truth, now) + error_ns);
	source->timeline.base_tsc = now;
	source->timeline.maxerror_ns = (uint64_t)source->bound_ns;
	source->timeline.marker = source->marker;
	source->timeline.generation = source->generation;
	ret = paraclock_vmclock_write(source->page, &source->writer, NULL,
				      &source->timeline);
	/* It has to stay within the bound that it gave before. */
	if (ret == -ESTALE) {
		source->refused++;
		return 0;
	}
	if (ret)
		return ret;
	source->error_ns = error_ns;
	source->published_ns = source->bound_ns;
	source->updated = now;
	if (!page_copy(source->page,
		       &source->kept[source->updates++ % SOURCE_KEPT]))
		return -EPROTO;
	return 0;
}

int source_update(struct source *source)
{
	return source->is_dead ? 0 : publish(source);
}

int source_init(struct source *source, struct world *world, void *page,
		bool is_utc)
{
	source->world = world;
	source->page = page;
	source->timeline = (struct paraclock_timeline){
		.size = sizeof(source->timeline),
		.flags = PARACLOCK_TIMELINE_TAI_OFFSET |
			 PARACLOCK_TIMELINE_MAXERROR |
			 PARACLOCK_TIMELINE_MAXERROR_RATE |
			 PARACLOCK_TIMELINE_GENERATION,
		.tai_offset_sec = TAI_SEC,
		.timescale = is_utc ? PARACLOCK_TIMESCALE_UTC
				    : PARACLOCK_TIMESCALE_TAI,
		.counter = paraclock_default_env()->counter_id,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};
	source->bound_ns = 200000;
	source->published_ns = source->bound_ns;
	source->marker = 0x1000;
	source->generation = 1;
	source->updated = counter_now();
	return paraclock_page_writer_acquire(&source->writer, NULL);
}

static int acquire_anew(struct source *source)
{
	memset(&source->writer, 0, sizeof(source->writer));
	return paraclock_page_writer_acquire(&source->writer, NULL);
}

int source_move(struct source *source, bool is_marked, bool is_restored)
{
	const uint64_t marker = source->marker;
	uint64_t *live = (uint64_t *)source->page + 2;
	int ret = acquire_anew(source);

	source->marker++;
	if (is_restored && is_marked)
		source->generation++;
	if (!ret)
		ret = publish(source);
	if (ret || is_marked)
		return ret;
	/* Only another marker lets the time jump; this host does not show it. */
	source->marker = marker;
	__atomic_store_n(live, marker, __ATOMIC_SEQ_CST);
	return acquire_anew(source);
}

int source_freeze(struct source *source)
{
	source->is_dead = true;
	return paraclock_vmclock_freeze(source->page, &source->writer, NULL);
}

/* --- what it said ----------------------------------------------------------- */

static const struct page *kept_at(const struct source *source, uint64_t back)
{
	return &source->kept[(source->updates - 1 - back) % SOURCE_KEPT];
}

static bool covers(const struct page *served, const struct page *said)
{
	int64_t ns, bound_ns, said_ns, said_bound_ns;

	page_at(served, served->counter, &ns, &bound_ns);
	page_at(said, served->counter, &said_ns, &said_bound_ns);
	/* 3: all are rounded. */
	return ns - bound_ns <= said_ns - said_bound_ns + 3 &&
	       ns + bound_ns >= said_ns + said_bound_ns - 3;
}

const char *source_is_covered(const struct source *source,
			      const struct page *served)
{
	const uint64_t kept =
		source->updates < SOURCE_KEPT ? source->updates : SOURCE_KEPT;

	for (uint64_t back = 0; back < kept; back++) {
		const struct page *said = kept_at(source, back);

		if (said->counter > served->counter)
			continue;
		/* The host may have written while it was read. */
		if (covers(served, said) || back + 1 == kept ||
		    covers(served, kept_at(source, back + 1)))
			return NULL;
		return "a page does not cover the host's interval";
	}
	return NULL;
}
