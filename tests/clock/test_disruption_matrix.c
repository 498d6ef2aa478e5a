// SPDX-License-Identifier: MIT
/*
 * Each kind of disruption on each page, 1000 times: the promises of
 * paraclock-disruption(7) are kept, by the very next read or by the next event;
 * and a million mere updates raise no event.
 */

#include "disruptions.h"

#define UPDATES 1000000

/* 1 ns a tick, as fake.c writes it. */
#define MUL 0x80000000U

/* On a pvclock page. */
#define FLAGS	      29
#define GUEST_STOPPED 0x02U

static uint64_t marker, generation;
static bool gives_generation;

/* Pages whose reference point is at a counter value. */
static void write_pvclock(uint32_t i, uint64_t at)
{
	put32(fake->pvclock, 0, 2 * i + 1);
	fake_set_pvclock(fake, 2 * i + 2, at, at + host_ns);
	/* KVM keeps the flag until the guest clears it. */
	if (stopped)
		fake->pvclock[FLAGS] |= GUEST_STOPPED;
}

/* The guest's kernel clears it by itself, without touching the version. */
static void clear_flag(void)
{
	stopped = false;
	fake->pvclock[FLAGS] &= (uint8_t)~GUEST_STOPPED;
}

static void write_hyperv(uint32_t i, uint64_t at)
{
	(void)at;
	put32(fake->hyperv, 0, 0);
	fake_set_hyperv(fake, i + 1, (int64_t)(host_ns / 100));
}

static void write_vmclock(uint32_t i, uint64_t at)
{
	put32(fake->vmclock, 12, 2 * i + 1);
	fake_set_vmclock(fake, 2 * i + 2, marker, at, 1700000000);
	/* host_ns below a second, in 2^-64 s; and the ticks until at. */
	put64(fake->vmclock, 80, (at + host_ns) * 18446744073U);
	if (gives_generation)
		world_set_generation(&world, generation);
}

/* --- the causes ----------------------------------------------------------- */

static void step_back(uint32_t i, write_fn *write)
{
	host_ns -= 5000;
	write(i, START + i);
}

static void leave_no_trace(uint32_t i, write_fn *write)
{
	write(i, START + i);
}

static void move_base_back(uint32_t i, write_fn *write)
{
	write(i, START - i);
}

static void change_rate(uint32_t i, write_fn *write)
{
	write(i, START + i);
	put32(fake->pvclock, 0, 2 * i + 1);
	put32(fake->pvclock, 24, i & 1 ? MUL + 4400 : MUL); /* 2 ppm */
	put32(fake->pvclock, 0, 2 * i + 2);
}

/* The page scales the counter itself; the offset undoes what that moves. */
static void change_rate_of_hyperv(uint32_t i, write_fn *write)
{
	const uint64_t scale = UINT64_MAX / 100, more = scale / 500000;

	(void)write;
	put32(fake->hyperv, 0, 0);
	put64(fake->hyperv, 8, i & 1 ? scale + more : scale);
	put64(fake->hyperv, 16, host_ns / 100 - (i & 1 ? 20 : 0));
	put32(fake->hyperv, 0, i + 1);
}

static void be_stopped_without_the_counter(uint32_t i, write_fn *write)
{
	stopped = true;
	step_forward(i, write);
}

static void change_marker(uint32_t i, write_fn *write)
{
	(void)i;
	(void)write;
	put64(fake->vmclock, 16, ++marker);
}

static void change_marker_and_time(uint32_t i, write_fn *write)
{
	marker++;
	step_forward(i, write);
	put64(fake->vmclock, 16, marker);
}

static void change_marker_and_be_stopped(uint32_t i, write_fn *write)
{
	be_stopped(i, write);
	put64(fake->vmclock, 16, ++marker);
}

static void change_generation(uint32_t i, write_fn *write)
{
	(void)write;
	world_set_generation(&world, ++generation);
	change_marker(i, write);
}

/* The host writes every page anew. */
static void clone_with_the_same_marker(uint32_t i, write_fn *write)
{
	write_vmclock(i, START + i);
	write(i, START + i);
}

