// SPDX-License-Identifier: MIT
/*
 * How often CPUID is run: on some machines each one is an exit of 10 us.
 * Answers are kept for each env.
 */

#include "base/cpuid.h"
#include "fake.h"

/*
 * The limits for a first open, and for everything that paraclock status does.
 */
#define OPEN_MOST   40
#define STATUS_MOST 80

struct world {
	const char *name;
	uint32_t vendor[3]; /* leaf 0 */
	bool guest;
	char signature[3][13]; /* at 0x40000000, 0x40000100, ... */
	uint32_t features;     /* leaf 1 of each */
	bool page;	       /* kvmclock's is shown */
};

#define INTEL                                      \
	{                                          \
		0x756e6547, 0x6c65746e, 0x49656e69 \
	}
#define AMD                                        \
	{                                          \
		0x68747541, 0x444d4163, 0x69746e65 \
	}
#define KVM "KVMKVMKVM\0\0"
#define HV  "Microsoft Hv"

static struct world worlds[] = {
	/* clang-format off */
	{ "PVM", AMD, true, { "bhyve bhyve " }, 0, true },
	{ "KVM", INTEL, true, { KVM }, 0x1000009, true },
	{ "KVM on an older AMD CPU", AMD, true, { KVM }, 0x1000009, true },
	{ "KVM behind two faces", AMD, true, { HV, "XenVMMXenVMM", KVM },
	  0x1000009, true },
	{ "Hyper-V", INTEL, true, { HV }, 0, false },
	{ "a hypervisor that shows nothing", AMD, true, { "" }, 0, true },
	{ "bare metal", AMD, false, { "" }, 0, false },
	/* clang-format on */
};

static struct {
	struct fake fake;
	struct paraclock_system_clocks system_clocks;
	const struct world *world;
	unsigned int count;
	int error;
} w;

static int count_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		       uint32_t ret_regs[4])
{
	const uint32_t n = (leaf - 0x40000000) >> 8;

	(void)ctx;
	(void)subleaf;
	if (w.error)
		return w.error;
	w.count++;
	memset(ret_regs, 0, 4 * sizeof(*ret_regs));
	if (leaf == 0) {
		ret_regs[0] = 0x16;
		memcpy(&ret_regs[1],
		       (uint32_t[3]){ w.world->vendor[0], w.world->vendor[2],
				      w.world->vendor[1] },
		       12);
	} else if (leaf == 1) {
		ret_regs[2] = w.world->guest ? 1U << 31 : 0;
	} else if (leaf == 0x80000000) {
		ret_regs[0] = 0x8000001f;
	} else if (leaf >> 16 == 0x4000 && n < 3 && w.world->signature[n][0]) {
		ret_regs[0] = leaf & 0xff ? w.world->features
					  : 0x40000001 + 0x100 * n;
		if (!(leaf & 0xff))
			memcpy(&ret_regs[1], w.world->signature[n], 12);
	}
	return 0;
}

static void start(const struct world *world)
{
	memset(&w, 0, sizeof(w));
	fake_init(&w.fake);
	w.world = world;
	w.fake.env.cpuid = count_cpuid;
	/* The CPU's own counter, whose instruction CPUID chooses. */
	w.fake.env.counter = NULL;
	w.fake.env.system_clocks = &w.system_clocks;
	w.fake.pvclock_error = world->page ? 0 : -ENODEV;
}

static int open_and_close(const char *backend)
{
	struct paraclock *clk = NULL;
	int ret = fake_try_open(&clk, &w.fake, backend, NULL, NULL);

	paraclock_close(clk);
	return ret;
}

static int pass(void *arg, const struct paraclock_listing *listing)
{
	(void)arg;
	assert_string_not_equal(listing->detail, "");
	return 0;
}

static void check_world(void **state)
{
	const struct world *world = *state;
	unsigned int first;

	start(world);
	assert_int_equal(open_and_close("kvmclock"), w.fake.pvclock_error);
	print_message("%u CPUIDs in a first open, ", w.count);
	assert_in_range(w.count, 1, OPEN_MOST);
	first = w.count;
	/* Known answers are not asked for again, except KVM's features. */
	assert_int_equal(open_and_close("kvmclock"), w.fake.pvclock_error);
	assert_in_range(w.count - first, 0, 1);
	(void)open_and_close(NULL);
	assert_int_equal(paraclock_list(&w.fake.env, pass, NULL), 0);
	print_message("%u with all else\n", w.count);
	assert_in_range(w.count, 1, STATUS_MOST / 2);
}

static void an_env_without_a_memory_asks_each_time(void **state)
{
	(void)state;
	start(&worlds[1]);
	w.fake.env.system_clocks = NULL;
	assert_int_equal(open_and_close("kvmclock"), 0);
	assert_in_range(w.count, 1, OPEN_MOST);
}

/* A copy with a CPUID of its own must not get the other env's answers. */
static int other_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		       uint32_t ret_regs[4])
{
	w.world = &worlds[4];
	return count_cpuid(ctx, leaf, subleaf, ret_regs);
}

static void answers_are_kept_for_each_env(void **state)
{
	struct paraclock_env copy;
	uint32_t base = 4711;

	(void)state;
	start(&worlds[1]);
	copy = w.fake.env;
	copy.cpuid = other_cpuid;
	assert_int_equal(pclk_hypervisor_find(&w.fake.env, KVM "\0", &base), 0);
	assert_int_equal(base, 0x40000000);
	assert_int_equal(pclk_hypervisor_find(&copy, KVM "\0", &base), -ENODEV);
	assert_int_equal(pclk_hypervisor_find(&copy, HV, &base), 0);
	assert_int_equal(pclk_hypervisor_find(&w.fake.env, KVM "\0", &base), 0);
}

static void an_error_is_not_kept(void **state)
{
	uint32_t base = 4711;

	(void)state;
	start(&worlds[1]);
	w.error = -EACCES;
	assert_int_equal(pclk_hypervisor_find(&w.fake.env, KVM "\0", &base),
			 -EACCES);
	w.error = 0;
	assert_int_equal(pclk_hypervisor_find(&w.fake.env, KVM "\0", &base), 0);
	/* Known answers remain known, also where CPUID is forbidden later. */
	w.error = -EACCES;
	assert_int_equal(pclk_hypervisor_find(&w.fake.env, KVM "\0", &base), 0);
}

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(an_env_without_a_memory_asks_each_time),
	cmocka_unit_test(answers_are_kept_for_each_env),
	cmocka_unit_test(an_error_is_not_kept),
};

int main(void)
{
	ADD_TESTS(plain);
	ADD_ROWS(worlds, check_world);
	return run_suite(NULL, NULL);
}
