// SPDX-License-Identifier: MIT
/* Random worlds: how they begin and end, and how time passes in them. */

#include "worlds.h"

#define PARTS                                                       \
	(PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_HYPERV |     \
	 PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_GENERATION | \
	 PARACLOCK_SIM_HAS_PAIRING | PARACLOCK_SIM_HAS_PTP_HYPERV)

/* 2026-06-30 23:59:60 UTC, 37 s of leap seconds later. */
#define LEAP_TAI ((1782864000 + 37) * SEC)

uint64_t dice(struct world *w, uint64_t sides)
{
	return paraclock_sim_random(w->sim, sides);
}

int64_t around(struct world *w, int64_t size)
{
	return (int64_t)dice(w, 2 * (uint64_t)size + 1) - size;
}

uint64_t any_size(struct world *w, unsigned int bits)
{
	return dice(w, 2ULL << dice(w, bits));
}

int64_t mono_now(struct world *w)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_now(w->sim, MONO, &ns), 0);
	return ns;
}

int64_t tai_now(struct world *w)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_now(w->sim, TAI, &ns), 0);
	return ns;
}

/* MONOTONIC time runs as true time does, in a VM as well. */
int64_t tai_at(struct world *w, const struct paraclock_sim_vm *vm,
	       uint64_t counter)
{
	uint64_t now = paraclock_sim_counter(vm, 0);

	if (counter == now)
		return tai_now(w);
	return tai_now(w) -
	       (truth_at(vm, now, MONO) - truth_at(vm, counter, MONO));
}

/* --- beginning ------------------------------------------------------------ */

/* From 300 ns to 10 ms, and as much slewing as is usual. */
static void make_host(struct world *w, struct honest *h)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.tsc_hz = 1000000000 + dice(w, 3500000001),
		.tsc_start = (1ULL << 43) + (dice(w, 0) >> (12 + dice(w, 9))),
		.error_flags = PARACLOCK_TIMELINE_MAXERROR |
			       PARACLOCK_TIMELINE_MAXERROR_RATE,
	};

	h->bound_ns = 300 + (int64_t)any_size(w, 22);
	h->slew_ppb = (int64_t)any_size(w, 18);
	/*
	 * By its own clock, which may be slow; 3: a page's growth, and the
	 * simulation's sums, are rounded.
	 */
	h->grow_ppb = (int64_t)any_size(w, w->lasting ? 12 : 10);
	if (w->lasting)
		h->grow_ppb +=
			h->slew_ppb + h->slew_ppb * h->slew_ppb / SEC + 3;
	h->status = PARACLOCK_STATUS_SYNCHRONIZED;
	opts.clock_ahead_ns = around(w, h->bound_ns - 200);
	opts.maxerror_ns = (uint64_t)h->bound_ns;
	opts.maxerror_ppb = (uint64_t)h->grow_ppb;
	h->off = (s128)opts.clock_ahead_ns * SEC;
	h->home = h->off;
	h->since_ns = mono_now(w);
	assert_int_equal(paraclock_sim_host_new(&h->sim, w->sim, &opts), 0);
}

static void make_vm(struct world *w)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = PARTS,
		.vcpus = 3,
		.tsc_hz = dice(w, 2) ? 1000000000 + dice(w, 3500000001) : 0,
		.tsc_start = (1ULL << 43) + any_size(w, 50),
		.timeline_flags =
			w->monotonic ? PARACLOCK_TIMELINE_MONOTONIC : 0,
		.vmclock_timescale = w->scale,
		.clocksource = dice(w, 2) ? "tsc" : "kvm-clock",
	};

	w->on = &w->host[0];
	assert_int_equal(paraclock_sim_vm_new(&w->vm, w->on->sim, &opts), 0);
	assert_int_equal(paraclock_sim_save(&w->saved, w->vm), 0);
}

void world_start(struct world *w, uint64_t seed)
{
	struct paraclock_sim_options opts = { .size = sizeof(opts),
					      .seed = seed };

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->leaps = seed % 8 == 0;
	if (w->leaps) {
		opts.leap = seed % 16 ? PARACLOCK_LEAP_PRE_POS
				      : PARACLOCK_LEAP_PRE_NEG;
		w->leap_ns = LEAP_TAI + (seed % 16 ? SEC : -SEC);
		opts.start_tai_ns = LEAP_TAI - (int64_t)(10 + seed % 128) * SEC;
	}
	assert_int_equal(paraclock_sim_new(&w->sim, &opts), 0);
	w->scale = dice(w, 3) ? TAI : UTC;
	w->monotonic = dice(w, 2);
	w->lasting = dice(w, 4) != 0;
	w->beat_ns = dice(w, 3) ? 0 : (uint64_t)SEC >> dice(w, 4);
	for (unsigned int i = 0; i < HOSTS; i++)
		make_host(w, &w->host[i]);
	make_vm(w);
	readers_open(w);
	guest_start(w);
}

void world_end(struct world *w)
{
	readers_close(w);
	paraclock_sim_state_free(w->saved);
	paraclock_sim_free(w->sim);
}

/* --- time ----------------------------------------------------------------- */

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

void pass(struct world *w, uint64_t ns)
{
	int64_t now = mono_now(w), until = now + (int64_t)ns;

	w->least_ns = (int64_t)ns / 16;
	for (unsigned int i = 0; i < HOSTS; i++)
		stay_within(w, &w->host[i], ns);
	while (now < until) {
		int64_t next = earlier(until, next_follow(w));

		next = earlier(next, w->next_relay_ns);
		if (next > now)
			assert_int_equal(
				paraclock_sim_run(w->sim,
						  (uint64_t)(next - now)),
				0);
		follow_due(w, false);
		relay_due(w);
		now = mono_now(w);
	}
	for (unsigned int i = 0; i < HOSTS; i++)
		assert_honest(w, &w->host[i]);
}
