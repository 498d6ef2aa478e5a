// SPDX-License-Identifier: MIT
/*
 * Opening kvm-pairing in ring 0: each answer of the hypercalls of x86 and
 * arm64.
 */

#include "fake_pairing.h"

/* --- worlds --------------------------------------------------------------- */

#define WORLD(name, ...)       \
	static void name(void) \
	{                      \
		__VA_ARGS__;   \
	}

#define ARM ENV.counter_id = PARACLOCK_COUNTER_ARM_VCNT

WORLD(good, (void)0)
WORLD(small_page, host.page_size = 64)
WORLD(garbage_high, ARM; host.high = 0xdeadbeef00000000)
WORLD(arm, ARM)
WORLD(old_time, host.sec = -5; host.nsec = 1)
WORLD(eopnotsupp, host.code = (uint64_t)-95)
WORLD(eopnotsupp_32, host.code = (uint32_t)-95)
WORLD(eopnotsupp_positive, host.code = 95)
WORLD(efault, host.code = (uint64_t)-14)
WORLD(eperm, host.code = (uint64_t)-1)
WORLD(enosys, host.code = (uint64_t)-1000)
WORLD(another_code, host.code = (uint64_t)-22)
WORLD(no_write, host.writes_nothing = true)
WORLD(negative_nsec, host.nsec = -1)
WORLD(big_nsec, host.nsec = 1000000000)
WORLD(big_sec, host.sec = 9223372037)
WORLD(small_sec, host.sec = INT64_MIN)
WORLD(largest_sec, host.sec = 9223372036; host.nsec = 854775807)
WORLD(not_kvm, host.cpuid_ebx = 1)
WORLD(openbsd, host.shows_first = "OpenBSDVMM58")
WORLD(hyperv_first, host.shows_first = "Microsoft Hv")
WORLD(no_features, host.no_features = true)
WORLD(no_cpuid, ENV.cpuid = NULL)
WORLD(cpuid_forbidden, host.cpuid_error = -EACCES)
WORLD(no_map, ENV.map_page = NULL)
WORLD(no_page, host.map_error = -ENOMEM)
WORLD(no_phys, host.phys = 0)
WORLD(tiny_page, host.page_size = 63)
WORLD(no_counter, ENV.counter_id = PARACLOCK_COUNTER_NONE)
WORLD(env_refuses, host.refuses = -EOPNOTSUPP)
WORLD(arm_not_kvm, ARM; host.uid = 1)
WORLD(arm_no_ptp, ARM; host.features = 2)
WORLD(arm_unable, ARM; host.unable = true)
WORLD(arm_refuses, ARM; host.refuses = -EOPNOTSUPP)

/* --- opening -------------------------------------------------------------- */

struct open_case {
	const char *name;
	void (*world)(void);
	int ret;
	const char *want; /* of the detail */
	int64_t ns;
};

