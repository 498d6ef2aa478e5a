// SPDX-License-Identifier: MIT
/* A unit test of a program that measures with the host's clock. */

#include <stdio.h>
#include <stdlib.h>

#include <paraclock/paraclock.h>
#include <paraclock/sim.h>

/* The program: ns since then; -1: not known, because the machine was moved. */
static int64_t since(const struct paraclock *clk,
		     const struct paraclock_sample *then)
{
	struct paraclock_sample now;

	if (paraclock_read(clk, &now) || !now.valid || !then->valid ||
	    now.epoch != then->epoch)
		return -1;
	return now.host_ns - then->host_ns;
}

static void check(int good, const char *what)
{
	printf("%s %s\n", good ? "ok    " : "FAILED", what);
	if (!good)
		exit(1);
}

int main(void)
{
	struct paraclock_sim_vm_options parts = { .size = sizeof(parts) };
	struct paraclock_options opts = { .size = sizeof(opts) };
	struct paraclock_sim_host *a, *b;
	struct paraclock_sim_vm *vm;
	struct paraclock_sample then;
	struct paraclock_sim *sim;
	struct paraclock *clk;

	parts.parts = PARACLOCK_SIM_HAS_VMCLOCK;
	check(!paraclock_sim_new(&sim, NULL), "a world");
	check(!paraclock_sim_host_new(&a, sim, NULL), "a host");
	check(!paraclock_sim_host_new(&b, sim, NULL), "another one");
	check(!paraclock_sim_vm_new(&vm, a, &parts), "a VM");
	opts.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER);
	check(!paraclock_open(&clk, &opts), "a clock is opened in it");

	check(!paraclock_read(clk, &then) && then.valid, "it is valid");
	check(!paraclock_sim_run(sim, 1000000000), "a second passes");
	check(llabs(since(clk, &then) - 1000000000) < 2, "it is measured");

	check(!paraclock_sim_migrate(vm, b, 300000000, 0), "the VM is moved");
	check(since(clk, &then) == -1, "what was measured is dropped");

	paraclock_close(clk);
	paraclock_sim_free(sim);
	return 0;
}
