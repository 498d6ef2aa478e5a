// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/mman.h>
#include <time.h>

#include <paraclock/paraclock.h>

#include "pages.h"
#include "reader.h"

/* Between two batches. */
#define PAUSE_NS 2000000
/* A handle that was not valid for so many batches is opened again, as a program
 * would do. */
#define BATCHES_UNFIT 500

/* serve keeps its promise also to those who miss so many of its pages. */
#define PAGES_MISSED 7

struct reader {
	struct world *world;
	const struct reader_options *options;
	struct findings *findings;
	struct paraclock *clk; /* NULL: not open */
	const void *live;
	const void *segment;
	const void *vmclock;
	struct page last; /* as seen last */
	unsigned int unfit;
};

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static int64_t ns_from(const struct timespec *ts)
{
	return ts->tv_sec * NS_PER_SEC + ts->tv_nsec;
}

static void blame(struct reader *r, const char *what, uint64_t counter)
{
	const struct fault fault = { .what = what, .counter = counter };

	judge_fault(r->world, r->findings, &fault);
}

/* The later page's centre stands for the truth. */
static void blame_page(struct reader *r, const char *what,
		       const struct page *page)
{
	struct fault fault = {
		.what = what,
		.counter = page->counter,
		.page = r->last.counter,
	};
	int64_t ns, bound_ns;

	page_at(&r->last, page->counter, &ns, &bound_ns);
	fault.earliest_ns = ns - bound_ns;
	fault.latest_ns = ns + bound_ns;
	page_at(page, page->counter, &fault.truth_ns, &bound_ns);
	judge_fault(r->world, r->findings, &fault);
}

/* --- opening ---------------------------------------------------------------- */

static void unmap(const void **live, size_t size)
{
	if (*live)
		munmap((void *)(uintptr_t)*live, size);
	*live = NULL;
}

static void close_clock(struct reader *r)
{
	paraclock_close(r->clk);
	r->clk = NULL;
	r->unfit = 0;
	unmap(&r->live, PAGE_SIZE);
	unmap(&r->segment, SEGMENT_SIZE);
}

static void open_clock(struct reader *r)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "served",
		.device = r->options->device,
	};

	close_clock(r);
	r->findings->reopened++;
	r->last = (struct page){ 0 };
	r->live = page_map(r->options->page, PAGE_SIZE);
	if (r->live && paraclock_open(&r->clk, &opts))
		r->clk = NULL;
}

/* Has another publisher made a new file? */
static bool is_replaced(struct reader *r)
{
	struct paraclock_event event = { .size = sizeof(event) };

	for (int i = 0; i < 64 && !paraclock_next_event(r->clk, &event); i++)
		if (event.kind == PARACLOCK_EVENT_SOURCE_LOST)
			return true;
	return false;
}

/* --- reads of the page ------------------------------------------------------ */

/*
 * The page that reads are from now on. What it says must keep the promise of the
 * one before, if this process has seen that one.
 */
static uint64_t look_at_page(struct reader *r)
{
	struct page page;
	const char *wrong;

	if (!page_copy(r->live, &page))
		return r->last.counter;
	if (page.seq == r->last.seq)
		return page.counter;
	wrong = page.seq - r->last.seq <= PAGES_MISSED * 2
			? page_follows(&r->last, &page)
			: NULL;
	if (wrong && world_wait(r->world, page.counter) &&
	    judge_is_disrupted(r->world, r->last.counter, page.counter))
		r->findings->unlike++;
	else if (wrong)
		blame_page(r, wrong, &page);
	r->findings->pages++;
	r->last = page;
	return page.counter;
}

static bool ends_of(const struct paraclock_sample *sample,
		    struct interval *ret_read)
{
	struct timespec earliest, latest;

	if (paraclock_interval_tai(sample, &earliest, &latest))
		return false;
	*ret_read = (struct interval){
		.counter = sample->host_tsc,
		.earliest_ns = ns_from(&earliest),
		.latest_ns = ns_from(&latest),
	};
	return true;
}

/* The same, as UTC. */
static void compare_with_utc(struct reader *r,
			     const struct paraclock_sample *sample,
			     const struct interval *read)
{
	struct timespec earliest, latest;
	const int64_t apart_ns = TAI_SEC * NS_PER_SEC;

	if (paraclock_interval(sample, &earliest, &latest))
		blame(r, "a valid read has no interval in UTC",
		      sample->host_tsc);
	else if (ns_from(&earliest) != read->earliest_ns - apart_ns ||
		 ns_from(&latest) != read->latest_ns - apart_ns)
		blame(r, "the intervals in UTC and TAI differ",
		      sample->host_tsc);
}

