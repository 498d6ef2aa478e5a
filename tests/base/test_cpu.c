// SPDX-License-Identifier: MIT
/*
 * What CPUID and the MSRs decide: which instruction reads the counter, where a
 * hypervisor's leaves are, what a page's flags mean, and why a page is missing.
 */

#include "base/counter.h"
#include "base/cpuid.h"
#include "fake.h"

#define KVM	0x4b4d564b, 0x564b4d56, 0x0000004d
#define HYPER_V 0x7263694d, 0x666f736f, 0x76482074
#define INTEL	0x756e6547, 0x6c65746e, 0x49656e69
#define AMD	0x68747541, 0x444d4163, 0x69746e65
#define HYGON	0x6f677948, 0x656e6975, 0x6e65476e

#define GUEST	     (1U << 31)
#define FEATURES_ALL 0x1000009U /* both clock sources, and stable */

struct leaf {
	uint32_t leaf, eax, ebx, ecx, edx;
};

/*
 * The world: a fake whose CPUID is a table, and whose MSR accesses are
 * recorded.
 */
static struct world {
	struct fake fake;
	const struct leaf *leaves;
	size_t count;
	unsigned int asked; /* CPUIDs */
	int cpuid_error;
	uint64_t phys;
	uint32_t msr[4];
	uint64_t value[4];
	unsigned int writes;
} w;

static int table_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		       uint32_t ret_regs[4])
{
	(void)ctx;
	(void)subleaf;
	w.asked++;
	memset(ret_regs, 0, 4 * sizeof(*ret_regs));
	if (w.cpuid_error)
		return w.cpuid_error;
	for (size_t i = 0; i < w.count; i++) {
		if (w.leaves[i].leaf != leaf)
			continue;
		ret_regs[0] = w.leaves[i].eax;
		ret_regs[1] = w.leaves[i].ebx;
		ret_regs[2] = w.leaves[i].ecx;
		ret_regs[3] = w.leaves[i].edx;
		break;
	}
	return 0;
}

static void start(const struct leaf *leaves, size_t count)
{
	memset(&w, 0, sizeof(w));
	fake_init(&w.fake);
	w.fake.env.cpuid = table_cpuid;
	w.leaves = leaves;
	w.count = count;
}

/* --- the counter's instruction -------------------------------------------- */

struct choice_case {
	const char *name;
	struct leaf leaf[4];
	int error;
	enum counter_how want;
};

static struct choice_case choices[] = {
	/* clang-format off */
	{ "Intel's lfence waits for loads",
	  { { 0, 1, INTEL } }, 0, COUNTER_FENCED },
	{ "AMD's waits where CPUID says so",
	  { { 0, 1, AMD }, { 0x80000000, 0x80000021, 0, 0, 0 },
	    { 0x80000021, 4, 0, 0, 0 } }, 0, COUNTER_FENCED },
	{ "an older AMD CPU uses rdtscp",
	  { { 0, 1, AMD }, { 0x80000000, 0x8000001f, 0, 0, 0 },
	    { 0x80000001, 0, 0, 0, 1U << 27 } }, 0, COUNTER_RDTSCP },
	{ "a CPU whose CPUID denies that lfence waits uses rdtscp",
	  { { 0, 1, AMD }, { 0x80000000, 0x80000021, 0, 0, 0 },
	    { 0x80000021, 0, 0, 0, 0 },
	    { 0x80000001, 0, 0, 0, 1U << 27 } }, 0, COUNTER_RDTSCP },
	{ "Hygon's is AMD's",
	  { { 0, 1, HYGON }, { 0x80000000, 0x80000001, 0, 0, 0 },
	    { 0x80000001, 0, 0, 0, 1U << 27 } }, 0, COUNTER_RDTSCP },
	{ "without rdtscp lfence is the only choice",
	  { { 0, 1, AMD }, { 0x80000000, 0x80000001, 0, 0, 0 } },
	  0, COUNTER_FENCED },
	{ "after a CPUID that faults no other leaf is asked for",
	  { { 0, 1, AMD } }, -EACCES, COUNTER_FENCED },
	/* clang-format on */
};

