// SPDX-License-Identifier: MIT
/*
 * Which PTP clock is opened, which timescale it has, and the detail of each
 * refusal.
 */

#include "fake_ptp.h"

static struct fake_ptp ptp;

#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)
#define SEC	  1000000000LL

/* --- finding -------------------------------------------------------------- */

static void nothing(void)
{
}

static void one_of_each(void)
{
	fake_ptp_add(&ptp, 0, "Intel I225", 0);
	fake_ptp_add(&ptp, 1, "KVM virtual PTP", 0);
	fake_ptp_add(&ptp, 12, "vmclock0", 37 * SEC);
	fake_ptp_add(&ptp, 13, "hyperv", 0);
	ptp.node[0] = (struct fake_node){ "/dev/ptp_link", 0 };
}

static void only_foreign(void)
{
	fake_ptp_add(&ptp, 0, "Intel I225", 0);
	fake_ptp_add(&ptp, 1, "KVM virtual PTP", 0);
	fake_ptp_add(&ptp, 2, "vmclockX", 0);
	fake_ptp_add(&ptp, 3, "vmclock1x", 0);
	fake_ptp_add(&ptp, 4, "hyperv2", 0);
	fake_ptp_add(&ptp, 5, "Virtio", 0);
	fake_ptp_add(&ptp, 6, "ena-ptp-00-05-0", 0);
	fake_ptp_add(&ptp, 7, "ptp_vmw0", 0);
}

static void far_away(void)
{
	fake_ptp_add(&ptp, 288, "hyperv", 0);
}

static void forbidden(void)
{
	fake_ptp_add(&ptp, 2, "hyperv", 0)->open_error = -EACCES;
}

static void forbidden_and_free(void)
{
	forbidden();
	fake_ptp_add(&ptp, 4, "vmclock1", 0);
}

static void gone_and_forbidden(void)
{
	fake_ptp_add(&ptp, 1, "hyperv", 0)->open_error = -ENODEV;
	forbidden();
}

static void no_descriptor(void)
{
	fake_ptp_add(&ptp, 1, "hyperv", 0)->open_error = -ENOMEM;
	fake_ptp_add(&ptp, 2, "vmclock0", 0);
}

static void no_clock(void)
{
	fake_ptp_add(&ptp, 0, "hyperv", 0)->caps_error = -ENOTTY;
}

static void not_to_be_asked(void)
{
	fake_ptp_add(&ptp, 0, "hyperv", 0)->caps_error = -EPERM;
}

static void busy_at_first(void)
{
	fake_ptp_add(&ptp, 0, "hyperv", 0)->caps_error = -EBUSY;
}

static void no_devices(void)
{
	one_of_each();
	ptp.clocks.world.env.open_device = NULL;
}

static void no_sysfs(void)
{
	one_of_each();
	ptp.clocks.world.env.read_text = NULL;
}

static void no_clocks(void)
{
	one_of_each();
	ptp.clocks.clock_error = -EOPNOTSUPP;
}

struct find_case {
	const char *name;
	void (*world)(void);
	const char *device;
	int ret;
	/* Part of the detail; or of the device that was opened. */
	const char *want;
};

