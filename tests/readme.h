/* SPDX-License-Identifier: MIT */
/*
 * Included before the README's program, which then opens its clock in a
 * simulated VM whose CLOCK_REALTIME is BEHIND_NS behind its host.
 */

#include <paraclock/paraclock.h>
#include <paraclock/sim.h>

#define BEHIND_NS 250000000

static int readme_open(struct paraclock **ret_clk,
		       const struct paraclock_options *opts)
{
	struct paraclock_sim_vm_options parts = {
		.size = sizeof(parts),
		.parts = PARACLOCK_SIM_HAS_VMCLOCK,
	};
	struct paraclock_options here = *opts;
	struct paraclock_sim_host *host;
	struct paraclock_sim_vm *vm;
	struct paraclock_sim *sim;

	/* All of it is the program's until it ends. */
	if (paraclock_sim_new(&sim, NULL) ||
	    paraclock_sim_host_new(&host, sim, NULL) ||
	    paraclock_sim_vm_new(&vm, host, &parts) ||
	    paraclock_sim_guest_step(vm, -BEHIND_NS))
		return -1;
	here.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER);
	return paraclock_open(ret_clk, &here);
}

#define paraclock_open readme_open