static void take_valid(struct reader *r, const struct paraclock_sample *sample,
		       uint64_t page)
{
	struct interval read;

	if (!(sample->flags & PARACLOCK_FLAG_OWN_KERNEL))
		blame(r, "a read of served is not own-kernel",
		      sample->host_tsc);
	if (sample->marker_class != (r->options->vmclock
					     ? PARACLOCK_MARKER_AUTHORITATIVE
					     : PARACLOCK_MARKER_NONE))
		blame(r,
		      "a read promises another class of markers than can be "
		      "seen",
		      sample->host_tsc);
	if (!ends_of(sample, &read)) {
		blame(r, "a valid read has no interval", sample->host_tsc);
		return;
	}
	compare_with_utc(r, sample, &read);
	if (!world_wait(r->world, sample->host_tsc))
		return;
	judge_read(r->world, r->findings, &read, page);
	if (page > __atomic_load_n(&r->world->newest_page, __ATOMIC_RELAXED))
		__atomic_store_n(&r->world->newest_page, page,
				 __ATOMIC_RELAXED);
}

static bool read_once(struct reader *r)
{
	/* A page that changes under the read is taken for the older one. */
	const uint64_t page = look_at_page(r);
	struct paraclock_sample sample;
	const int ret = paraclock_read(r->clk, &sample);

	r->findings->reads++;
	if (ret) {
		r->findings->error[ret == -EAGAIN   ? 0
				   : ret == -ENODEV ? 1
						    : 2]++;
		return false;
	}
	if (!sample.valid) {
		r->findings->reason[sample.reason & 15]++;
		return false;
	}
	take_valid(r, &sample, page);
	return true;
}

/* --- ClockBound's client ---------------------------------------------------- */

/* Of CLOCK_MONOTONIC's past, roughly: nobody slews it by more than 10 %. */
static uint64_t counter_at(const struct world *world, uint64_t counter,
			   int64_t ago_ns)
{
	return ago_ns > 0 ? counter - ticks_of(world, ago_ns) : counter;
}

/*
 * What a segment was made of: serve reads the system clocks anew for each, but
 * the time is that of its page, which this process has looked at before.
 */
static uint64_t made_of(const struct reader *r, uint64_t counter,
			int64_t age_ns)
{
	const uint64_t as_of = counter_at(r->world, counter, age_ns);

	return page_is_usable(&r->last) && r->last.counter < as_of
		       ? r->last.counter
		       : as_of;
}

static void read_clockbound(struct reader *r)
{
	struct segment segment;
	struct interval read;
	int64_t monotonic_ns, real_ns, bound_ns;
	enum segment_status status;
	uint64_t marker = 0;
	bool sees;

	r->findings->clockbound.reads++;
	/* serve may write it later than the page. */
	if (!r->segment)
		r->segment = page_map(r->options->clockbound, SEGMENT_SIZE);
	if (!r->segment || !segment_copy(r->segment, &segment)) {
		r->findings->clockbound.none++;
		return;
	}
	read.counter = counter_now();
	monotonic_ns = now_ns(CLOCK_MONOTONIC);
	if (r->vmclock)
		marker = ((const struct { uint64_t word[4]; } *)r->vmclock)
				 ->word[2];
	sees = r->vmclock && segment.has_disruption_support;
	status = segment_judge(&segment, monotonic_ns,
			       r->vmclock ? &marker : NULL, &bound_ns);
	r->findings->clockbound.status[status]++;
	if (status != SEGMENT_SYNCHRONIZED && status != SEGMENT_FREERUNNING)
		return;
	if (!world_wait(r->world, read.counter))
		return;
	real_ns = line_at(&r->world->real, read.counter);
	read.earliest_ns = real_ns - bound_ns;
	read.latest_ns = real_ns + bound_ns;
	judge_clockbound(r->world, r->findings, &read,
			 made_of(r, read.counter,
				 monotonic_ns - segment.as_of_ns),
			 sees);
}

/* --- the process ------------------------------------------------------------ */

static void read_batch(struct reader *r)
{
	const uint32_t n = __atomic_load_n(&r->world->batch, __ATOMIC_RELAXED);
	bool valid = false;

	for (uint32_t i = 0; i < n; i++)
		valid |= read_once(r);
	if (r->options->clockbound)
		read_clockbound(r);
	if (valid)
		r->unfit = 0;
	else if (++r->unfit >= BATCHES_UNFIT || is_replaced(r))
		close_clock(r);
}

int reader_run(struct world *world, const struct reader_options *options)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct reader r = {
		.world = world,
		.options = options,
		.findings = &world->findings[options->number],
	};

	if (options->vmclock)
		r.vmclock = page_map(options->vmclock, PAGE_SIZE);
	while (!__atomic_load_n(&world->ends, __ATOMIC_RELAXED)) {
		if (!r.clk)
			open_clock(&r);
		else
			read_batch(&r);
		nanosleep(&pause, NULL);
	}
	close_clock(&r);
	return 0;
}