static struct find_case finds[] = {
	/* clang-format off */
	{ "without PTP clocks it does not open", nothing,
	  NULL, -ENODEV, "load the one for this hypervisor" },
	{ "the first of a paravirtual driver is chosen", one_of_each,
	  NULL, 0, "vmclock0" },
	{ "the clocks of hardware and of other backends are not chosen",
	  only_foreign,
	  NULL, -ENODEV, "no PTP clock of a paravirtual driver" },
	{ "those that are not chosen are named", only_foreign,
	  NULL, -ENODEV, "virtio_rtc); passed over as not one of these (name it as "
	  "the device to read it): ptp0 (Intel I225), ptp2 (vmclockX), ptp3" },
	{ "a device may have any number", far_away, NULL, 0, "hyperv" },
	{ "a device without permission is EACCES", forbidden,
	  NULL, -EACCES, "/dev/ptp2: permission denied; ask for read" },
	{ "a device without permission is skipped if another one opens",
	  forbidden_and_free,
	  NULL, 0, "vmclock1" },
	{ "a device that is gone does not hide the refused one",
	  gone_and_forbidden,
	  NULL, -EACCES, "/dev/ptp" },
	{ "without memory the search ends", no_descriptor,
	  NULL, -ENOMEM, "/dev/ptp1: no memory" },
	{ "a device that does not answer like a PTP clock is refused", no_clock,
	  NULL, -ENODEV, "/dev/ptp0: this is no PTP clock" },
	{ "a device whose ioctls are forbidden is EACCES", not_to_be_asked,
	  NULL, -EACCES, "/dev/ptp0: refused, also to root" },
	{ "a busy device is opened", busy_at_first, NULL, 0, "hyperv" },
	{ "an env without devices is refused", no_devices,
	  NULL, -EOPNOTSUPP, "this env cannot" },
	{ "an env without sysfs cannot search", no_sysfs,
	  NULL, -EOPNOTSUPP, "this env cannot" },
	{ "an env without sysfs opens a named device",
	  no_sysfs, "/dev/ptp13", 0, "hyperv" },
	{ "an env whose clocks fail is refused", no_clocks,
	  NULL, -EOPNOTSUPP, "the system clocks" },
	{ "any PTP clock may be named",
	  one_of_each, "/dev/ptp0", 0, "Intel I225" },
	{ "a named device may have two digits",
	  one_of_each, "/dev/ptp13", 0, "hyperv" },
	{ "a device may be named by a link",
	  one_of_each, "/dev/ptp_link", 0, "Intel I225" },
	{ "a named device that is absent is ENODEV", one_of_each,
	  "/dev/ptp9", -ENODEV, "/dev/ptp9: no such device" },
	{ "a named device without permission is EACCES", forbidden,
	  "/dev/ptp2", -EACCES, "/dev/ptp2: permission denied" },
	{ "a named device must be a PTP clock", no_clock,
	  "/dev/ptp0", -ENODEV, "/dev/ptp0: this is no PTP clock" },
	/* clang-format on */
};

static void check_opened(struct paraclock *clk, const char *name)
{
	assert_string_equal(paraclock_backend_name(clk), "phc");
	assert_int_equal(ptp.opens - ptp.shuts, 1);
	for (unsigned int i = 0; i < FAKE_PHCS; i++)
		ptp.phc[i].read =
			strcmp(ptp.phc[i].name, name) == 0 ? 0 : -EOPNOTSUPP;
}

static void check_find(void **state)
{
	const struct find_case *c = *state;
	char detail[256] = "before";
	struct paraclock *clk = UNTOUCHED;
	struct paraclock_sample sample;

	fake_ptp_init(&ptp);
	c->world();
	assert_int_equal(fake_try_open(&clk, &ptp.clocks.world, "phc",
				       c->device, detail),
			 c->ret);
	if (c->ret) {
		assert_ptr_equal(clk, UNTOUCHED);
		if (!strstr(detail, c->want))
			fail_msg("'%s' is not in '%s'", c->want, detail);
	} else {
		check_opened(clk, c->want);
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.valid, 1);
		paraclock_close(clk);
	}
	assert_int_equal(ptp.opens, ptp.shuts);
	assert_int_equal(ptp.clocks.world.allocs, ptp.clocks.world.frees);
}

/* --- timescales ----------------------------------------------------------- */

struct scale_case {
	const char *name;
	const char *device;
	int64_t ahead_ns; /* of CLOCK_REALTIME */
	int64_t tai_sec;  /* what the kernel says */
	uint8_t want;
};

#define UNKNOWN PARACLOCK_TIMESCALE_UNKNOWN
#define MONO	PARACLOCK_TIMESCALE_MONOTONIC
#define UTC	PARACLOCK_TIMESCALE_UTC
#define TAI	PARACLOCK_TIMESCALE_TAI
#define SMEARED PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

