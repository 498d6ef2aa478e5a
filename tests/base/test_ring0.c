// SPDX-License-Identifier: MIT
/*
 * In ring 0 an access to a missing MSR faults, and so may a hypercall: in every
 * world the library touches only those that CPUID shows.
 */

#include "fake.h"
#include "random.h"

#include <paraclock/backend.h>
#include <paraclock/host.h>
#include <paraclock/relay.h>

#define HYPERVISOR (1U << 31)
#define WORLDS	   20000

struct leaf {
	uint32_t leaf, eax;
	char text[13]; /* EBX, ECX, EDX of a first leaf */
	uint32_t edx;  /* of any other leaf */
};

#define LEAVES 12

struct world {
	const char *name;
	bool guest;
	struct leaf leaf[LEAVES];
	/*
	 * What an open of kvmclock and hyperv should touch, worked out by hand.
	 */
	bool kvmclock, hyperv;
};

#define KVM	"KVMKVMKVM\0\0"
#define HYPER_V "Microsoft Hv"

static struct world worlds[] = {
	/* clang-format off */
	{ "bare metal", false, { { 0 } }, false, false },
	{ "a signature without the hypervisor bit", false,
	  { { 0x40000000, 0x40000001, KVM, 0 }, { 0x40000001, 0x9, "", 0 } },
	  false, false },
	{ "VMware", true, { { 0x40000000, 0x40000010, "VMwareVMware", 0 },
			    { 0x40000001, ~0U, "", ~0U } }, false, false },
	{ "Xen", true, { { 0x40000000, 0x40000005, "XenVMMXenVMM", 0 },
			 { 0x40000003, ~0U, "", ~0U } }, false, false },
	{ "bhyve", true, { { 0x40000000, 0x40000000, "bhyve bhyve ", 0 } },
	  false, false },
	{ "a hypervisor that shows nothing", true, { { 0 } }, false, false },
	{ "Hyper-V", true, { { 0x40000000, 0x4000000b, HYPER_V, 0 },
			     { 0x40000003, 0x2a02, "", 0x100 } }, false, true },
	{ "Hyper-V without the reference TSC page", true,
	  { { 0x40000000, 0x4000000b, HYPER_V, 0 },
	    { 0x40000003, 0x2, "", 0 } }, false, false },
	{ "Hyper-V's face whose leaves end before leaf 3", true,
	  { { 0x40000000, 0x40000002, HYPER_V, 0 },
	    { 0x40000003, ~0U, "", ~0U } }, false, false },
	{ "KVM with the new MSRs", true,
	  { { 0x40000000, 0x40000001, KVM, 0 },
	    { 0x40000001, 0x1000008, "", 0 } }, true, false },
	{ "KVM with the old MSRs only", true,
	  { { 0x40000000, 0x40000001, KVM, 0 },
	    { 0x40000001, 0x1000001, "", 0 } }, false, false },
	{ "KVM without a clock", true,
	  { { 0x40000000, 0x40000001, KVM, 0 },
	    { 0x40000001, 0x1000000, "", 0 } }, false, false },
	{ "a very old KVM, whose last leaf is 0", true,
	  { { 0x40000000, 0, KVM, 0 }, { 0x40000001, 0x9, "", 0 } },
	  true, false },
	{ "KVM without a leaf of features", true,
	  { { 0x40000000, 0x40000000, KVM, 0 },
	    { 0x40000001, ~0U, "", ~0U } }, false, false },
	{ "KVM behind Hyper-V's face", true,
	  { { 0x40000000, 0x40000005, HYPER_V, 0 },
	    { 0x40000003, 0x2, "", 0 },
	    { 0x40000100, 0x40000101, KVM, 0 },
	    { 0x40000101, 0x9, "", 0 } }, true, false },
	{ "KVM behind Xen's face behind Hyper-V's", true,
	  { { 0x40000000, 0x40000005, HYPER_V, 0 },
	    { 0x40000003, 0x200, "", 0 },
	    { 0x40000100, 0x40000104, "XenVMMXenVMM", 0 },
	    { 0x40000200, 0x40000201, KVM, 0 },
	    { 0x40000201, 0x8, "", 0 } }, true, true },
	{ "KVM beyond the bases that are searched", true,
	  { { 0x4000ff00, 0x4000ff01, KVM, 0 }, { 0x4000ff01, 0x8, "", 0 } },
	  true, false },
	{ "the features of another base", true,
	  { { 0x40000000, 0x40000001, "XenVMMXenVMM", 0 },
	    { 0x40000001, ~0U, "", ~0U },
	    { 0x40000100, 0x40000101, KVM, 0 },
	    { 0x40000101, 0x1000000, "", 0 } }, false, false },
	/* clang-format on */
};

