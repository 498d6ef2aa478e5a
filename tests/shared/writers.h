/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the page writers: the three kinds, and timelines. */
#ifndef WRITERS_H
#define WRITERS_H

#include <stdio.h>

#include <paraclock/host.h>

#include "fake.h"

typedef int write_fn(void *page, struct paraclock_page_writer *writer,
		     const struct paraclock_env *env,
		     const struct paraclock_timeline *tl);

struct writer_kind {
	const char *name;
	const char *backend;
	write_fn *write;
	size_t page;	/* in struct fake */
	size_t error;	/* in struct fake: why it is absent */
	size_t seq;	/* on the page */
	size_t size;	/* of what is written */
	int64_t below;	/* a reading may be this far below the timeline, ns */
	int64_t above;	/* or above; */
	int64_t lifted; /* or above with MONOTONIC */
	double ppb;	/* and its rate off by this. */
};

static struct writer_kind kinds[] = {
	/* clang-format off */
	{ "pvclock", "kvmclock", paraclock_pvclock_write,
	  offsetof(struct fake, pvclock), offsetof(struct fake, pvclock_error),
	  0, 32, 3, 0, 3, 0.233 },
	{ "hyperv", "hyperv", paraclock_hyperv_write,
	  offsetof(struct fake, hyperv), offsetof(struct fake, hyperv_error),
	  0, 32, 51, 50, 101, 0.001 },
	{ "vmclock", "vmclock", paraclock_vmclock_write,
	  offsetof(struct fake, vmclock), offsetof(struct fake, vmclock_error),
	  12, 112, 1, 0, 1, 0.001 },
	/* clang-format on */
};

static inline uint8_t *page_of(struct fake *fake,
			       const struct writer_kind *kind)
{
	return (uint8_t *)fake + kind->page;
}

static inline uint32_t sequence_at(struct fake *fake,
				   const struct writer_kind *kind)
{
	uint8_t *page = page_of(fake, kind) + kind->seq;

	return __atomic_load_n((uint32_t *)(void *)page, __ATOMIC_ACQUIRE);
}

/* A world in which that page is the only one, and zeroed. */
static inline void only_page(struct fake *fake, const struct writer_kind *kind)
{
	int gone = -ENODEV;
	int here = 0;

	fake_init(fake);
	memset(page_of(fake, kind), 0, 4096);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		memcpy((uint8_t *)fake + kinds[i].error, &gone, sizeof(gone));
	memcpy((uint8_t *)fake + kind->error, &here, sizeof(here));
}

/* On the page's timescale; hz ticks a second. */
static inline struct paraclock_timeline
timeline_of(const struct writer_kind *kind, uint64_t hz)
{
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.marker = 1,
		.flags = PARACLOCK_TIMELINE_STABLE,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};

	if (kind->write == paraclock_vmclock_write)
		tl.timescale = PARACLOCK_TIMESCALE_TAI;
	assert_int_equal(paraclock_timeline_set_hz(&tl, hz, 0), 0);
	return tl;
}

/* Reproducible: xorshift64. */
static inline uint64_t dice(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