static void check_choice(void **state)
{
	const struct choice_case *c = *state;

	start(c->leaf, ARRAY_LEN(c->leaf));
	w.cpuid_error = c->error;
	w.fake.env.counter = NULL;
	assert_int_equal(pclk_counter_choose(&w.fake.env), c->want);
}

static void the_envs_own_counter_comes_first(void **state)
{
	(void)state;
	start(choices[2].leaf, 4);
	assert_int_equal(pclk_counter_choose(&w.fake.env), COUNTER_ENV);
}

static uint64_t next_ticks(void *ctx)
{
	return ++((struct world *)ctx)->phys;
}

static void the_public_counter_is_the_envs(void **state)
{
	(void)state;
	start(choices[2].leaf, 4);
	w.fake.env.counter = next_ticks;
	assert_int_equal(paraclock_counter(&w.fake.env), 1);
	assert_int_equal(paraclock_counter(&w.fake.env), 2);
	assert_int_equal(w.asked, 0);
	w.fake.env.size--;
	assert_int_equal(paraclock_counter(&w.fake.env), 0);
	assert_int_equal(w.phys, 2);
}

/* Between two readings by the CPU's own instruction. */
static void check_now(const struct paraclock_env *env)
{
	uint64_t before = counter_fenced();
	uint64_t now = paraclock_counter(env);

	assert_in_range(now, before, counter_fenced());
}

static void how_the_public_counter_is_read_is_asked_once(void **state)
{
	static struct paraclock_system_clocks system_clocks;

	(void)state;
	check_now(NULL);
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		unsigned int first;

		start(choices[i].leaf, ARRAY_LEN(choices[i].leaf));
		w.cpuid_error = choices[i].error;
		w.fake.env.counter = NULL;
		/* Not every CPU that runs this test has rdtscp. */
		if (choices[i].want != COUNTER_FENCED)
			continue;
		check_now(&w.fake.env);
		first = w.asked;
		assert_true(first > 0);
		check_now(&w.fake.env);
		assert_int_equal(w.asked, 2 * first);
		memset(&system_clocks, 0, sizeof(system_clocks));
		w.fake.env.system_clocks = &system_clocks;
		for (unsigned int n = 0; n < 5; n++)
			check_now(&w.fake.env);
		assert_int_equal(w.asked, 3 * first);
	}
}

/* --- hypervisors ---------------------------------------------------------- */

struct find_case {
	const char *name;
	struct leaf leaf[4];
	int error;
	int ret;
	uint32_t base;
};

static struct find_case finds[] = {
	/* clang-format off */
	{ "KVM's leaves are at the first base",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40000000, 0x40000001, KVM } },
	  0, 0, 0x40000000 },
	{ "a very old KVM names no last leaf",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40000000, 0, KVM } },
	  0, 0, 0x40000000 },
	{ "with Hyper-V's enlightenments KVM is at the second base",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40000000, 0x4000000b, HYPER_V },
	    { 0x40000100, 0x40000101, KVM } }, 0, 0, 0x40000100 },
	{ "bases may be missing in between",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40000000, 0x4000000b, HYPER_V },
	    { 0x40000f00, 0x40000f01, KVM } }, 0, 0, 0x40000f00 },
	{ "the search ends after the first 16 bases",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40001000, 0x40001001, KVM } },
	  0, -ENODEV, 0 },
	{ "an echo of another leaf is not a base",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40000100, 0x16, KVM } },
	  0, -ENODEV, 0 },
	{ "on bare metal there is no search",
	  { { 0x40000000, 0x40000001, KVM } }, 0, -ENODEV, 0 },
	{ "another hypervisor is not KVM",
	  { { 1, 0, 0, GUEST, 0 }, { 0x40000000, 0x40000001, HYPER_V } },
	  0, -ENODEV, 0 },
	{ "a CPUID that faults does not show that nothing is there",
	  { { 0 } }, -EACCES, -EACCES, 0 },
	/* clang-format on */
};

