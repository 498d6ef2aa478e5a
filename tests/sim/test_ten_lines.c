// SPDX-License-Identifier: MIT
/* As a user would write it: does my program notice that it was moved? */

#include "sims.h"

static int use(struct paraclock *clk, uint64_t epoch)
{
	return paraclock_disrupted(clk, epoch);
}

static void a_migration_in_ten_lines(void **state)
{
	struct paraclock_sim *world;
	struct paraclock_sim_host *here, *there;
	struct paraclock_sim_vm *vm;
	struct paraclock_options opts = { .size = sizeof(opts) };
	struct paraclock *clk;
	uint64_t epoch;

	(void)state;
	paraclock_sim_new(&world, NULL);
	paraclock_sim_host_new(&here, world, NULL);
	paraclock_sim_host_new(&there, world, NULL);
	paraclock_sim_vm_new(&vm, here, NULL);
	opts.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER);
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	epoch = paraclock_epoch(clk);
	paraclock_sim_migrate(vm, there, 5 * SEC, PARACLOCK_SIM_CLOCK_STOPS);
	assert_int_equal(use(clk, epoch), 1);
	paraclock_close(clk);
	paraclock_sim_free(world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_migration_in_ten_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
