// SPDX-License-Identifier: MIT
#include "fuzz_host.h"

static uint64_t counter(void *ctx)
{
	struct fuzz_world *world = ctx;

	CHECK(++world->looks < FUZZ_LOOKS_MAX);
	world->counter += world->step;
	if (world->meanwhile)
		world->meanwhile(world->arg);
	return world->counter;
}

static uint32_t process_id(void *ctx)
{
	return ((struct fuzz_world *)ctx)->process;
}

static void *allocate(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void release(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

void fuzz_world_init(struct fuzz_world *world, const uint8_t *data, size_t size)
{
	*world = (struct fuzz_world){
		.env = {
			.size = sizeof(world->env),
			.ctx = world,
			.counter_id = PARACLOCK_COUNTER_X86_TSC,
			.counter = counter,
			.process_id = process_id,
			.alloc = allocate,
			.free = release,
		},
		.data = data,
		.size = size,
		.process = 4711,
	};
	/* Far from both ends, or anywhere; it moves, or stands still. */
	world->counter = (1ULL << 40) + fuzz_take(world, 4);
	world->step = fuzz_take(world, 1);
	if (world->step & 0x80)
		world->step = 0;
	if (fuzz_take(world, 1) >= 0xf0)
		world->counter = fuzz_take(world, 8);
}

uint64_t fuzz_take(struct fuzz_world *world, size_t n)
{
	uint64_t value = 0;

	if (world->size < n) {
		world->size = 0;
		return 0;
	}
	memcpy(&value, world->data, n);
	world->data += n;
	world->size -= n;
	return value;
}

/* --- a timeline ----------------------------------------------------------- */

/* Values that a timeline may have, and that most timelines do not. */
static void spoil(struct fuzz_world *world, struct paraclock_timeline *tl)
{
	switch (fuzz_take(world, 1) % 16) {
	case 0:
		tl->base_tsc = fuzz_take(world, 8);
		break;
	case 1:
		tl->base_sec = fuzz_take(world, 8);
		break;
	case 2:
		tl->period_frac = fuzz_take(world, 8);
		break;
	case 3:
		tl->period_shift = (uint8_t)fuzz_take(world, 1);
		break;
	case 4:
		tl->t_start = fuzz_take(world, 8);
		break;
	case 5:
		tl->t_end = fuzz_take(world, 8);
		break;
	case 6:
		tl->maxerror_ns = fuzz_take(world, 8);
		break;
	case 7:
		tl->maxerror_rate_frac = fuzz_take(world, 8);
		break;
	case 8:
		tl->timescale = (uint8_t)fuzz_take(world, 1);
		break;
	case 9:
		tl->counter = (uint8_t)fuzz_take(world, 1);
		break;
	case 10:
		tl->status = (uint8_t)fuzz_take(world, 1);
		break;
	case 11:
		tl->tai_offset_sec = (int16_t)fuzz_take(world, 2);
		break;
	default:
		break;
	}
}

struct paraclock_timeline fuzz_timeline(struct fuzz_world *world)
{
	static const uint8_t scales[] = { PARACLOCK_TIMESCALE_MONOTONIC,
					  PARACLOCK_TIMESCALE_UTC,
					  PARACLOCK_TIMESCALE_TAI };
	uint8_t kind = (uint8_t)fuzz_take(world, 1);
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = world->counter + fuzz_take(world, 2) - 60000,
		.base_sec = 1782864000 + fuzz_take(world, 2) - 32768,
		.base_frac = fuzz_take(world, 2) << 48,
		.maxerror_ns = fuzz_take(world, 2),
		.esterror_ns = 5,
		.marker = fuzz_take(world, 1),
		.generation = fuzz_take(world, 1),
		.flags = (uint32_t)fuzz_take(world, 2) & 0x7ff,
		.tai_offset_sec = 37,
		.timescale = scales[(kind & 3) % 3],
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = kind & 4 ? PARACLOCK_STATUS_FREERUNNING
				   : PARACLOCK_STATUS_SYNCHRONIZED,
		.leap = (kind >> 3 & 7) < 6 ? (kind >> 3 & 7)
					    : PARACLOCK_LEAP_UNKNOWN,
	};

	/* 0.5 to 4.8 GHz. */
	(void)paraclock_timeline_set_hz(&tl, 500000000 + fuzz_take(world, 4),
					0);
	tl.maxerror_rate_frac = tl.period_frac >> 14 >> (kind & 31);
	tl.t_end = world->counter + 1 + fuzz_take(world, 5);
	if (kind & 0x40)
		spoil(world, &tl);
	if (kind & 0x80)
		tl.t_end = 0;
	return tl;
}

/* --- what must hold ------------------------------------------------------- */

void fuzz_check_error(int ret, const int *documented)
{
	while (*documented && ret != -*documented)
		documented++;
	if (ret && !*documented) {
		fprintf(stderr, "undocumented: %d\n", ret);
		abort();
	}
}

void fuzz_check_sample(const struct fuzz_world *world,
		       const struct paraclock_sample *sample)
{
	static const uint8_t zero[sizeof(sample->reserved)];

	CHECK(sample->valid <= 1);
	CHECK(sample->valid == (sample->reason == PARACLOCK_REASON_OK));
	CHECK(sample->reason <= PARACLOCK_REASON_IMPLAUSIBLE);
	CHECK(sample->timescale <= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	CHECK(sample->leap <= PARACLOCK_LEAP_POST_NEG ||
	      sample->leap == PARACLOCK_LEAP_UNKNOWN);
	CHECK(sample->marker_class <= PARACLOCK_MARKER_AUTHORITATIVE);
	CHECK(!(sample->flags & ~0xfU));
	CHECK(memcmp(sample->reserved, zero, sizeof(zero)) == 0);
	if (sample->valid) {
		CHECK(sample->timescale);
		CHECK(sample->counter == world->env.counter_id);
	} else {
		CHECK(sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN);
	}
}

void fuzz_check_untouched(const void *memory, size_t size)
{
	const uint8_t *byte = memory;

	for (size_t i = 0; i < size; i++)
		CHECK(byte[i] == 0xa5);
}