static struct {
	struct fake fake;
	const struct world *world;
	_Alignas(4096) uint8_t pairing[4096];
	unsigned int kvm_writes, hyperv_writes, hypercalls;
} w;

static const struct leaf *leaf_of(uint32_t number)
{
	for (size_t i = 0; i < LEAVES; i++) {
		if (w.world->leaf[i].leaf == number && number)
			return &w.world->leaf[i];
	}
	return NULL;
}

static int world_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		       uint32_t ret_regs[4])
{
	const struct leaf *row = leaf_of(leaf);

	(void)ctx;
	(void)subleaf;
	memset(ret_regs, 0, 4 * sizeof(*ret_regs));
	if (leaf == 1)
		ret_regs[2] = w.world->guest ? HYPERVISOR : 0;
	if (!row)
		return 0;
	ret_regs[0] = row->eax;
	ret_regs[3] = row->edx;
	if (row->text[0])
		memcpy(&ret_regs[1], row->text, 12);
	return 0;
}

/* Leaf n of the hypervisor with this signature, from the table itself. */
static const struct leaf *shown(const char *signature, uint32_t n)
{
	static const struct leaf none;

	for (uint32_t base = 0x40000000; base < 0x40010000; base += 0x100) {
		const struct leaf *first = leaf_of(base);
		uint32_t last = first ? first->eax : 0;

		if (!first || memcmp(first->text, signature, 12) != 0)
			continue;
		if (base == 0x40000000 && !last)
			last = base + 1;
		if (last < base || last > base + 0xff)
			continue;
		if (!w.world->guest || last < base + n)
			return NULL;
		return leaf_of(base + n) ? leaf_of(base + n) : &none;
	}
	return NULL;
}

static bool is_permitted(uint32_t msr)
{
	const struct leaf *kvm = shown(KVM, 1), *hv = shown(HYPER_V, 3);

	switch (msr) {
	case 0x4b564d00:
	case 0x4b564d01:
		return kvm && kvm->eax >> 3 & 1;
	case 0x40000020:
		return hv && hv->eax >> 1 & 1;
	case 0x40000021:
		return hv && hv->eax >> 9 & 1;
	case 0x40000022:
	case 0x40000023:
		return hv && hv->eax >> 11 & 1 && hv->edx >> 8 & 1;
	case 0x40000106:
	case 0x40000107:
	case 0x40000108:
		return hv && hv->eax >> 13 & 1;
	default:
		return false;
	}
}

static void touch(uint32_t msr, bool write)
{
	if (!is_permitted(msr))
		fail_msg("MSR %#x is touched, which is a fault here", msr);
	w.kvm_writes += write && msr == 0x4b564d01;
	w.hyperv_writes += write && msr == 0x40000021;
}

static int world_rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value)
{
	(void)ctx;
	touch(msr, false);
	*ret_value = msr == 0x40000022 ? 1000000000 : 0;
	return 0;
}

static int world_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	(void)value;
	touch(msr, true);
	return 0;
}

static int world_hypercall(void *ctx, uint64_t number, const uint64_t args[4],
			   uint64_t ret_regs[4])
{
	(void)ctx;
	(void)number;
	(void)args;
	if (!shown(KVM, 1))
		fail_msg("a hypercall, which is a fault here");
	w.hypercalls++;
	ret_regs[0] = (uint64_t)-1000;
	return 0;
}

static int (*fake_map)(void *ctx, const char *name, const char *path,
		       struct paraclock_mapping *ret_map);

static int world_map(void *ctx, const char *name, const char *path,
		     struct paraclock_mapping *ret_map)
{
	int ret = 0;

	if (strcmp(name, "kvm-pairing") == 0)
		*ret_map = (struct paraclock_mapping){ .addr = w.pairing,
						       .size = 4096,
						       .fd = -1 };
	else
		ret = fake_map(ctx, name, path, ret_map);
	if (!ret)
		ret_map->phys = 0x7654321000;
	return ret;
}

static void start(const struct world *world)
{
	memset(&w, 0, sizeof(w));
	fake_init(&w.fake);
	w.world = world;
	w.fake.env.cpuid = world_cpuid;
	w.fake.env.rdmsr = world_rdmsr;
	w.fake.env.wrmsr = world_wrmsr;
	w.fake.env.hypercall = world_hypercall;
	fake_map = w.fake.env.map_page;
	w.fake.env.map_page = world_map;
	w.fake.hyperv_error = 0;
	fake_set_hyperv(&w.fake, 1, 0);
}

