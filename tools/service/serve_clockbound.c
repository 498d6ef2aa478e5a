// SPDX-License-Identifier: MIT
/*
 * Source: aws/clock-bound docs/PROTOCOL.md, protocol version 2. Native byte
 * order; no field but those that are named here.
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "serve_clockbound.h"
#include "serve_interval.h"

__extension__ typedef unsigned __int128 u128;

/* The protocol's eight bytes, as two words. */
#define MAGIC_0 0x414D5A4EU
#define MAGIC_1 0x43420200U
#define VERSION 2

/* So long after as_of nobody believes a bound whose writer is gone. */
#define VALID_NS (5 * NSEC_PER_SEC)

#define BILLION 1000000000U

struct segment {
	uint32_t magic[2];
	uint32_t size;
	uint16_t version;
	uint16_t generation; /* odd: being written; 0: not initialised */
	int64_t as_of_sec, as_of_nsec;
	int64_t void_after_sec, void_after_nsec;
	int64_t bound_nsec;
	uint64_t disruption_marker;
	uint32_t max_drift_ppb;
	int32_t clock_status;
	uint8_t has_disruption_support;
	uint8_t pad[7];
};
_Static_assert(offsetof(struct segment, size) == 8, "protocol");
_Static_assert(offsetof(struct segment, version) == 12, "protocol");
_Static_assert(offsetof(struct segment, generation) == 14, "protocol");
_Static_assert(offsetof(struct segment, as_of_sec) == 16, "protocol");
_Static_assert(offsetof(struct segment, void_after_sec) == 32, "protocol");
_Static_assert(offsetof(struct segment, bound_nsec) == 48, "protocol");
_Static_assert(offsetof(struct segment, disruption_marker) == 56, "protocol");
_Static_assert(offsetof(struct segment, max_drift_ppb) == 64, "protocol");
_Static_assert(offsetof(struct segment, clock_status) == 68, "protocol");
_Static_assert(offsetof(struct segment, has_disruption_support) == 72,
	       "protocol");
_Static_assert(sizeof(struct segment) == 80, "protocol");

/* The words under the generation. */
#define FIRST_WORD (offsetof(struct segment, as_of_sec) / sizeof(uint64_t))
#define WORDS	   (sizeof(struct segment) / sizeof(uint64_t))

union image {
	struct segment fields;
	uint64_t word[WORDS];
};

/* --- the bound ------------------------------------------------------------ */

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/*
 * Clients count the time since as_of by CLOCK_MONOTONIC, which is slewed with
 * CLOCK_REALTIME. While it runs slower by a share s, (1 - s) of each second
 * shows, in which CLOCK_REALTIME deviates by s: s / (1 - s) of what they count.
 */
static uint64_t seen_slowed(uint64_t ppb)
{
	return ppb < BILLION / 2
		       ? (uint64_t)((u128)ppb * BILLION / (BILLION - ppb)) + 1
		       : UINT64_MAX;
}

/* TAI - UTC is the page's own, so it cancels out of its readers' UTC. */
int serve_offset_of(const struct paraclock_timeline *tl,
		    const struct serve_realtime *real, int64_t *ret_offset_ns,
		    uint64_t *ret_bound_ns)
{
	int64_t tai_ns;
	uint64_t bound_ns;
	int ret = serve_interval_at(tl, real->counter, &tai_ns, &bound_ns);

	if (ret || __builtin_sub_overflow(tai_ns - (int64_t)tl->tai_offset_sec *
							   NSEC_PER_SEC,
					  real->real_ns, ret_offset_ns))
		return -ERANGE;
	*ret_bound_ns = add(bound_ns, real->error_ns);
	return 0;
}

int serve_bound_of(const struct paraclock_timeline *tl,
		   const struct serve_realtime *real,
		   struct serve_bound *ret_bound)
{
	uint64_t ppb = seen_slowed(add(serve_growth_ppb(tl), real->slew_ppb));
	int64_t since_ns = real->mono_ns - real->as_of_ns;
	int64_t offset_ns;
	uint64_t bound_ns;
	int ret = serve_offset_of(tl, real, &offset_ns, &bound_ns);

