// SPDX-License-Identifier: MIT
/*
 * A nested hypervisor (L1) passes its host's clock on to a guest (L2), and is
 * moved with that guest inside. Here everything is simulated. In a real L1
 * opts.env is NULL, and target.page lies in L2's memory.
 */
#include <stdio.h>

#include <paraclock/paraclock.h>
#include <paraclock/relay.h>
#include <paraclock/sim.h>

#define TRY(call) \
	if (call) \
	return fprintf(stderr, "failed: %s\n", #call), 1

int main(void)
{
	struct paraclock_sim_vm_options parts = { .size = sizeof(parts) };
	struct paraclock_options opts = { .size = sizeof(opts) };
	struct paraclock_target target = { .size = sizeof(target) };
	struct paraclock_relay relay = { sizeof(relay), .n_targets = 1 };
	struct paraclock_page_writer writer = { { 0 } };
	struct paraclock_sim_host *host, *nested;
	struct paraclock_sim_vm *l1, *l2;
	struct paraclock *above, *below;
	struct paraclock_sample now;
	struct paraclock_sim *sim;

	parts.parts = PARACLOCK_SIM_HAS_VMCLOCK;
	TRY(paraclock_sim_new(&sim, NULL) ||
	    paraclock_sim_host_new(&host, sim, NULL));
	TRY(paraclock_sim_vm_new(&l1, host, &parts));
	TRY(paraclock_sim_host_nested(&nested, l1));
	parts.parts |= PARACLOCK_SIM_HAS_NO_WRITER;
	TRY(paraclock_sim_vm_new(&l2, nested, &parts));
	opts.env = paraclock_sim_env(l1, PARACLOCK_SIM_USER);
	TRY(paraclock_open(&above, &opts));
	TRY(paraclock_page_writer_acquire(&writer, opts.env));
	TRY(paraclock_sim_coupling(l2, &target.coupling));
	target.page = paraclock_sim_page(l2, PARACLOCK_SIM_VMCLOCK, 0, NULL);
	target.writer = &writer;
	target.write = paraclock_vmclock_write;
	target.freeze = paraclock_vmclock_freeze;
	relay.clk = above;
	relay.targets = &target;
	TRY(paraclock_relay_update(&relay));
	opts.env = paraclock_sim_env(l2, PARACLOCK_SIM_USER);
	TRY(paraclock_open(&below, &opts));
	/* Announced: until the relay resumes, L2 has no valid time. */
	TRY(paraclock_relay_freeze(&relay));
	TRY(paraclock_sim_migrate(l1, host, 300000000, 0));
	TRY(paraclock_read(below, &now) || now.valid);
	TRY(paraclock_relay_resume(&relay));
	TRY(paraclock_read(below, &now) || !now.valid);
	printf("L2, after the move: %lld ns\n", (long long)now.host_ns);
	paraclock_close(below);
	paraclock_close(above);
	paraclock_sim_free(sim);
}