static int open_and_close(const char *backend, char detail[256])
{
	struct paraclock *clk = NULL;
	int ret = fake_try_open(&clk, &w.fake, backend, NULL, detail);

	paraclock_close(clk);
	return ret;
}

static int pass(void *arg, const struct paraclock_listing *listing)
{
	(void)arg;
	assert_non_null(listing->detail);
	return 0;
}

/* Everything that touches MSRs or makes hypercalls. */
static void do_all(void)
{
	struct paraclock_reenlightenment re = {
		.size = sizeof(re),
		.env = &w.fake.env,
		.vector = 0xee,
	};
	char detail[256];

	(void)open_and_close(NULL, detail);
	(void)open_and_close("kvm-pairing", detail);
	assert_int_equal(paraclock_list(&w.fake.env, pass, NULL), 0);
	/* Not started, it has not touched the MSRs yet. */
	assert_int_equal(paraclock_reenlightenment_run(&re), -EINVAL);
	assert_int_equal(paraclock_reenlightenment_stop(&re), -EINVAL);
	if (!paraclock_reenlightenment_start(&re)) {
		assert_int_equal(paraclock_reenlightenment_run(&re), 0);
		assert_int_equal(paraclock_reenlightenment_stop(&re), 0);
	}
	assert_int_equal(w.fake.allocs, w.fake.frees);
}

static void check_world(void **state)
{
	const struct world *world = *state;
	char detail[256];
	int ret;

	start(world);
	ret = open_and_close("kvmclock", detail);
	assert_int_equal(ret, world->kvmclock ? 0 : -ENODEV);
	assert_int_equal(w.kvm_writes, world->kvmclock ? 2 : 0);
	if (ret)
		assert_non_null(strstr(detail, "0x4b564d01"));
	ret = open_and_close("hyperv", detail);
	assert_int_equal(ret, world->hyperv ? 0 : -ENODEV);
	assert_int_equal(w.hyperv_writes, world->hyperv ? 2 : 0);
	do_all();
	assert_int_equal(w.hypercalls > 0, shown(KVM, 1) != NULL);
}

/* --- random worlds -------------------------------------------------------- */

static uint32_t one_of(const uint32_t *values, size_t count)
{
	return values[random_word() % count];
}

static void make_base(struct leaf *leaf, uint32_t n)
{
	static const char signatures[][13] = {
		KVM,
		HYPER_V,
		"XenVMMXenVMM",
		"VMwareVMware",
		"bhyve bhyve ",
		"TCGTCGTCGTCG",
		"somebody els",
	};
	const uint32_t base = 0x40000000 + n * 0x100;
	const uint32_t last[] = { base + 1, base + 3, base + 0xff, base + 0x100,
				  base - 1, base,     0,	   0x16 };

	leaf[0] = (struct leaf){ .leaf = base,
				 .eax = one_of(last, ARRAY_LEN(last)) };
	memcpy(leaf[0].text, signatures[random_word() % 7], 13);
	for (uint32_t i = 1; i <= 3; i += 2)
		leaf[1 + i / 2] =
			(struct leaf){ .leaf = base + i,
				       .eax = (uint32_t)random_word(),
				       .edx = (uint32_t)random_word() };
}

static void random_worlds_are_touched_only_where_cpuid_allows(void **state)
{
	unsigned int kvm = 0, hyperv = 0, calls = 0;

	(void)state;
	for (unsigned int i = 0; i < WORLDS; i++) {
		struct world world = { .guest = random_word() % 8 != 0 };
		uint32_t n = 0;

		for (size_t k = 0; k < LEAVES / 3; k++) {
			make_base(&world.leaf[3 * k], n);
			/* Mostly right behind, as in real hypervisors. */
			n += 1 + (random_word() % 4
					  ? 0
					  : (uint32_t)(random_word() % 14));
		}
		start(&world);
		do_all();
		kvm += w.kvm_writes > 0;
		hyperv += w.hyperv_writes > 0;
		calls += w.hypercalls > 0;
	}
	/* Random worlds hit none of them by chance alone. */
	assert_true(kvm > WORLDS / 100 && hyperv > WORLDS / 100 &&
		    calls > WORLDS / 100);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(
			random_worlds_are_touched_only_where_cpuid_allows),
	};

	ADD_TESTS(others);
	ADD_ROWS(worlds, check_world);
	return run_suite(NULL, NULL);
}
