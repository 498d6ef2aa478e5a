// SPDX-License-Identifier: MIT
/* A world: its time, and what falls due in it. */

#include <errno.h>

#include "world.h"

#define START_TAI_NS 1768478437000000000
#define TAI_OFFSET   37
#define CLOCK_NS     20
#define EXIT_NS	     1000
#define HZ_MAX	     (1ULL << 40)

uint64_t pclk_sim_instant(const struct paraclock_sim *sim)
{
	if (sim->opts.counter)
		return sim->opts.counter(sim->opts.arg) - sim->start;
	return LOAD(sim->now);
}

uint64_t pclk_sim_ticks(const struct paraclock_sim *sim, uint64_t ns)
{
	u128 ticks;

	if (!sim->opts.counter)
		return ns;
	ticks = ((u128)ns * sim->hz + NSEC_PER_SEC - 1) / NSEC_PER_SEC;
	return ticks < RUN_MAX ? (uint64_t)ticks : RUN_MAX;
}

u128 pclk_sim_span(const struct paraclock_sim *sim, uint64_t ticks)
{
	u128 ns;

	if (!sim->opts.counter)
		return (u128)ticks << 64;
	ns = (u128)ticks * NSEC_PER_SEC;
	/* Rounded up, like all times here. */
	return (ns / sim->hz << 64) +
	       ((ns % sim->hz << 64) + sim->hz - 1) / sim->hz;
}

uint64_t pclk_sim_marker(struct paraclock_sim *sim)
{
	return ++sim->marker;
}

int pclk_sim_take_error(struct paraclock_sim *sim)
{
	int error = sim->error;

	sim->error = 0;
	return error;
}

/* splitmix64. */
static uint64_t next_random(struct paraclock_sim *sim)
{
	uint64_t x = sim->random += 0x9e3779b97f4a7c15U;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
	x = (x ^ x >> 27) * 0x94d049bb133111ebU;
	return x ^ x >> 31;
}

uint64_t paraclock_sim_random(struct paraclock_sim *sim, uint64_t sides)
{
	uint64_t number;

	if (!sim)
		return 0;
	pclk_sim_lock(sim);
	number = next_random(sim);
	pclk_sim_unlock(sim);
	/* The bias is less than sides in 2^64. */
	return sides ? mul_high(number, sides) : number;
}

/* --- what is due ---------------------------------------------------------- */

static uint64_t earliest(const struct paraclock_sim *sim)
{
	const struct paraclock_sim_host *host;
	const struct paraclock_sim_vm *vm;
	uint64_t due = NEVER, next;

	for (host = sim->hosts; host; host = host->next) {
		next = pclk_sim_leap_due(host);
		due = next < due ? next : due;
	}
	for (vm = sim->vms; vm; vm = vm->next) {
		next = pclk_sim_pages_next(vm);
		due = next < due ? next : due;
	}
	return due;
}

static void do_due(struct paraclock_sim *sim)
{
	struct paraclock_sim_host *host;
	struct paraclock_sim_vm *vm;

	for (host = sim->hosts; host; host = host->next) {
		if (pclk_sim_leap_due(host) <= pclk_sim_instant(sim))
			pclk_sim_leap_apply(host);
	}
	for (vm = sim->vms; vm; vm = vm->next) {
		if (pclk_sim_pages_next(vm) <= pclk_sim_instant(sim))
			pclk_sim_pages_due(vm);
	}
}

void pclk_sim_pass(struct paraclock_sim *sim, uint64_t ns)
{
	uint64_t target, due;

	if (sim->opts.counter) {
		do_due(sim);
		return;
	}
	/* Step from one thing due to the next, so that each happens at its own
	 * instant, however long the step that was asked for. */
	target = sim->now + ns;
	while ((due = earliest(sim)) <= target) {
		if (due > sim->now)
			STORE(sim->now, due);
		do_due(sim);
	}
	STORE(sim->now, target);
}

void pclk_sim_spend(struct paraclock_sim *sim, uint64_t ns)
{
	/* In a live world the call itself takes the time. */
	if (!sim->opts.counter)
		pclk_sim_pass(sim, ns);
}

