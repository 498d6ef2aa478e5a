// SPDX-License-Identifier: MIT
/*
 * kvm-pairing in user space: Linux's PTP clock for the hypercall. test_ptp.c
 * tests how the clock is read.
 */

#include "fake_ptp.h"

#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)
#define NAME	  "KVM virtual PTP"

static struct fake_ptp ptp;

/* As the driver does on x86 with clocksource tsc: no PRECISE, no EXTENDED. */
static struct fake_phc *add(unsigned int number)
{
	struct fake_phc *phc = fake_ptp_add(&ptp, number, NAME, 0);

	phc->cross = 1;
	phc->precise = 0;
	phc->needs_image = true;
	return phc;
}

static void on_tsc(void)
{
	add(1);
}

static void on_tsc_slow(void)
{
	add(1)->ticks = 26000;
}

static void on_kvm_clock(void)
{
	add(1);
	ptp.clocks.kind = PARACLOCK_CLOCKSOURCE_IMAGE;
	strcpy(ptp.clocks.source, "kvm-clock");
}

static void on_arm(void)
{
	struct fake_clocks *clocks = &ptp.clocks;

	/* 24 MHz: 41.7 ns a tick. */
	add(1)->needs_image = false;
	clocks->world.env.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	clocks->world.counter_step = 1;
	clocks->read_ticks = 2;
	clocks->raw.num = clocks->mono.num = 1000000;
	clocks->raw.den = clocks->mono.den = 24000;
	ptp.phc[1].time.den = 24000;
	ptp.phc[1].ticks = 10;
	strcpy(clocks->source, "arch_sys_counter");
}

static void among_others(void)
{
	fake_ptp_add(&ptp, 0, "hyperv", 0);
	on_kvm_clock();
}

static void without_sysfs(void)
{
	on_kvm_clock();
	ptp.phc[0] = ptp.phc[1];
	ptp.phc[0].nameless = true;
}

static void none(void)
{
	fake_ptp_add(&ptp, 0, "hyperv", 0);
}

static int not_a_guest(void *ctx, uint32_t leaf, uint32_t subleaf,
		       uint32_t ret_regs[4])
{
	(void)ctx;
	(void)leaf;
	(void)subleaf;
	memset(ret_regs, 0, 4 * sizeof(ret_regs[0]));
	return 0;
}

static void no_guest(void)
{
	ptp.clocks.world.env.cpuid = not_a_guest;
}

static void forbidden(void)
{
	add(1)->open_error = -EACCES;
}

static void of_this_kernel(void)
{
	ptp.clocks.world.env.open_device = NULL;
}

#define SMEARED PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

struct pairing_case {
	const char *name;
	void (*world)(void);
	const char *device;
	int ret;
	const char *want; /* of the detail */
	uint8_t timescale, reason;
	uint64_t least_error, most_error;
	unsigned int precise; /* how often it is asked after the open */
};

static struct pairing_case cases[] = {
	/* clang-format off */
	{ "on kvm-clock PRECISE gives a narrow pair", on_kvm_clock, NULL,
	  0, "", SMEARED, 0, 0, 60, 1 },
	{ "on tsc the pair is a bracket, with an honest error", on_tsc, NULL,
	  0, "", SMEARED, 0, 200, 260, 0 },
	{ "the bracket is as wide as a slow hypercall makes it",
	  on_tsc_slow, NULL,
	  0, "", SMEARED, PARACLOCK_REASON_WIDE, 5000, 5060, 0 },
	{ "on arm64 PRECISE works, and a tick is long", on_arm, NULL,
	  0, "", SMEARED, 0, 0, 200, 1 },
	{ "other PTP clocks are not used", among_others, NULL,
	  0, "", SMEARED, 0, 0, 60, 1 },
	{ "the device may be named", among_others, "/dev/ptp1",
	  0, "", SMEARED, 0, 0, 60, 1 },
	{ "without sysfs neither its name nor its timescale is known",
	  without_sysfs,
	  "/dev/ptp0", 0, "", PARACLOCK_TIMESCALE_UNKNOWN, 0, 0, 60, 1 },
	{ "another PTP clock is refused by name, too", among_others,
	  "/dev/ptp0", -ENODEV, "another PTP clock (hyperv); the backend phc",
	  0, 0, 0, 0, 0 },
	{ "without a PTP clock the detail names the module", none, NULL,
	  -ENODEV, "modprobe ptp_kvm", 0, 0, 0, 0, 0 },
	{ "on bare metal the detail does not name it", no_guest, NULL,
	  -ENODEV, "in /sys/class/ptp; CPUID shows no hypervisor",
	  0, 0, 0, 0, 0 },
	{ "without permission the detail names the remedy", forbidden, NULL,
	  -EACCES, "/dev/ptp1: permission denied; ask for", 0, 0, 0, 0, 0 },
	{ "an env without hypercalls and devices is refused",
	  of_this_kernel, NULL,
	  -EOPNOTSUPP, "cannot open and read", 0, 0, 0, 0, 0 },
	/* clang-format on */
};

static void check_sample(struct paraclock *clk, const struct pairing_case *c)
{
	const struct fake_clocks *clocks = &ptp.clocks;
	struct paraclock_sample sample;
	char text[256];

	memset(&ptp.calls, 0, sizeof(ptp.calls));
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, c->reason);
	assert_int_equal(sample.valid, !c->reason);
	assert_int_equal(sample.timescale, c->timescale);
	assert_int_equal(sample.counter, clocks->world.env.counter_id);
	assert_in_range(sample.pair_error_ns, c->least_error, c->most_error);
	assert_int_equal(ptp.calls.precise, c->precise);
	assert_int_equal(ptp.calls.raw + ptp.calls.realtime, 0);
	fake_ptp_check_pair(&ptp, &ptp.phc[1], &sample);
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, sizeof(text)),
			 0);
	assert_non_null(strstr(text, c->reason ? "kvm-clock" : "fit for"));
	assert_int_equal(paraclock_explain(clk, -ETIMEDOUT, NULL, text,
					   sizeof(text)),
			 0);
	assert_non_null(strstr(text, "/dev/ptp"));
}

static void check_pairing(void **state)
{
	const struct pairing_case *c = *state;
	char detail[256] = "before";
	struct paraclock *clk = UNTOUCHED;

	fake_ptp_init(&ptp);
	c->world();
	assert_int_equal(fake_try_open(&clk, &ptp.clocks.world, "kvm-pairing",
				       c->device, detail),
			 c->ret);
	if (!strstr(detail, c->want))
		fail_msg("'%s' is not in '%s'", c->want, detail);
	if (c->ret) {
		assert_ptr_equal(clk, UNTOUCHED);
	} else {
		check_sample(clk, c);
		paraclock_close(clk);
	}
	assert_int_equal(ptp.opens, ptp.shuts);
	assert_int_equal(ptp.clocks.world.allocs, ptp.clocks.world.frees);
}

int main(void)
{
	ADD_ROWS(cases, check_pairing);
	return run_suite(NULL, NULL);
}
