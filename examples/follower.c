// SPDX-License-Identifier: MIT
/*
 * A timekeeper follows the host's clock, and its readers never see a step back.
 * Here the host is simulated, and sets its clock back by 0.1 s. On a real
 * machine env is NULL, and the timekeeper lies in shared memory.
 */

#include <inttypes.h>
#include <stdio.h>

#include <paraclock/paraclock.h>
#include <paraclock/sim.h>
#include <paraclock/timekeeper.h>

static struct paraclock_timekeeper tk;
static struct paraclock_follow follow = { .size = sizeof(follow) };

int main(void)
{
	struct paraclock_sim_vm_options parts = { .size = sizeof(parts) };
	struct paraclock_options opts = { .size = sizeof(opts) };
	struct paraclock_sample now, last = { 0 };
	struct paraclock_sim_host *host;
	struct paraclock_sim_vm *vm;
	struct paraclock_sim *sim;
	struct paraclock *clk;

	parts.parts = PARACLOCK_SIM_HAS_VMCLOCK;
	if (paraclock_sim_new(&sim, NULL) ||
	    paraclock_sim_host_new(&host, sim, NULL) ||
	    paraclock_sim_vm_new(&vm, host, &parts))
		return 1;
	opts.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER);
	if (paraclock_open(&clk, &opts) ||
	    paraclock_timekeeper_acquire(&tk, opts.env, NULL))
		return 1;
	follow.max_slew_ppb = 50000000;
	follow.flags = PARACLOCK_FOLLOW_MONOTONIC | PARACLOCK_FOLLOW_RESTART;
	for (int i = 0; i < 400; i++) {
		paraclock_sim_run(sim, 100000000);
		if (i == 100)
			paraclock_sim_step(host, -100000000);
		paraclock_timekeeper_follow(&tk, opts.env, clk, &follow);
		if (paraclock_timekeeper_read(&tk, opts.env, &now))
			continue; /* not yet: it is measuring the rate */
		if (last.valid && now.host_ns <= last.host_ns)
			return 1;
		if (i % 25 == 0)
			printf("%" PRId64 " ns; the host's clock is ahead by "
			       "%" PRId64 " ns\n",
			       now.host_ns, follow.offset_ns);
		last = now;
	}
	paraclock_close(clk);
	paraclock_sim_free(sim);
	return !last.valid || follow.offset_ns < -1000000;
}