int paraclock_sim_run(struct paraclock_sim *sim, uint64_t ns)
{
	int ret;

	if (!sim || ns > RUN_MAX || (sim->opts.counter && ns))
		return -EINVAL;
	pclk_sim_lock(sim);
	if (sim->now > RUN_MAX - ns) {
		pclk_sim_unlock(sim);
		return -ERANGE;
	}
	pclk_sim_pass(sim, ns);
	ret = pclk_sim_take_error(sim);
	pclk_sim_unlock(sim);
	return ret;
}

int paraclock_sim_now(struct paraclock_sim *sim, unsigned int timescale,
		      int64_t *ret_ns)
{
	u128 since;

	if (!sim || !ret_ns)
		return -EINVAL;
	since = pclk_sim_span(sim, pclk_sim_instant(sim));
	if (timescale == PARACLOCK_TIMESCALE_TAI)
		since += sim->tai0;
	else if (timescale == PARACLOCK_TIMESCALE_UTC)
		since = sim_to_utc(&sim->utc, sim->tai0 + since);
	else if (timescale != PARACLOCK_TIMESCALE_MONOTONIC)
		return -EINVAL;
	*ret_ns = (int64_t)(since >> 64);
	return 0;
}

/* --- making it ------------------------------------------------------------ */

static int complete(struct paraclock_sim_options *full,
		    const struct paraclock_sim_options *opts)
{
	*full = (struct paraclock_sim_options){ .size = sizeof(*full) };
	if (opts && opts->size < sizeof(*opts))
		return -EINVAL;
	if (opts)
		*full = *opts;
	if (!full->start_tai_ns)
		full->start_tai_ns = START_TAI_NS;
	if (!full->tai_offset_sec)
		full->tai_offset_sec = TAI_OFFSET;
	if (!full->clock_ns)
		full->clock_ns = CLOCK_NS;
	if (!full->exit_ns)
		full->exit_ns = EXIT_NS;
	if (full->counter ? !full->counter_hz || full->counter_hz > HZ_MAX
			  : full->counter_hz != 0)
		return -EINVAL;
	/* UTC is not before 1970 either, and RUN_MAX later still fits. */
	if (full->start_tai_ns < (int64_t)full->tai_offset_sec * NSEC_PER_SEC ||
	    full->start_tai_ns > (int64_t)RUN_MAX || full->tai_offset_sec < 0 ||
	    full->tai_offset_sec > 100 || full->leap > PARACLOCK_LEAP_PRE_NEG)
		return -EINVAL;
	return 0;
}

int paraclock_sim_new(struct paraclock_sim **ret_sim,
		      const struct paraclock_sim_options *opts)
{
	struct paraclock_sim_options full;
	struct paraclock_sim *sim;

	if (!ret_sim || complete(&full, opts))
		return -EINVAL;
	sim = calloc(1, sizeof(*sim));
	if (!sim)
		return -ENOMEM;
	sim->opts = full;
	sim->hz = full.counter ? full.counter_hz : NSEC_PER_SEC;
	sim->start = full.counter ? full.counter(full.arg) : 0;
	sim->tai0 = (u128)(uint64_t)full.start_tai_ns << 64;
	sim->utc.offset_sec = full.tai_offset_sec;
	sim->utc.known = true;
	pclk_sim_utc_arm(&sim->utc, full.leap, sim->tai0);
	sim->random = full.seed;
	/* The top byte is 0, so that counting up never wraps. */
	sim->marker = next_random(sim) >> 16 << 8;
	(void)pthread_mutex_init(&sim->lock, NULL);
	(void)pthread_cond_init(&sim->changed, NULL);
	*ret_sim = sim;
	return 0;
}

static void free_vm(struct paraclock_sim_vm *vm)
{
	pclk_sim_pages_free(vm);
	free(vm->piece);
	free(vm);
}

void paraclock_sim_free(struct paraclock_sim *sim)
{
	if (!sim)
		return;
	pclk_sim_forget_here(sim);
	while (sim->vms) {
		struct paraclock_sim_vm *vm = sim->vms;

		sim->vms = vm->next;
		free_vm(vm);
	}
	while (sim->hosts) {
		struct paraclock_sim_host *host = sim->hosts;

		sim->hosts = host->next;
		free(host);
	}
	(void)pthread_mutex_destroy(&sim->lock);
	(void)pthread_cond_destroy(&sim->changed);
	free(sim);
}