static void send_generation(uint32_t i, write_fn *write)
{
	(void)i;
	(void)write;
	world.restored = 1;
}

static void set_clock(uint32_t i, write_fn *write)
{
	(void)i;
	(void)write;
	world.real_minus_mono++;
	world.set = 1;
}

static void change_source(uint32_t i, write_fn *write)
{
	(void)write;
	strcpy(world.source, i & 1 ? "hpet" : "tsc");
}

/* --- the matrix ----------------------------------------------------------- */

/* clang-format off */
static struct row rows[] = {
	{ "kvmclock: a step forward", "kvmclock", write_pvclock, step_forward,
	  BY_THE_READ, KIND(JUMPED), HEURISTIC, "kvmclock", false, 5000 },
	{ "kvmclock: a step back", "kvmclock", write_pvclock, step_back,
	  BY_THE_READ, KIND(JUMPED), HEURISTIC, "kvmclock", false, -5000 },
	{ "kvmclock: a base that moves back", "kvmclock", write_pvclock,
	  move_base_back, BY_THE_READ, KIND(JUMPED), HEURISTIC, "kvmclock",
	  false, 0 },
	{ "kvmclock: another rate", "kvmclock", write_pvclock, change_rate,
	  BY_THE_READ, KIND(UPDATED), HEURISTIC, "kvmclock", false, 0 },
	{ "kvmclock: the host flags that it stopped the machine", "kvmclock",
	  write_pvclock, be_stopped, BY_THE_READ, KIND(PAUSED), HEURISTIC,
	  "kvmclock", false, 0 },
	{ "kvmclock: stopped, and the counter with it", "kvmclock",
	  write_pvclock, be_stopped_without_the_counter, BY_THE_READ,
	  KIND(PAUSED), HEURISTIC, "kvmclock", false, 5000 },
	{ "kvmclock: stopped, beside a vmclock that does not change",
	  "kvmclock", write_pvclock, be_stopped, BY_THE_READ, KIND(PAUSED),
	  HEURISTIC, "kvmclock", true, 0 },
	{ "vmclock: a marker, and kvmclock's flag: the marker decides",
	  "kvmclock", write_pvclock, change_marker_and_be_stopped, BY_THE_READ,
	  KIND(UPDATED), AUTHORITATIVE, "vmclock", true, 0 },
	{ "kvmclock: a migration that leaves no trace is not seen",
	  "kvmclock", write_pvclock, leave_no_trace, NEVER, 0, 0, NULL, false,
	  0 },
	{ "hyperv: a step forward", "hyperv", write_hyperv, step_forward,
	  BY_THE_READ, KIND(JUMPED), HEURISTIC, "hyperv", false, 5000 },
	{ "hyperv: a step back", "hyperv", write_hyperv, step_back,
	  BY_THE_READ, KIND(JUMPED), HEURISTIC, "hyperv", false, -5000 },
	{ "hyperv: a migration that leaves no trace is not seen",
	  "hyperv", write_hyperv, leave_no_trace, NEVER, 0, 0, NULL, false,
	  0 },
	{ "hyperv: another rate", "hyperv", write_hyperv,
	  change_rate_of_hyperv, BY_THE_READ, KIND(UPDATED), HEURISTIC,
	  "hyperv", false, 0 },
	{ "vmclock: a marker, beside kvmclock", "kvmclock", write_pvclock,
	  change_marker, BY_THE_READ, KIND(UPDATED), AUTHORITATIVE, "vmclock",
	  true, 0 },
	{ "vmclock: a marker and a jump, beside kvmclock", "kvmclock",
	  write_pvclock, change_marker_and_time, BY_THE_READ, KIND(JUMPED),
	  AUTHORITATIVE, "vmclock", true, 5000 },
	{ "vmclock: a generation, beside kvmclock", "kvmclock", write_pvclock,
	  change_generation, BY_THE_READ, KIND(RESTORED), AUTHORITATIVE,
	  "vmclock", true, 0 },
	{ "vmclock: a marker", "vmclock", write_vmclock, change_marker,
	  BY_THE_READ, KIND(UPDATED), AUTHORITATIVE, "vmclock", true, 0 },
	{ "vmclock: a marker and a jump", "vmclock", write_vmclock,
	  change_marker_and_time, BY_THE_READ, KIND(JUMPED), AUTHORITATIVE,
	  "vmclock", true, 5000 },
	{ "vmclock: a generation", "vmclock", write_vmclock,
	  change_generation, BY_THE_READ, KIND(RESTORED), AUTHORITATIVE,
	  "vmclock", true, 0 },
	{ "vmclock: a step without a marker is no disruption",
	  "vmclock", write_vmclock, step_forward, NEVER, 0, 0, NULL, true, 0 },
	{ "vmclock: a clone with the same marker is not told apart",
	  "kvmclock", write_pvclock, clone_with_the_same_marker, NEVER, 0, 0,
	  NULL, true, 0 },
	{ "vmgenid: a restore", "kvmclock", write_pvclock, send_generation,
	  BY_THE_EVENT, KIND(RESTORED), AUTHORITATIVE, "vmgenid", false, 0 },
	{ "vmgenid: a restore, beside a vmclock without a generation",
	  "kvmclock", write_pvclock, send_generation, BY_THE_EVENT,
	  KIND(RESTORED), AUTHORITATIVE, "vmgenid", true, 0 },
	{ "clock: it was set", "kvmclock", write_pvclock, set_clock,
	  NOT_COUNTED, KIND(CLOCK_SET), AUTHORITATIVE, "clock", false, 1 },
	{ "clocksource: another one", "kvmclock", write_pvclock,
	  change_source, NOT_COUNTED, KIND(CLOCKSOURCE_CHANGED),
	  AUTHORITATIVE, "clocksource", false, 0 },
};
/* clang-format on */

