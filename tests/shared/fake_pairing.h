/* SPDX-License-Identifier: MIT */
/*
 * A host that answers KVM's pairing hypercalls, like KVM or worse, for the
 * tests of kvm-pairing.
 */
#ifndef FAKE_PAIRING_H
#define FAKE_PAIRING_H

#include "fake_clocks.h"

#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)
#define PAGE_PHYS 0x1234000U
#define HOST_SEC  1795000000LL
#define HOST_NSEC 123456789
#define HOST_NS	  (HOST_SEC * 1000000000LL + HOST_NSEC)

#define ENV host.clocks.world.env

/* The host's faults; 0: none. */
static struct host {
	struct fake_clocks clocks; /* first: env.ctx is this struct */
	_Alignas(4096) uint8_t page[4096];
	size_t page_size;
	uint64_t phys;
	int map_error;
	uint64_t code; /* RAX */
	int refuses;   /* env->hypercall's own answer */
	int64_t sec, nsec;
	bool writes_nothing;
	int64_t tsc_off;	/* of the counter in the result, ticks */
	unsigned int off_times; /* this many results have it */
	uint32_t uid, features; /* arm64; xor of what is right */
	bool unable;
	uint64_t high; /* garbage in the upper halves of registers */
	unsigned int calls, maps, unmaps;
	uint32_t cpuid_ebx; /* xor of what is right */
	int cpuid_error;
	const char *shows_first; /* a signature at the first base, and KVM's
				  * leaves at the second */
	bool no_features;	 /* KVM's leaves end with the signature leaf */
	/* A read within a read, as in a signal handler. */
	struct paraclock *nested;
	unsigned int depth, depths, busy;
} host;

static int host_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		      uint32_t ret_regs[4])
{
	(void)ctx;
	(void)subleaf;
	if (host.cpuid_error)
		return host.cpuid_error;
	memset(ret_regs, 0, 4 * sizeof(ret_regs[0]));
	if (leaf == 1)
		ret_regs[2] = 1U << 31;
	if (leaf == 0x40000000 && host.shows_first) {
		memcpy(&ret_regs[1], host.shows_first, 12);
	} else if (leaf == (host.shows_first ? 0x40000100U : 0x40000000U)) {
		ret_regs[0] = leaf + !host.no_features;
		ret_regs[1] = 0x4b4d564b ^ host.cpuid_ebx;
		ret_regs[2] = 0x564b4d56;
		ret_regs[3] = 0x4d;
	}
	return 0;
}

static int host_map(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	(void)ctx;
	if (strcmp(name, "kvm-pairing") != 0)
		return -ENODEV;
	assert_null(path);
	if (host.map_error) {
		strcpy(ret_map->why, "no page to spare");
		return host.map_error;
	}
	*ret_map = (struct paraclock_mapping){
		.addr = host.page,
		.size = host.page_size,
		.phys = host.phys,
		.fd = -1,
	};
	host.maps++;
	return 0;
}

static void host_unmap(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	assert_ptr_equal(map->addr, host.page);
	host.unmaps++;
}

static uint64_t host_counter(void)
{
	uint64_t now = host.clocks.world.counter;

	host.calls++;
	if (host.off_times) {
		host.off_times--;
		now += (uint64_t)host.tsc_off;
	}
	host.clocks.world.counter += 3000;
	return now;
}

static void read_nested(void)
{
	struct paraclock_sample sample;
	int ret;

	if (!host.nested || host.depth == host.depths)
		return;
	host.depth++;
	ret = paraclock_read(host.nested, &sample);
	if (ret == -EAGAIN)
		host.busy++;
	else
		assert_int_equal(sample.valid, 1);
	host.depth--;
}

static void vmcall(const uint64_t args[4], uint64_t ret_regs[4])
{
	uint64_t offset = args[0] - host.phys;
	uint64_t tsc = host_counter();
	uint8_t *result;

	assert_int_equal(args[1], 0);
	assert_in_range(offset, 0, host.page_size - 64);
	assert_int_equal(offset % 64, 0);
	result = host.page + offset;
	ret_regs[0] = host.code;
	if (host.code || host.writes_nothing)
		return;
	memset(result, 0, 64);
	memcpy(result, &host.sec, 8);
	memcpy(result + 8, &host.nsec, 8);
	memcpy(result + 16, &tsc, 8);
	/* Not to be looked at. */
	memset(result + 24, 0xff, 40);
	read_nested();
}

static void smccc(uint64_t number, uint64_t ret_regs[4])
{
	uint64_t ns = (uint64_t)host.sec * 1000000000 + (uint64_t)host.nsec;
	uint64_t tsc;

	switch (number) {
	case 0x8600ff01:
		ret_regs[0] = 0xb66fb428 ^ host.uid;
		ret_regs[1] = 0xe911c52e;
		ret_regs[2] = 0x564bcaa9;
		ret_regs[3] = 0x743a004d;
		break;
	case 0x86000000:
		ret_regs[0] = 3 ^ host.features;
		break;
	case 0x86000001:
		tsc = host_counter();
		ret_regs[0] = host.unable ? 0xffffffff : ns >> 32;
		ret_regs[1] = (uint32_t)ns;
		ret_regs[2] = tsc >> 32;
		ret_regs[3] = (uint32_t)tsc;
		break;
	default:
		fail_msg("no such call: %#llx", (unsigned long long)number);
	}
	for (unsigned int i = 0; i < 4; i++)
		ret_regs[i] |= host.high;
}

static int hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		     uint64_t ret_regs[4])
{
	(void)ctx;
	if (host.refuses)
		return host.refuses;
	if (host.clocks.world.env.counter_id == PARACLOCK_COUNTER_X86_TSC) {
		assert_int_equal(number, 9);
		vmcall(args, ret_regs);
	} else {
		assert_int_equal(args[0], 0);
		smccc(number, ret_regs);
	}
	return 0;
}

static void host_init(void)
{
	struct paraclock_env *env = &host.clocks.world.env;

	memset(&host, 0, sizeof(host));
	fake_clocks_init(&host.clocks);
	host.clocks.world.pvclock_error = -ENODEV;
	host.page_size = sizeof(host.page);
	host.phys = PAGE_PHYS;
	host.sec = HOST_SEC;
	host.nsec = HOST_NSEC;
	env->cpuid = host_cpuid;
	env->map_page = host_map;
	env->unmap_page = host_unmap;
	env->hypercall = hypercall;
}

static int open_pairing(struct paraclock **ret_clk, const char *device,
			char *detail, size_t size)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvm-pairing",
		.device = device,
		.env = &host.clocks.world.env,
		.detail = detail,
		.detail_size = size,
	};

	return paraclock_open(ret_clk, &opts);
}

static void check_pair(struct paraclock *clk, int64_t ns)
{
	struct paraclock_sample sample;
	uint64_t before = host.clocks.world.counter;
	unsigned int calls = host.calls;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(host.calls, calls + 1);
	assert_int_equal(sample.host_ns, ns);
	/*
	 * The counter moves by 39 with each of two looks at it: a page's looks
	 * would have been enough for the first.
	 */
	assert_int_equal(sample.host_tsc, before + 2 * 39);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.reason, 0);
	assert_int_equal(sample.pair_error_ns, 0);
	assert_int_equal(sample.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample.timescale,
			 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	assert_int_equal(sample.counter, ENV.counter_id);
	assert_int_equal(sample.leap, PARACLOCK_LEAP_UNKNOWN);
	assert_int_equal(sample.flags, 0);
}

#endif
