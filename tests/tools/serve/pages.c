// SPDX-License-Identifier: MIT
/*
 * References: Linux include/uapi/linux/vmclock-abi.h; ClockBound
 * docs/PROTOCOL.md, protocol 2.
 */
#include <endian.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pages.h"

#define VMCLOCK_MAGIC 0x4b4c4356U
#define TRIES	      100000

#define FLAG_TAI_OFFSET	     0x1U
#define FLAG_PERIOD_MAXERROR 0x10U
#define FLAG_TIME_MAXERROR   0x40U

#define STATUS_SYNCHRONIZED 2
#define STATUS_FREERUNNING  3

const void *page_map(const char *path, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *page = MAP_FAILED;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size >= (off_t)size)
		page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

/* --- vmclock -------------------------------------------------------------- */

static uint64_t word_at(const void *live, size_t offset)
{
	const uint64_t *word = (const void *)((const char *)live + offset);

	return le64toh(__atomic_load_n(word, __ATOMIC_RELAXED));
}

static uint32_t half_at(const void *live, size_t offset)
{
	const uint32_t *word = (const void *)((const char *)live + offset);

	return le32toh(__atomic_load_n(word, __ATOMIC_RELAXED));
}

static void copy_fields(const void *live, struct page *ret_page)
{
	const uint64_t bytes = word_at(live, 32);

	ret_page->marker = word_at(live, 16);
	ret_page->flags = word_at(live, 24);
	ret_page->status = (uint8_t)(bytes >> 16);
	ret_page->shift = (uint8_t)(bytes >> 56);
	ret_page->counter = word_at(live, 40);
	ret_page->period = word_at(live, 48);
	ret_page->maxerror_rate = word_at(live, 64);
	ret_page->sec = word_at(live, 72);
	ret_page->frac = word_at(live, 80);
	ret_page->maxerror_ns = word_at(live, 96);
}

bool page_copy(const void *live, struct page *ret_page)
{
	struct page page = { 0 };
	uint8_t time_type;

	if (half_at(live, 0) != VMCLOCK_MAGIC)
		return false;
	for (int i = 0; i < TRIES; i++) {
		page.seq = half_at(live, 12);
		/* Pairs with the writer's barriers around the fields. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		copy_fields(live, &page);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (page.seq & 1 || page.seq != half_at(live, 12))
			continue;
		*ret_page = page;
		/* UTC becomes TAI, which is what all is judged by. */
		time_type = (uint8_t)(half_at(live, 8) >> 24);
		if (time_type == 0)
			ret_page->sec += TAI_SEC;
		return time_type < 2;
	}
	return false;
}

bool page_is_usable(const struct page *page)
{
	const uint64_t both = FLAG_PERIOD_MAXERROR | FLAG_TIME_MAXERROR;

	return (page->status == STATUS_SYNCHRONIZED ||
		page->status == STATUS_FREERUNNING) &&
	       (page->flags & both) == both && page->shift < 64;
}

bool page_is_own_kernel(const struct page *page)
{
	return page->flags >> 63;
}

/* A product of ticks and a rate, in 2^-64 s. */
static u128 grown(uint64_t ticks, uint64_t rate, unsigned shift)
{
	return ((u128)ticks * rate) >> shift;
}

static int64_t to_ns(u128 time)
{
	const uint64_t sec = (uint64_t)(time >> 64);
	const uint64_t frac = (uint64_t)time;

	return (int64_t)sec * NS_PER_SEC +
	       (int64_t)(((u128)frac * NS_PER_SEC) >> 64);
}

void page_at(const struct page *page, uint64_t counter, int64_t *ret_ns,
	     int64_t *ret_bound_ns)
{
	const uint64_t ticks = counter - page->counter;
	const u128 base = (u128)page->sec << 64 | page->frac;

	*ret_ns = to_ns(base + grown(ticks, page->period, page->shift));
	*ret_bound_ns = (int64_t)page->maxerror_ns + 1 +
			to_ns(grown(ticks, page->maxerror_rate, page->shift));
}

