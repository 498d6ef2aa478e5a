/* SPDX-License-Identifier: MIT */
/* Shared by the tests of the simulated host. */
#ifndef SIMS_H
#define SIMS_H

#include <paraclock/paraclock.h>
#include <paraclock/sim.h>

#include "../shared/rows.h"

__extension__ typedef unsigned __int128 u128;

#define US  1000LL
#define MS  1000000LL
#define SEC 1000000000LL

#define MONO PARACLOCK_TIMESCALE_MONOTONIC
#define UTC  PARACLOCK_TIMESCALE_UTC
#define TAI  PARACLOCK_TIMESCALE_TAI

/* 2026-01-15 12:00:37 TAI, when a world begins by default. */
#define START_TAI (1768478437 * SEC)

/* A world with one host, of 2.6 GHz, and a faster one. */
static struct paraclock_sim *sim;
static struct paraclock_sim_host *host, *fast;

#define FAST_HZ 3100000000U

static inline int make_world(void **state)
{
	struct paraclock_sim_options opts = { .size = sizeof(opts), .seed = 1 };
	struct paraclock_sim_host_options of_fast = {
		.size = sizeof(of_fast),
		.tsc_hz = FAST_HZ,
		.tsc_start = 123456789012345,
	};

	(void)state;
	assert_int_equal(paraclock_sim_new(&sim, &opts), 0);
	assert_int_equal(paraclock_sim_host_new(&host, sim, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&fast, sim, &of_fast), 0);
	return 0;
}

static inline int free_world(void **state)
{
	(void)state;
	paraclock_sim_free(sim);
	sim = NULL;
	return 0;
}

static inline void run(uint64_t ns)
{
	assert_int_equal(paraclock_sim_run(sim, ns), 0);
}

static inline struct paraclock_sim_vm *
new_vm_of(const struct paraclock_sim_vm_options *opts)
{
	struct paraclock_sim_vm *vm = NULL;

	assert_int_equal(paraclock_sim_vm_new(&vm, host, opts), 0);
	assert_non_null(vm);
	return vm;
}

static inline struct paraclock_sim_vm *new_vm(uint32_t parts, uint32_t vcpus)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = parts,
		.vcpus = vcpus,
		.tsc_start = 1000,
	};

	return new_vm_of(&opts);
}

static inline int64_t truth_at(const struct paraclock_sim_vm *vm,
			       uint64_t counter, unsigned int timescale)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_truth(vm, counter, timescale, &ns), 0);
	return ns;
}

static inline int64_t truth(const struct paraclock_sim_vm *vm,
			    unsigned int timescale)
{
	return truth_at(vm, paraclock_sim_counter(vm, 0), timescale);
}

static inline int64_t true_time(unsigned int timescale)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_now(sim, timescale, &ns), 0);
	return ns;
}

static inline struct paraclock *open_in(struct paraclock_sim_vm *vm,
					const char *backend, unsigned int ring)
{
	char why[256] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.env = paraclock_sim_env(vm, ring),
		.detail = why,
		.detail_size = sizeof(why),
	};
	struct paraclock *clk = NULL;

	if (paraclock_open(&clk, &opts))
		fail_msg("%s: %s", backend ? backend : "any", why);
	return clk;
}

static inline struct paraclock *open_user(struct paraclock_sim_vm *vm,
					  const char *backend)
{
	return open_in(vm, backend, PARACLOCK_SIM_USER);
}

static inline struct paraclock_sample read_clock(struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	return sample;
}

/* The sample's time less the truth. */
static inline int64_t error_of(const struct paraclock_sim_vm *vm,
			       const struct paraclock_sample *sample)
{
	assert_int_equal(sample->valid, 1);
	assert_int_equal(sample->reason, PARACLOCK_REASON_OK);
	return sample->host_ns -
	       truth_at(vm, sample->host_tsc, sample->timescale);
}

static inline void assert_near(int64_t got, int64_t want, int64_t within)
{
	if (got < want - within || got > want + within)
		fail_msg("%lld is not within %lld of %lld", (long long)got,
			 (long long)within, (long long)want);
}

/*
 * A page's readings are within this of the truth, ns; a pvclock's within 0.25
 * ppb of its age more, which is 75 ns until KVM rewrites it.
 */
#define PVCLOCK_NS 3
#define HYPERV_NS  52
#define VMCLOCK_NS 1

/* The error bound of a pvclock page now, ns. */
static inline int64_t pvclock_ns(const struct paraclock_sim_vm *vm,
				 unsigned int vcpu)
{
	const uint64_t *page =
		paraclock_sim_page(vm, PARACLOCK_SIM_PVCLOCK, vcpu, NULL);
	int64_t age = truth(vm, MONO) - truth_at(vm, page[1], MONO);

	return PVCLOCK_NS + age / (4 * SEC);
}

static inline void assert_right(struct paraclock_sim_vm *vm,
				struct paraclock *clk, int64_t within)
{
	struct paraclock_sample sample = read_clock(clk);

	assert_near(error_of(vm, &sample), 0, within);
}

/* By each kind of page. */
static inline void assert_all_right(struct paraclock_sim_vm *vm)
{
	static const char *const name[] = { "kvmclock", "hyperv", "vmclock" };
	static const int64_t within[] = { PVCLOCK_NS, HYPERV_NS, VMCLOCK_NS };

	for (size_t i = 0; i < ARRAY_LEN(name); i++) {
		struct paraclock *clk = open_user(vm, name[i]);

		assert_right(vm, clk, within[i]);
		paraclock_close(clk);
	}
}

static inline void assert_invalid(struct paraclock *clk, uint8_t reason)
{
	struct paraclock_sample sample = read_clock(clk);

	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, reason);
}

#endif