static struct scale_case scales[] = {
	/* clang-format off */
	{ "Hyper-V's may be smeared", "hyperv", 0, 37, SMEARED },
	{ "Hyper-V's is not measured", "hyperv", 37 * SEC, 37, SMEARED },
	{ "VMware's is its host's UTC", "ptp_vmw", 0, 37, SMEARED },
	{ "VMware's is not measured", "ptp_vmw", 37 * SEC, 37, SMEARED },
	{ "a vmclock needs no number", "vmclock", 37 * SEC, 37, TAI },
	{ "a vmclock may have a large number", "vmclock1000", 0, 37, UTC },
	{ "an ENA's is not known", "ena-ptp-00-05-0", 0, 37, UNKNOWN },
	{ "KVM's may be smeared", "KVM virtual PTP", 0, 37, SMEARED },
	{ "a vmclock close to REALTIME is UTC", "vmclock0", 0, 37, UTC },
	{ "a vmclock close to REALTIME is UTC also without a TAI offset",
	  "vmclock0", 0, 0, UTC },
	{ "half a second late is close", "vmclock7", -SEC / 2 + 9999, 37, UTC },
	{ "more is not", "vmclock0", -SEC / 2 - 9999, 37, UNKNOWN },
	{ "half a second early is close", "vmclock0", SEC / 2 - 9999, 37, UTC },
	{ "more is neither", "vmclock0", SEC / 2 + 9999, 37, UNKNOWN },
	{ "ahead by the TAI offset is TAI", "vmclock0", 37 * SEC, 37, TAI },
	{ "ahead by a little less than the TAI offset is TAI, too",
	  "vmclock0", 36 * SEC + SEC / 2 + 9999, 37,
	  TAI },
	{ "ahead by a second less is not TAI",
	  "vmclock0", 36 * SEC, 37, UNKNOWN },
	{ "ahead by 37 s is not known without a TAI offset", "vmclock0",
	  37 * SEC, 0, UNKNOWN },
	{ "ahead by 37 s is not TAI for a kernel that says 36", "vmclock0",
	  37 * SEC, 36, UNKNOWN },
	{ "the TAI offset with the other sign is not TAI", "vmclock0",
	  -37 * SEC, 37, UNKNOWN },
	{ "twice the TAI offset is not TAI",
	  "vmclock0", 74 * SEC, 37, UNKNOWN },
	{ "a virtio clock says UTC", "Virtio PTP type 0/variant 0", 5 * SEC,
	  37, UTC },
	{ "a virtio clock says TAI", "Virtio PTP type 1/variant 0", 0, 37,
	  TAI },
	{ "a virtio clock says MONOTONIC", "Virtio PTP type 2/variant 0", 0,
	  37, MONO },
	{ "a virtio clock says smeared", "Virtio PTP type 3/variant 1", 0, 37,
	  SMEARED },
	{ "a virtio clock says maybe smeared", "Virtio PTP type 4/variant 0",
	  0, 37, SMEARED },
	{ "a virtio clock of a new type is not known",
	  "Virtio PTP type 5/variant 0", 0, 37, UNKNOWN },
	{ "a virtio clock of a type of two digits is not known",
	  "Virtio PTP type 10/variant 0", 0, 37,
	  UNKNOWN },
	{ "a virtio clock of a type beyond 8 bits is not known",
	  "Virtio PTP type 4294967296/variant 0", 0,
	  37, UNKNOWN },
	{ "a virtio clock's name in another form is not known",
	  "Virtio PTP clock", 0, 37, UNKNOWN },
	{ "any other driver's clock is not known",
	  "Intel I225", 0, 37, UNKNOWN },
	/* clang-format on */
};

static struct paraclock *open_phc(const char *device)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "phc",
		.device = device,
		.env = &ptp.clocks.world.env,
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	return clk;
}

static void check_now(struct paraclock *clk, uint8_t want)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.timescale, want);
	fake_ptp_check_pair(&ptp, &ptp.phc[0], &sample);
}

static void check_scale(void **state)
{
	const struct scale_case *c = *state;
	struct paraclock *clk;

	fake_ptp_init(&ptp);
	fake_ptp_add(&ptp, 0, c->device, c->ahead_ns);
	ptp.clocks.tai_sec = c->tai_sec;
	clk = open_phc("/dev/ptp0");
	check_now(clk, c->want);
	paraclock_close(clk);
}

static void without_a_name_the_timescale_is_not_known(void **state)
{
	(void)state;
	fake_ptp_init(&ptp);
	fake_ptp_add(&ptp, 0, "hyperv", 0)->nameless = true;
	struct paraclock *clk = open_phc("/dev/ptp0");

	check_now(clk, UNKNOWN);
	paraclock_close(clk);
}

/* --- the timescale over time ---------------------------------------------- */

static struct paraclock *open_vmclock(int64_t ahead_ns)
{
	fake_ptp_init(&ptp);
	fake_set_vmclock_marker(&ptp.clocks.world, 1);
	ptp.clocks.world.vmclock_error = 0;
	fake_ptp_add(&ptp, 0, "vmclock0", ahead_ns);
	return open_phc(NULL);
}

static void a_measurement_outlives_a_set_of_the_clock(void **state)
{
	struct paraclock *clk = open_vmclock(37 * SEC);

	(void)state;
	check_now(clk, TAI);
	ptp.clocks.real_minus_mono -= 3600 * SEC;
	check_now(clk, TAI);
	paraclock_close(clk);
}

static void an_unknown_timescale_is_measured_later(void **state)
{
	struct paraclock *clk = open_vmclock(3600 * SEC);

	(void)state;
	check_now(clk, UNKNOWN);
	ptp.clocks.real_minus_mono += 3600 * SEC;
	check_now(clk, UTC);
	paraclock_close(clk);
}

