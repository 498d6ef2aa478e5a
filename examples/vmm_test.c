// SPDX-License-Identifier: MIT
/*
 * The unit test of vmm_clock.c, on a simulated host: what vmm.c does with
 * /dev/kvm, and what its guest then reads.
 */
#include <stdio.h>
#include <stdlib.h>

#include <paraclock/sim.h>

#include "vmm_clock.h"

#define TRY(call)                                                 \
	do {                                                      \
		if (call)                                         \
			return fprintf(stderr, "%s\n", #call), 1; \
	} while (0)

#define MSEC 1000000

/* What is known of leap seconds: none since 2017, and none to come. */
static const struct paraclock_leap_table leaps = {
	.expires_sec = 4102444800,
	.count = 1,
	.entry = { { .utc_sec = 1483228800, .tai_offset_sec = 37 } },
};
static struct vmm_clock vmm = { .leaps = &leaps, .error_ns = MSEC };

/* Is true time within the guest's interval? */
static int is_right(struct paraclock *guest, struct paraclock_sim *sim)
{
	int64_t earliest_ns, latest_ns, true_ns;
	struct paraclock_sample now;

	TRY(paraclock_sim_now(sim, PARACLOCK_TIMESCALE_TAI, &true_ns));
	TRY(paraclock_read(guest, &now) || !now.valid);
	TRY(paraclock_interval_tai_ns(&now, &earliest_ns, &latest_ns));
	printf("off by %lld ns, bound %llu ns\n",
	       (long long)(now.host_ns - true_ns),
	       (unsigned long long)now.clock_error_ns);
	TRY(true_ns < earliest_ns || true_ns > latest_ns);
	return 0;
}

/* A guest of a host that asks above for its time, as kvm-host asks KVM. */
int main(void)
{
	struct paraclock_sim_host_options clock = { .size = sizeof(clock),
						    .clock_ahead_ns = 900000 };
	struct paraclock_sim_vm_options parts = { .size = sizeof(parts) };
	struct paraclock_options opts = { .size = sizeof(opts),
					  .backend = "kvm-pairing" };
	struct paraclock *above, *guest;
	struct paraclock_sim_host *l0, *l1;
	struct paraclock_sim_vm *vm1, *vm2;
	struct paraclock_sample now;
	struct paraclock_sim *sim;

	TRY(paraclock_sim_new(&sim, NULL));
	TRY(paraclock_sim_host_new(&l0, sim, &clock));
	parts.parts = PARACLOCK_SIM_HAS_PAIRING;
	TRY(paraclock_sim_vm_new(&vm1, l0, &parts));
	TRY(paraclock_sim_host_nested(&l1, vm1));
	parts.parts = PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_NO_WRITER;
	parts.tsc_start = 12345;
	TRY(paraclock_sim_vm_new(&vm2, l1, &parts));

	vmm.env = opts.env = paraclock_sim_env(vm1, PARACLOCK_SIM_USER);
	TRY(paraclock_open(&above, &opts));
	vmm.host = above;
	vmm.page = paraclock_sim_page(vm2, PARACLOCK_SIM_VMCLOCK, 0, NULL);
	TRY(paraclock_sim_coupling(vm2, &vmm.coupling));
	TRY(vmm_clock_start(&vmm));
	for (int i = 0; vmm_clock_update(&vmm); i++)
		TRY(i == 60 || paraclock_sim_run(sim, 250 * MSEC));

	opts = (struct paraclock_options){ .size = sizeof(opts) };
	opts.backend = "vmclock";
	opts.env = paraclock_sim_env(vm2, PARACLOCK_SIM_USER);
	TRY(paraclock_open(&guest, &opts));
	for (int i = 0; i < 100; i++) {
		/* chronyd steps the host's clock, within what is vouched. */
		TRY(i == 50 && paraclock_sim_step(l0, -1500000));
		TRY(paraclock_sim_run(sim, 250 * MSEC));
		TRY(is_right(guest, sim));
		TRY(vmm_clock_update(&vmm));
		TRY(is_right(guest, sim));
	}
	vmm_clock_stop(&vmm);
	TRY(paraclock_read(guest, &now) || now.valid);
	paraclock_close(guest);
	paraclock_close(above);
	paraclock_sim_free(sim);
	return 0;
}