const char *page_follows(const struct page *before, const struct page *after)
{
	int64_t before_ns, before_bound, after_ns, after_bound;

	if (before->marker != after->marker || !page_is_usable(before) ||
	    !page_is_usable(after))
		return NULL;
	if (after->counter < before->counter)
		return "a page's reference point is before the last one's";
	page_at(before, after->counter, &before_ns, &before_bound);
	page_at(after, after->counter, &after_ns, &after_bound);
	/* 2: both are rounded. */
	if (after_ns < before_ns - before_bound - 2 ||
	    after_ns > before_ns + before_bound + 2)
		return "a page's centre is outside of the interval before it";
	return NULL;
}

/* --- ClockBound ------------------------------------------------------------ */

/* A client takes a segment for older than it is by this at most. */
#define CAUSALITY_NS	 1000
#define SYNCHRONIZED_SEC 5

static int64_t signed_at(const void *live, size_t offset)
{
	const int64_t *word = (const void *)((const char *)live + offset);

	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static uint32_t native_at(const void *live, size_t offset)
{
	const uint32_t *word = (const void *)((const char *)live + offset);

	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static uint16_t generation_of(const void *live)
{
	const uint16_t *word = (const void *)((const char *)live + 14);

	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static bool is_segment(const void *live)
{
	const uint16_t *version = (const void *)((const char *)live + 12);

	return native_at(live, 0) == 0x414d5a4e &&
	       native_at(live, 4) == 0x43420200 &&
	       native_at(live, 8) == SEGMENT_SIZE &&
	       __atomic_load_n(version, __ATOMIC_RELAXED) == 2;
}

bool segment_copy(const void *live, struct segment *ret_segment)
{
	struct segment s = { 0 };

	if (!is_segment(live))
		return false;
	for (int i = 0; i < TRIES; i++) {
		s.generation = generation_of(live);
		if (!s.generation)
			return false;
		s.as_of_ns =
			signed_at(live, 16) * NS_PER_SEC + signed_at(live, 24);
		s.void_after_ns =
			signed_at(live, 32) * NS_PER_SEC + signed_at(live, 40);
		s.bound_ns = signed_at(live, 48);
		s.marker = (uint64_t)signed_at(live, 56);
		s.max_drift_ppb = native_at(live, 64);
		s.status = native_at(live, 68);
		s.has_disruption_support =
			(uint8_t)(native_at(live, 72) & 0xff);
		/* Pairs with the writer's barrier before the fields. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (s.generation & 1 || s.generation != generation_of(live))
			continue;
		*ret_segment = s;
		return true;
	}
	return false;
}

enum segment_status segment_judge(const struct segment *segment,
				  int64_t monotonic_ns, const uint64_t *marker,
				  int64_t *ret_bound_ns)
{
	const int64_t age_ns = monotonic_ns - segment->as_of_ns;
	const int64_t drift_ns = age_ns > 0 ? age_ns : 0;

	*ret_bound_ns = segment->bound_ns +
			(int64_t)((s128)drift_ns * segment->max_drift_ppb /
				  NS_PER_SEC) +
			1;
	if (age_ns < -CAUSALITY_NS || segment->status > SEGMENT_DISRUPTED)
		return SEGMENT_UNKNOWN;
	if (segment->has_disruption_support && marker &&
	    *marker != segment->marker)
		return SEGMENT_UNKNOWN;
	if (segment->status == SEGMENT_UNKNOWN ||
	    segment->status == SEGMENT_DISRUPTED)
		return segment->status;
	if (monotonic_ns > segment->void_after_ns)
		return SEGMENT_UNKNOWN;
	if (age_ns > SYNCHRONIZED_SEC * NS_PER_SEC)
		return SEGMENT_FREERUNNING;
	return segment->status;
}