static void check_find(void **state)
{
	const struct find_case *c = *state;
	uint32_t base = 4711;

	start(c->leaf, ARRAY_LEN(c->leaf));
	w.cpuid_error = c->error;
	assert_int_equal(pclk_hypervisor_find(&w.fake.env, "KVMKVMKVM\0\0\0",
					      &base),
			 c->ret);
	assert_int_equal(base, c->ret ? 4711 : c->base);
}

static const struct leaf kvm[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000001, KVM },
	{ 0x40000001, FEATURES_ALL, 0, 0, 0 },
};

static const struct leaf kvm_without_stable[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000001, KVM },
	{ 0x40000001, 0x9, 0, 0, 0 },
};

static const struct leaf kvm_without_clock[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000001, KVM },
};

static const struct leaf hyperv_without_page[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000005, HYPER_V },
	{ 0x40000003, 0x2, 0, 0, 0 },
};

static const struct leaf hyperv_with_page[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000005, HYPER_V },
	{ 0x40000003, 0x202, 0, 0, 0 },
};

static const struct leaf bhyve[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000000, 0x76796862, 0x68622065, 0x20657679 },
};

static const struct leaf xen_and_kvm[] = {
	{ 1, 0, 0, GUEST, 0 },
	{ 0x40000000, 0x40000004, 0x566e6558, 0x65584d4d, 0x4d4d566e },
	{ 0x40000100, 0x40000101, KVM },
};

static const struct leaf nameless[] = {
	{ 1, 0, 0, GUEST, 0 },
};

static uint8_t reason_on(const struct leaf *leaves, size_t count)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	start(leaves, count);
	clk = fake_open(&w.fake, "kvmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	paraclock_close(clk);
	return sample.reason;
}

static void the_stable_flag_needs_its_feature_bit(void **state)
{
	(void)state;
	assert_int_equal(reason_on(kvm, ARRAY_LEN(kvm)), PARACLOCK_REASON_OK);
	assert_int_equal(reason_on(kvm_without_stable,
				   ARRAY_LEN(kvm_without_stable)),
			 PARACLOCK_REASON_UNSTABLE);
	/*
	 * CPUID cannot be asked, but the kernel shows the page, which is
	 * enough.
	 */
	assert_int_equal(reason_on(NULL, 0), PARACLOCK_REASON_OK);
}

struct absence_case {
	const char *name;
	const char *backend;
	const struct leaf *leaves;
	size_t count;
	const char *want;
};

static struct absence_case absences[] = {
	/* clang-format off */
	{ "without KVM there is no kvmclock", "kvmclock",
	  hyperv_with_page, ARRAY_LEN(hyperv_with_page),
	  "the fake has no such page; CPUID shows \"Microsoft Hv\"" },
	{ "KVM without kvmclock names the option", "kvmclock",
	  kvm_without_clock, ARRAY_LEN(kvm_without_clock), "kvmclock=on" },
	{ "KVM with kvmclock leaves the explanation to the kernel", "kvmclock",
	  kvm, ARRAY_LEN(kvm), "the fake has no such page" },
	{ "a blank at the end is not a NUL", "kvmclock",
	  bhyve, ARRAY_LEN(bhyve), "CPUID shows \"bhyve bhyve \"" },
	{ "each signature is listed", "hyperv",
	  xen_and_kvm, ARRAY_LEN(xen_and_kvm),
	  "CPUID shows \"XenVMMXenVMM\" and \"KVMKVMKVM\\0\\0\\0\"" },
	{ "bare metal is named", "kvmclock",
	  NULL, 0, "the fake has no such page; CPUID shows no hypervisor" },
	{ "a hypervisor without a name counts as one", "hyperv",
	  nameless, ARRAY_LEN(nameless), "a hypervisor without a name" },
	{ "without Hyper-V there is no page", "hyperv",
	  kvm, ARRAY_LEN(kvm),
	  "the fake has no such page; CPUID shows \"KVMKVMKVM\\0\\0\\0\"" },
	{ "Hyper-V without the page names the privilege", "hyperv",
	  hyperv_without_page, ARRAY_LEN(hyperv_without_page),
	  "AccessPartitionReferenceTsc" },
	{ "Hyper-V with the page leaves the explanation to the kernel",
	  "hyperv",
	  hyperv_with_page, ARRAY_LEN(hyperv_with_page),
	  "the fake has no such page" },
	/* clang-format on */
};