static struct open_case opens[] = {
	/* clang-format off */
	{ "a pair by vmcall", good, 0, "", HOST_NS },
	{ "a page of 64 bytes is enough", small_page, 0, "", HOST_NS },
	{ "a host from before 1970", old_time, 0, "", -4999999999 },
	{ "the last ns that fits", largest_sec, 0, "", INT64_MAX },
	{ "a pair by SMCCC", arm, 0, "", HOST_NS },
	{ "SMCCC has 32 bits in a register", garbage_high, 0, "", HOST_NS },
	{ "-95 is EOPNOTSUPP", eopnotsupp, -EOPNOTSUPP,
	  "the host gives no pair", 0 },
	{ "the same error in 32 bits", eopnotsupp_32, -EOPNOTSUPP,
	  "set the host's clocksource", 0 },
	{ "+95 is an undefined answer", eopnotsupp_positive, -EPROTO,
	  "undefined status", 0 },
	{ "-14 is an error of the env", efault, -EINVAL, "map.phys", 0 },
	{ "-1 shows that this is not ring 0", eperm, -EACCES, "ring 0", 0 },
	{ "-1000 is an old KVM", enosys, -EOPNOTSUPP, "Linux 4.11", 0 },
	{ "any other code is an undefined answer", another_code, -EPROTO,
	  "undefined status", 0 },
	{ "a host that writes nothing is detected", no_write, -EPROTO,
	  "impossible time", 0 },
	{ "nsec below 0 is refused", negative_nsec, -EPROTO,
	  "impossible time", 0 },
	{ "nsec of a second is refused", big_nsec, -EPROTO,
	  "impossible time", 0 },
	{ "a time beyond 64 bits is ERANGE", big_sec, -ERANGE, "fit", 0 },
	{ "below them too", small_sec, -ERANGE, "fit", 0 },
	{ "no vmcall is made without KVM", not_kvm, -ENODEV,
	  "the hypercall is KVM's, and KVM is not seen: CPUID shows", 0 },
	{ "no vmcall is made where OpenBSD shows KVM's leaves",
	  openbsd, -ENODEV,
	  "the hypercall is KVM's, and this is OpenBSD's vmm: CPUID shows", 0 },
	{ "no vmcall is made where KVM has no leaf of features",
	  no_features, -ENODEV,
	  "the hypercall is KVM's, and KVM is not seen: CPUID shows", 0 },
	{ "KVM behind Hyper-V's face is KVM", hyperv_first, 0, "", HOST_NS },
	{ "no vmcall is made where CPUID cannot be asked",
	  no_cpuid, -EOPNOTSUPP,
	  "CPUID cannot be asked", 0 },
	{ "no vmcall is made where CPUID is forbidden",
	  cpuid_forbidden, -EACCES,
	  "CPUID cannot be asked", 0 },
	{ "an env without pages is refused", no_map, -EOPNOTSUPP,
	  "cannot map the kvm-pairing", 0 },
	{ "an env without this page says why", no_page, -ENOMEM,
	  "no page to spare", 0 },
	{ "a page needs an address", no_phys, -EINVAL, "physical", 0 },
	{ "a page has 64 bytes", tiny_page, -EINVAL, "64 aligned", 0 },
	{ "another counter cannot", no_counter, -EOPNOTSUPP, "TSC", 0 },
	{ "an env without hypercalls says so", env_refuses, -EOPNOTSUPP,
	  "no pair", 0 },
	{ "no SMCCC call is made without KVM", arm_not_kvm, -ENODEV,
	  "0x8600ff01", 0 },
	{ "KVM without the PTP call says so", arm_no_ptp, -EOPNOTSUPP,
	  "no PTP call", 0 },
	{ "a negative result is EOPNOTSUPP", arm_unable, -EOPNOTSUPP,
	  "the host gives no pair", 0 },
	{ "a missing conduit is reported", arm_refuses, -EOPNOTSUPP,
	  "0x8600ff01", 0 },
	/* clang-format on */
};

static void check_open(void **state)
{
	const struct open_case *c = *state;
	char detail[256] = "before";
	struct paraclock *clk = UNTOUCHED;

	host_init();
	c->world();
	assert_int_equal(open_pairing(&clk, NULL, detail, sizeof(detail)),
			 c->ret);
	if (!strstr(detail, c->want))
		fail_msg("'%s' is not in '%s'", c->want, detail);
	if (strstr(c->want, "the hypercall is KVM's"))
		assert_int_equal(host.calls, 0);
	if (c->ret) {
		assert_ptr_equal(clk, UNTOUCHED);
	} else {
		check_pair(clk, c->ns);
		paraclock_close(clk);
	}
	assert_int_equal(host.maps, host.unmaps);
	assert_int_equal(host.clocks.world.allocs, host.clocks.world.frees);
}

int main(void)
{
	ADD_ROWS(opens, check_open);
	return run_suite(NULL, NULL);
}
