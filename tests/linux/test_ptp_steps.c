// SPDX-License-Identifier: MIT
/* PTP clocks beside counters that move by many ns at a time. */

#include <stdio.h>

#include "fake_machine.h"
#include "linux/ptp.h"

#define FD    5
#define READS 2000
/* The device is ahead of CLOCK_MONOTONIC_RAW by this. */
#define AHEAD_NS 1234567890123456789

static struct fake_machine machine;

enum way {
	BRACKET,
	EXTENDED,
	PRECISE,
};

static const struct {
	const char *name;
	enum way way;
	bool by_counter; /* the kernel's clocks move as the counter does */
} ways[] = {
	{ "a bracket", BRACKET, false },
	{ "a bracket, clocks by the counter", BRACKET, true },
	{ "EXTENDED", EXTENDED, false },
	{ "EXTENDED, clocks by the counter", EXTENDED, true },
	{ "PRECISE", PRECISE, false },
	{ "PRECISE, clocks by the counter", PRECISE, true },
};

static struct fake_counter counters[] = {
	{ "24 MHz", 24000000, 1, 1 },
	{ "19.2 MHz", 19200000, 1, 1 },
	{ "1536 MHz by 64", 24000000, 64, 1 },
	{ "1 GHz by 52 and 53", 19200000, 625, 12 },
	{ "10 MHz", 10000000, 1, 1 },
	{ "2.5 GHz", 2500000000, 1, 1 },
};

static enum way way;

static int64_t device_at(uint64_t fs)
{
	return (int64_t)(fs / FS_PER_NS) + AHEAD_NS;
}

/* The device is read somewhere in a microsecond. */
static int64_t read_device(void)
{
	uint64_t at;

	machine.now += random_word() % (500 * FS_PER_NS);
	at = machine.now;
	machine.now += random_word() % (500 * FS_PER_NS);
	return device_at(at);
}

static struct ptp_time to_ptp(int64_t ns)
{
	return (struct ptp_time){
		.sec = ns / 1000000000,
		.nsec = (uint32_t)(ns % 1000000000),
	};
}

/* The kernel's RAW, read inside the driver. */
static struct ptp_time raw_now(void)
{
	uint64_t fs = machine.now;

	if (machine.by_counter)
		fs = fake_machine_instant(&machine,
					  fake_machine_counter(&machine));
	return to_ptp((int64_t)(fs / FS_PER_NS));
}

static int answer(void *ctx, int fd, unsigned long request, void *arg)
{
	struct ptp_extended *extended = arg;
	struct ptp_precise *precise = arg;

	(void)ctx;
	assert_int_equal(fd, FD);
	if (request == PTP_SYS_OFFSET_PRECISE && way == PRECISE) {
		machine.now += random_word() % (500 * FS_PER_NS);
		precise->device = to_ptp(device_at(machine.now));
		precise->monoraw = raw_now();
		machine.now += random_word() % (500 * FS_PER_NS);
		return 0;
	}
	if (request != PTP_SYS_OFFSET_EXTENDED || way != EXTENDED)
		return -EOPNOTSUPP;
	for (unsigned int i = 0; i < extended->n_samples; i++) {
		extended->time[i][0] = raw_now();
		extended->time[i][1] = to_ptp(read_device());
		extended->time[i][2] = raw_now();
	}
	return 0;
}

static int read_any_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	if (clock_id >= 0)
		return fake_machine_time(ctx, clock_id, ret_ns);
	*ret_ns = read_device();
	return 0;
}

/* At any instant at which the counter shows that value. */
static void check_pair(const struct ptp_pair *pair)
{
	uint64_t ends[2] = {
		fake_machine_instant(&machine, pair->tsc),
		fake_machine_instant(&machine,
				     pair->tsc + fake_machine_stride(&machine)),
	};

	assert_true(pair->coupled);
	for (unsigned int i = 0; i < 2; i++) {
		if (distance(pair->host_ns, device_at(ends[i])) >
		    pair->error_ns)
			fail_msg(
				"%s: %lld ns off, by its own word at most "
				"%llu",
				machine.is.name,
				(long long)(pair->host_ns - device_at(ends[i])),
				(unsigned long long)pair->error_ns);
	}
}

static void check_counter(const struct fake_counter *counter, bool by_counter)
{
	struct ptp ptp = { .how = COUNTER_ENV, .fd = FD, .good_ns = 600 };

	fake_machine_init(&machine, counter);
	machine.by_counter = by_counter;
	machine.world.env.read_clock = read_any_clock;
	machine.world.env.ioctl = answer;
	ptp.env = &machine.world.env;
	ptp.cross = true;
	for (unsigned int i = 0; i < READS; i++) {
		struct ptp_pair pair;

		assert_int_equal(pclk_ptp_read(&ptp, &pair), 0);
		check_pair(&pair);
		fake_machine_pass(&machine, random_word() % FS_PER_SEC / 1000);
	}
}

static void check_way(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		way = ways[i].way;
		check_counter(*state, ways[i].by_counter);
	}
}

int main(void)
{
	ADD_ROWS(counters, check_way);
	return run_suite(NULL, NULL);
}