	if (ret || ppb >= BILLION || since_ns < 0)
		return -ERANGE;
	/* At as_of the clock may have been further off, by what it was slewed
	 * between. */
	bound_ns =
		add(add(duration_of(offset_ns), bound_ns),
		    (uint64_t)((u128)ppb * (uint64_t)since_ns / BILLION) + 1);
	if (bound_ns > INT64_MAX)
		return -ERANGE;
	*ret_bound = (struct serve_bound){
		.as_of_ns = real->as_of_ns,
		.void_after_ns = real->as_of_ns + VALID_NS,
		.bound_ns = (int64_t)bound_ns,
		.max_drift_ppb = (uint32_t)ppb,
	};
	return 0;
}

/* --- the segment ---------------------------------------------------------- */

static void set_fields(const struct serve_bound *bound, struct segment *fields)
{
	*fields = (struct segment){
		.as_of_sec = bound->as_of_ns / NSEC_PER_SEC,
		.as_of_nsec = bound->as_of_ns % NSEC_PER_SEC,
		.void_after_sec = bound->void_after_ns / NSEC_PER_SEC,
		.void_after_nsec = bound->void_after_ns % NSEC_PER_SEC,
		.bound_nsec = bound->bound_ns,
		.disruption_marker = bound->has_marker ? bound->marker : 0,
		.max_drift_ppb = bound->max_drift_ppb,
		.clock_status = bound->status,
		.has_disruption_support = bound->has_marker,
	};
}

/* A writer that was killed may have left it odd; this makes it whole. */
static void write_fields(struct segment *live, const struct serve_bound *bound)
{
	uint64_t *words = (void *)live;
	union image image;
	uint16_t was = __atomic_load_n(&live->generation, __ATOMIC_RELAXED);
	uint16_t next;

	set_fields(bound, &image.fields);
	__atomic_store_n(&live->generation, was | 1, __ATOMIC_RELAXED);
	/* Pairs with the client's fence before it looks at the generation
	 * again: one that saw a new word sees the odd number. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = FIRST_WORD; i < WORDS; i++)
		__atomic_store_n(&words[i], image.word[i], __ATOMIC_RELAXED);
	next = (uint16_t)((was | 1) + 1);
	/* Pairs with the client's acquire load. 0 would mean "not yet". */
	__atomic_store_n(&live->generation, next ? next : 2, __ATOMIC_RELEASE);
}

static bool is_segment(const struct segment *live)
{
	return live->magic[0] == MAGIC_0 && live->magic[1] == MAGIC_1 &&
	       live->size == sizeof(*live) && live->version == VERSION;
}

/* Clients map the file once: those of an earlier process go on with it. */
static int take_over(struct serve_segment *segment)
{
	int ret = serve_file_map(&segment->file);

	if (!ret && !is_segment(segment->file.memory)) {
		serve_file_drop(&segment->file);
		ret = -EPROTO;
	}
	return ret;
}

static int make_new(struct serve_segment *segment,
		    const struct serve_bound *bound)
{
	struct segment *live;
	int ret = serve_file_make(&segment->file);

	if (ret)
		return ret;
	live = segment->file.memory;
	live->magic[0] = MAGIC_0;
	live->magic[1] = MAGIC_1;
	live->size = sizeof(*live);
	live->version = VERSION;
	write_fields(live, bound);
	ret = serve_file_show(&segment->file);
	if (ret)
		serve_file_drop(&segment->file);
	return ret;
}

int serve_segment_open(struct serve_segment *segment, const char *path,
		       char *why, size_t size)
{
	char lock_path[256];

	*segment = (struct serve_segment){
		.file.path = path,
		.lock = {
			.held = path,
			.what = "the segment",
			.option = "--clockbound",
			.fd = -1,
		},
	};
	if (strlen(path) > sizeof(lock_path) - sizeof(".lock")) {
		snprintf(why, size, "--clockbound: the name is too long");
		return -ENAMETOOLONG;
	}
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	return serve_lock(&segment->lock, lock_path, why, size);
}

int serve_segment_write(struct serve_segment *segment,
			const struct serve_bound *bound)
{
	segment->file.size = sizeof(struct segment);
	if (segment->file.memory && !serve_file_is_shown(&segment->file))
		serve_segment_close(segment);
	if (!segment->file.memory && take_over(segment))
		return make_new(segment, bound);
	write_fields(segment->file.memory, bound);
	return 0;
}

void serve_segment_close(struct serve_segment *segment)
{
	const struct serve_bound unknown = {
		.bound_ns = SERVE_NO_BOUND_NS,
		.status = SERVE_BOUND_UNKNOWN,
	};

	if (segment->file.memory)
		write_fields(segment->file.memory, &unknown);
	serve_file_drop(&segment->file);
}