static void two_that_contradict_each_other_are_void(void **state)
{
	struct paraclock *clk = open_vmclock(37 * SEC);

	(void)state;
	check_now(clk, TAI);
	ptp.clocks.real_minus_mono += 37 * SEC;
	check_now(clk, UNKNOWN);
	ptp.clocks.real_minus_mono -= 37 * SEC;
	check_now(clk, UNKNOWN);
	paraclock_close(clk);
}

static void a_device_that_was_set_is_measured_anew(void **state)
{
	struct paraclock *clk = open_vmclock(37 * SEC);

	(void)state;
	check_now(clk, TAI);
	ptp.phc[0].step -= 74 * SEC;
	check_now(clk, UNKNOWN);
	ptp.phc[0].step += 37 * SEC;
	check_now(clk, UTC);
	paraclock_close(clk);
}

/* Half a second in all, but little from one read to the next. */
static void a_measurement_outlives_drift(void **state)
{
	struct paraclock *clk = open_vmclock(37 * SEC);

	(void)state;
	check_now(clk, TAI);
	ptp.clocks.real_minus_mono -= 3600 * SEC;
	for (unsigned int i = 0; i < 200; i++) {
		ptp.phc[0].step += 9000000;
		check_now(clk, TAI);
	}
	ptp.phc[0].step += SEC / 2 + 30000000;
	check_now(clk, UNKNOWN);
	paraclock_close(clk);
}

static void a_disruption_makes_it_measure_anew(void **state)
{
	struct paraclock *clk = open_vmclock(37 * SEC);

	(void)state;
	check_now(clk, TAI);
	/*
	 * Nothing is known of the next host, even if its time seems to go on.
	 */
	ptp.clocks.real_minus_mono -= 3600 * SEC;
	check_now(clk, TAI);
	fake_set_vmclock_marker(&ptp.clocks.world, 2);
	check_now(clk, UNKNOWN);
	paraclock_close(clk);
}

/* --- sentences ------------------------------------------------------------ */

static void check_says(struct paraclock *clk, int error,
		       const struct paraclock_sample *sample, const char *want)
{
	char text[256];

	assert_int_equal(
		paraclock_explain(clk, error, sample, text, sizeof(text)), 0);
	if (!strstr(text, want))
		fail_msg("'%s' is not in '%s'", want, text);
}

static void each_error_and_reason_has_its_sentence(void **state)
{
	struct paraclock_sample sample = { .valid = 1, .timescale = TAI };
	struct paraclock *clk = open_vmclock(0);

	(void)state;
	check_says(clk, -EAGAIN, NULL, "/dev/ptp0: its time or the system");
	check_says(clk, -ENODEV, NULL, "/dev/ptp0: the device has gone");
	check_says(clk, -EPROTO, NULL, "impossible times");
	check_says(clk, -ERANGE, NULL, "does not fit");
	check_says(clk, -ETIMEDOUT, NULL, "has no time at present");
	check_says(clk, 0, &sample, "fit for correlation");
	sample.timescale = UNKNOWN;
	check_says(clk, 0, &sample, "set the system clock");
	sample.valid = 0;
	sample.reason = PARACLOCK_REASON_WIDE;
	check_says(clk, 0, &sample, "max_pair_error_ns");
	sample.reason = PARACLOCK_REASON_UNSTABLE;
	check_says(clk, 0, &sample, "clocksource tsc,");
	ptp.clocks.clock_error = -EOPNOTSUPP;
	check_says(clk, 0, &sample, "clocksource unknown,");
	paraclock_close(clk);
}

static const struct CMUnitTest others[] = {
	TEST("without a name the timescale is not known",
	     without_a_name_the_timescale_is_not_known),
	TEST("a measurement outlives a set of the clock",
	     a_measurement_outlives_a_set_of_the_clock),
	TEST("an unknown timescale is measured later",
	     an_unknown_timescale_is_measured_later),
	TEST("two that contradict each other are void",
	     two_that_contradict_each_other_are_void),
	TEST("a device that was set is measured anew",
	     a_device_that_was_set_is_measured_anew),
	TEST("a measurement outlives drift", a_measurement_outlives_drift),
	TEST("a disruption makes it measure anew",
	     a_disruption_makes_it_measure_anew),
	TEST("each error and reason has its sentence",
	     each_error_and_reason_has_its_sentence),
};

int main(void)
{
	ADD_ROWS(finds, check_find);
	ADD_ROWS(scales, check_scale);
	ADD_TESTS(others);
	return run_suite(NULL, NULL);
}