static void check_absence(void **state)
{
	const struct absence_case *c = *state;
	struct paraclock *clk = NULL;
	char detail[256];
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = c->backend,
		.env = &w.fake.env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};

	start(c->leaves, c->count);
	w.fake.pvclock_error = -ENODEV;
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	assert_null(clk);
	assert_non_null(strstr(detail, c->want));
}

/* --- ring 0 --------------------------------------------------------------- */

static int note_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	assert_true(w.writes < ARRAY_LEN(w.msr));
	w.msr[w.writes] = msr;
	w.value[w.writes++] = value;
	return 0;
}

static int preserved_rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value)
{
	(void)ctx;
	(void)msr;
	*ret_value = 0xabcdef012345ULL;
	return 0;
}

static int (*fake_map)(void *ctx, const char *name, const char *path,
		       struct paraclock_mapping *ret_map);

static int map_at_phys(void *ctx, const char *name, const char *path,
		       struct paraclock_mapping *ret_map)
{
	int ret = fake_map(ctx, name, path, ret_map);

	if (!ret)
		ret_map->phys = w.phys;
	return ret;
}

static void open_in_ring_0(const char *backend, const struct leaf *leaves,
			   size_t count)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	start(leaves, count);
	fake_map = w.fake.env.map_page;
	w.fake.env.map_page = map_at_phys;
	w.fake.env.wrmsr = note_wrmsr;
	w.fake.env.rdmsr = preserved_rdmsr;
	w.phys = 0x7654321000;
	w.fake.hyperv_error = 0;
	fake_set_hyperv(&w.fake, 1, 0);
	clk = fake_open(&w.fake, backend);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	paraclock_close(clk);
	assert_int_equal(w.writes, 2);
}

static void kvms_page_is_where_the_msr_says(void **state)
{
	(void)state;
	open_in_ring_0("kvmclock", kvm, ARRAY_LEN(kvm));
	assert_int_equal(w.msr[0], 0x4b564d01);
	assert_true(w.value[0] == 0x7654321001);
	assert_int_equal(w.msr[1], 0x4b564d01);
	assert_true(w.value[1] == 0);
}

static void hyper_vs_msr_keeps_its_reserved_bits(void **state)
{
	(void)state;
	open_in_ring_0("hyperv", hyperv_with_page, ARRAY_LEN(hyperv_with_page));
	assert_int_equal(w.msr[0], 0x40000021);
	assert_true(w.value[0] == (0x7654321000 | 0x344 | 1));
	assert_true(w.value[1] == 0);
}

static const struct CMUnitTest plain[] = {
	cmocka_unit_test(the_envs_own_counter_comes_first),
	cmocka_unit_test(the_public_counter_is_the_envs),
	cmocka_unit_test(how_the_public_counter_is_read_is_asked_once),
	cmocka_unit_test(the_stable_flag_needs_its_feature_bit),
	cmocka_unit_test(kvms_page_is_where_the_msr_says),
	cmocka_unit_test(hyper_vs_msr_keeps_its_reserved_bits),
};

int main(void)
{
	ADD_ROWS(choices, check_choice);
	ADD_ROWS(finds, check_find);
	ADD_ROWS(absences, check_absence);
	ADD_TESTS(plain);
	return run_suite(NULL, NULL);
}
