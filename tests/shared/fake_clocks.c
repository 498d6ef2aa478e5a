// SPDX-License-Identifier: MIT
#include "fake_clocks.h"

__extension__ typedef unsigned __int128 wide;

static int64_t rate_at(const struct fake_rate *rate, uint64_t ticks)
{
	return rate->base + (int64_t)((wide)ticks * rate->num / rate->den);
}

int64_t fake_clock_at(const struct fake_clocks *clocks,
		      enum paraclock_clock clock, uint64_t counter)
{
	/* Modulo 2^64: the counter may wrap around. */
	uint64_t ticks = counter - clocks->origin;
	int64_t mono = rate_at(&clocks->mono, ticks);

	switch (clock) {
	case PARACLOCK_CLOCK_REALTIME:
		return mono + clocks->real_minus_mono;
	case PARACLOCK_CLOCK_MONOTONIC_RAW:
		return rate_at(&clocks->raw, ticks);
	case PARACLOCK_CLOCK_BOOTTIME:
		return mono + clocks->boot_minus_mono;
	case PARACLOCK_CLOCK_TAI:
		return mono + clocks->real_minus_mono +
		       clocks->tai_sec * 1000000000;
	default:
		return mono;
	}
}

static int clocks_read(void *ctx, int clock_id, int64_t *ret_ns)
{
	static const uint8_t clock_of[] = {
		[0] = PARACLOCK_CLOCK_REALTIME,
		[1] = PARACLOCK_CLOCK_MONOTONIC,
		[4] = PARACLOCK_CLOCK_MONOTONIC_RAW,
		[7] = PARACLOCK_CLOCK_BOOTTIME,
		[11] = PARACLOCK_CLOCK_TAI,
	};
	struct fake_clocks *clocks = ctx;

	assert_in_range(clock_id, 0, ARRAY_LEN(clock_of) - 1);
	clocks->clock_reads++;
	clocks->world.counter += clocks->read_ticks / 2;
	if (clocks->on_read)
		clocks->on_read(clocks, clock_id);
	if (clocks->clock_error)
		return clocks->clock_error;
	*ret_ns =
		fake_clock_at(clocks, (enum paraclock_clock)clock_of[clock_id],
			      clocks->world.counter);
	clocks->world.counter += clocks->read_ticks - clocks->read_ticks / 2;
	return 0;
}

static int clocks_source(void *ctx, char ret_name[32], uint8_t *ret_kind)
{
	struct fake_clocks *clocks = ctx;

	clocks->source_reads++;
	if (clocks->source_error)
		return clocks->source_error;
	memcpy(ret_name, clocks->source, sizeof(clocks->source));
	*ret_kind = clocks->kind;
	return 0;
}

static int clocks_watch(void *ctx, int *fd)
{
	struct fake_clocks *clocks = ctx;
	int answer = clocks->watch_answer;

	if (*fd < 0) {
		if (answer < 0)
			return answer;
		clocks->watches++;
		*fd = 99;
		return 0;
	}
	clocks->watch_answer = 0;
	return answer;
}

static void clocks_close(void *ctx, int fd)
{
	assert_int_equal(fd, 99);
	((struct fake_clocks *)ctx)->closes++;
}

void fake_clocks_pass(struct fake_clocks *clocks, uint64_t ticks)
{
	clocks->world.counter += ticks;
}

void fake_clocks_init(struct fake_clocks *clocks)
{
	memset(clocks, 0, sizeof(*clocks));
	fake_init(&clocks->world);
	clocks->world.counter_step = 39;
	clocks->origin = clocks->world.counter - 1000;
	clocks->raw = (struct fake_rate){ 5000000000, 1000000, 2600000 };
	clocks->mono = (struct fake_rate){ 7000000000, 1000012, 2600000 };
	clocks->real_minus_mono = 1795000000123456789;
	clocks->tai_sec = 37;
	clocks->read_ticks = 52;
	strcpy(clocks->source, "tsc");
	clocks->kind = PARACLOCK_CLOCKSOURCE_COUNTER;
	clocks->world.env.read_clock = clocks_read;
	clocks->world.env.clocksource = clocks_source;
	clocks->world.env.watch_clock = clocks_watch;
	clocks->world.env.close_device = clocks_close;
	clocks->world.env.system_clocks = &clocks->system_clocks;
}

void fake_device_init(struct fake_device *device, struct fake_clocks *clocks)
{
	*device = (struct fake_device){
		.clocks = clocks,
		.ns = 1234567890123456789,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
	};
}

int fake_device_time(void *ctx, struct paraclock_sample *ret_sample)
{
	struct fake_device *device = ctx;

	assert_int_equal(ret_sample->clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(ret_sample->valid, 0);
	assert_int_equal(ret_sample->host_ns, 0);
	if (device->calls++ < device->acts)
		device->act(device->clocks);
	if (device->error)
		return device->error;
	ret_sample->host_ns = device->ns;
	ret_sample->host_tsc = device->counter ? device->counter
					       : device->clocks->world.counter;
	ret_sample->counter = device->counter_id;
	ret_sample->reason = device->invalid;
	ret_sample->valid = !device->invalid;
	return 0;
}

void fake_check_truth(const struct fake_clocks *clocks, uint8_t known,
		      const int64_t ns[PARACLOCK_CLOCKS], uint64_t counter,
		      uint64_t uncertainty_ns)
{
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		int64_t off =
			ns[i] -
			fake_clock_at(clocks, (enum paraclock_clock)i, counter);

		if (!(known >> i & 1)) {
			assert_int_equal(ns[i], 0);
			continue;
		}
		assert_true(off <= (int64_t)uncertainty_ns);
		assert_true(-off <= (int64_t)uncertainty_ns);
	}
}
