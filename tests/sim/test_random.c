// SPDX-License-Identifier: MIT
/*
 * Anything may happen, in any order: the same each time, and each answer of the
 * library is then right or not valid.
 */

#include "sims.h"

#define ACTS 2000

#define PARTS                                                   \
	(PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_HYPERV | \
	 PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_GENERATION)

static struct paraclock_sim_vm *vm;
static struct paraclock_sim_state *saved;

static uint64_t dice(uint64_t sides)
{
	return paraclock_sim_random(sim, sides);
}

static void begin(uint64_t seed)
{
	struct paraclock_sim_options opts = { .size = sizeof(opts),
					      .seed = seed };
	struct paraclock_sim_host_options of_fast = { .size = sizeof(of_fast),
						      .tsc_hz = FAST_HZ };

	assert_int_equal(paraclock_sim_new(&sim, &opts), 0);
	assert_int_equal(paraclock_sim_host_new(&host, sim, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&fast, sim, &of_fast), 0);
	vm = new_vm(PARTS, 3);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
}

static void end(void)
{
	paraclock_sim_state_free(saved);
	paraclock_sim_free(sim);
}

/* Flags of acts that keep TSC and time together. */
static uint32_t flags(void)
{
	return dice(2) ? PARACLOCK_SIM_SCALED : 0;
}

static int vm_act(void)
{
	struct paraclock_sim_host *to = dice(2) ? host : fast;

	switch (dice(6)) {
	case 0:
		return paraclock_sim_migrate(vm, to, dice(SEC), flags());
	case 1:
		return paraclock_sim_restore(vm, saved, to, flags());
	case 2:
		paraclock_sim_state_free(saved);
		return paraclock_sim_save(&saved, vm);
	case 3:
		return paraclock_sim_vcpu_halt(vm, (unsigned int)dice(2));
	case 4:
		return paraclock_sim_vcpu_run(vm, (unsigned int)dice(3));
	default:
		assert_int_equal(paraclock_sim_pause(vm), 0);
		run(dice(SEC));
		return paraclock_sim_resume(vm, 0);
	}
}

static int host_act(void)
{
	struct paraclock_sim_host *which = dice(2) ? host : fast;
	unsigned int kind = (unsigned int)dice(3);
	unsigned int vcpu = kind ? 0 : (unsigned int)dice(3);

	switch (dice(5)) {
	case 0:
		return paraclock_sim_step(which, (int64_t)dice(SEC) - SEC / 2);
	case 1:
		return paraclock_sim_slew(which, (int64_t)dice(100000));
	case 2:
		return paraclock_sim_status(which, 2 + (unsigned int)dice(3));
	case 3:
		return paraclock_sim_clocksource(which, (int)dice(2));
	default:
		return paraclock_sim_update(vm, kind, vcpu);
	}
}

static void act(void)
{
	run(dice(SEC));
	assert_int_equal(dice(2) ? vm_act() : host_act(), 0);
}

/* FNV-1a, of all pages and of the VM's TSC. */
static uint64_t digest(uint64_t sum)
{
	uint64_t counter = paraclock_sim_counter(vm, 0);
	const uint8_t *bytes = (void *)&counter;

	for (unsigned int i = 0; i < 8; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3;
	for (unsigned int kind = 0; kind < 3; kind++) {
		for (unsigned int vcpu = 0; vcpu < (kind ? 1 : 3); vcpu++) {
			bytes = paraclock_sim_page(vm, kind, vcpu, NULL);
			for (unsigned int i = 0; i < 112; i++)
				sum = (sum ^ bytes[i]) * 0x100000001b3;
		}
	}
	return sum;
}

static uint64_t play(uint64_t seed)
{
	uint64_t sum = 0xcbf29ce484222325;

	begin(seed);
	for (unsigned int i = 0; i < ACTS; i++) {
		act();
		sum = digest(sum);
	}
	end();
	return sum;
}

static void the_same_seed_gives_the_same_bytes(void **state)
{
	uint64_t once = play(42);

	(void)state;
	assert_int_equal(play(42), once);
	assert_int_not_equal(play(43), once);
}

struct reader {
	const char *name;
	int64_t within;
	struct paraclock *clk;
	unsigned int valid, not_valid;
};

/* Beyond a page's resolution, for its age of up to 300 s, it is wrong. */
static void read_one(struct reader *reader)
{
	struct paraclock_sample sample = read_clock(reader->clk);

	if (!sample.valid) {
		reader->not_valid++;
		return;
	}
	reader->valid++;
	assert_near(error_of(vm, &sample), 0, reader->within);
}

static void no_valid_sample_is_wrong(void **state)
{
	struct reader readers[] = {
		{ .name = "kvmclock", .within = PVCLOCK_NS + 75 },
		{ .name = "hyperv", .within = HYPERV_NS },
		{ .name = "vmclock", .within = VMCLOCK_NS },
	};

	(void)state;
	begin(7);
	for (size_t i = 0; i < ARRAY_LEN(readers); i++)
		readers[i].clk = open_user(vm, readers[i].name);
	for (unsigned int i = 0; i < ACTS; i++) {
		act();
		for (size_t k = 0; k < ARRAY_LEN(readers); k++)
			read_one(&readers[k]);
	}
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		print_message("%s: %u valid, %u not\n", readers[i].name,
			      readers[i].valid, readers[i].not_valid);
		assert_true(readers[i].valid > ACTS / 10);
		paraclock_close(readers[i].clk);
	}
	end();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_seed_gives_the_same_bytes),
		cmocka_unit_test(no_valid_sample_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