static struct paraclock *begin(const char *backend, bool with_vmclock)
{
	struct paraclock *clk;

	world_init(&world);
	host_ns = 100000000;
	marker = 7;
	generation = 0;
	write_pvclock(0, START);
	write_hyperv(0, 0);
	write_vmclock(0, START);
	fake->hyperv_error = 0;
	fake->vmclock_error = with_vmclock ? 0 : -ENODEV;
	clk = fake_open(fake, backend);
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	no_event(clk);
	return clk;
}

/* The guest's kernel clears the flag, and nothing has happened. */
static void a_disruption(void **state)
{
	const struct row *row = *state;

	gives_generation = row->cause != send_generation;
	stopped = false;
	check_row(row, begin(row->backend, row->with_vmclock), clear_flag);
}

/* --- mere updates --------------------------------------------------------- */

struct update_row {
	const char *name;
	const char *backend;
	write_fn *write;
	bool with_vmclock;
	bool stopped; /* once, before the clock was opened */
};

/* Within the limits of an update: below 1 us and 1 ppm. */
static struct update_row updates[] = {
	{ "kvmclock: 10^6 updates raise no event", "kvmclock", write_pvclock,
	  false, false },
	{ "kvmclock with markers: 10^6 updates raise no event", "kvmclock",
	  write_pvclock, true, false },
	{ "kvmclock whose flag nobody clears: 10^6 updates raise no event",
	  "kvmclock", write_pvclock, false, true },
	{ "hyperv: 10^6 updates raise no event", "hyperv", write_hyperv, false,
	  false },
	{ "vmclock: 10^6 updates raise no event", "vmclock", write_vmclock,
	  true, false },
};

static void updates_raise_no_event(void **state)
{
	const struct update_row *row = *state;
	struct paraclock *clk;
	uint32_t random = 1;
	uint64_t epoch;

	stopped = row->stopped;
	clk = begin(row->backend, row->with_vmclock);
	epoch = read_epoch(clk);
	for (uint32_t i = 1; i <= UPDATES; i++) {
		random = random * 1664525 + 1013904223;
		host_ns = 100000000 + (random >> 16) % 900;
		row->write(i, START + i);
		if (read_epoch(clk) != epoch)
			fail_msg("update %u is a disruption", i);
	}
	no_event(clk);
	paraclock_close(clk);
}

int main(void)
{
	ADD_ROWS(rows, a_disruption);
	ADD_ROWS(updates, updates_raise_no_event);
	return run_suite(NULL, NULL);
}
