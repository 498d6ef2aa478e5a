// SPDX-License-Identifier: MIT
/* kvm-host: what it reads, and which answers of KVM it refuses. */

#include "fake_kvm.h"
#include "kvmclock/kvm_vm.h"

_Static_assert(KVMIO_GET_API_VERSION == KVM_GET_API_VERSION, "uapi");
_Static_assert(KVMIO_API_VERSION == KVM_API_VERSION, "uapi");
_Static_assert(KVMIO_CREATE_VM == KVM_CREATE_VM, "uapi");
_Static_assert(KVMIO_CHECK_EXTENSION == KVM_CHECK_EXTENSION, "uapi");
_Static_assert(KVMIO_CREATE_VCPU == KVM_CREATE_VCPU, "uapi");
_Static_assert(KVMIO_SET_CLOCK == KVM_SET_CLOCK, "uapi");
_Static_assert(KVMIO_GET_CLOCK == KVM_GET_CLOCK, "uapi");
_Static_assert(KVMIO_CAP_ADJUST_CLOCK == KVM_CAP_ADJUST_CLOCK, "uapi");
_Static_assert(KVMIO_CLOCK_REALTIME == KVM_CLOCK_REALTIME, "uapi");
_Static_assert(KVMIO_CLOCK_HOST_TSC == KVM_CLOCK_HOST_TSC, "uapi");
_Static_assert(sizeof(struct kvm_vm_clock) == sizeof(struct kvm_clock_data),
	       "uapi");
_Static_assert(offsetof(struct kvm_vm_clock, realtime) ==
		       offsetof(struct kvm_clock_data, realtime),
	       "uapi");
_Static_assert(offsetof(struct kvm_vm_clock, host_tsc) ==
		       offsetof(struct kvm_clock_data, host_tsc),
	       "uapi");

/* --- good readings -------------------------------------------------------- */

static void assert_reads(const struct paraclock *clk, uint32_t flags)
{
	struct paraclock_sample got;
	struct paraclock_sample want = {
		.host_ns = REALTIME_NS,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
		.flags = flags,
	};
	uint64_t before = fake.counter;

	assert_int_equal(paraclock_read(clk, &got), 0);
	assert_in_range(got.host_tsc, before, fake.counter);
	want.host_tsc = got.host_tsc;
	want.epoch = paraclock_epoch(clk);
	assert_memory_equal(&got, &want, sizeof(got));
}

static void a_vm_of_its_own_says_own_kernel(void **state)
{
	struct paraclock *clk = open_on(0);

	(void)state;
	assert_string_equal(kvm.path, "/dev/kvm");
	/* Only the VM stays open. */
	assert_int_equal(kvm.open[KVM_FD], 0);
	assert_int_equal(kvm.open[VCPU_FD], 0);
	assert_int_equal(kvm.open[VM_FD], 1);
	assert_reads(clk, PARACLOCK_FLAG_OWN_KERNEL);
	paraclock_close(clk);
	assert_all_closed();
}

static void a_vm_of_the_callers_is_asked_and_left_alone(void **state)
{
	struct paraclock *clk;

	(void)state;
	kvm.looked = true;
	clk = open_on(CALLERS_VM_FD);
	assert_int_equal(kvm.open[VM_FD], 0);
	assert_reads(clk, 0);
	paraclock_close(clk);
	assert_all_closed();
}

static void a_vm_that_has_not_run_opens_and_answers_later(void **state)
{
	struct paraclock *clk = open_on(CALLERS_VM_FD);
	struct paraclock_sample sample;
	char text[256];

	(void)state;
	assert_int_equal(paraclock_read(clk, &sample), -EOPNOTSUPP);
	assert_int_equal(paraclock_explain(clk, -EOPNOTSUPP, NULL, text,
					   sizeof(text)),
			 0);
	assert_non_null(strstr(text, "none of its vCPUs has run"));
	kvm.looked = true;
	assert_reads(clk, 0);
	paraclock_close(clk);
	assert_all_closed();
}

static void interrupted_calls_are_repeated(void **state)
{
	struct paraclock *clk;

	(void)state;
	kvm.interrupts = 20;
	clk = open_on(0);
	assert_int_equal(kvm.interrupts, 0);
	assert_reads(clk, PARACLOCK_FLAG_OWN_KERNEL);
	paraclock_close(clk);
	assert_all_closed();
}

static void a_device_may_be_named(void **state)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvm-host",
		.env = &fake.env,
		.device = "/dev/other",
	};
	struct paraclock *clk = NULL;

	(void)state;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_string_equal(kvm.path, "/dev/other");
	paraclock_close(clk);
	assert_all_closed();
}

static int find_kvm_host(void *arg, const struct paraclock_listing *listing)
{
	if (strcmp(listing->name, "kvm-host"))
		return 0;
	assert_true(listing->quality < 0);
	assert_int_equal(listing->own_kernel, 1);
	assert_int_equal(listing->error, *(int *)arg);
	assert_int_equal(listing->sample.valid, !listing->error);
	return 42;
}

static void the_list_says_own_kernel_or_why_not(void **state)
{
	int error = 0;

	(void)state;
	assert_int_equal(paraclock_list(&fake.env, find_kvm_host, &error), 42);
	error = kvm.open_error = -EACCES;
	assert_int_equal(paraclock_list(&fake.env, find_kvm_host, &error), 42);
	assert_all_closed();
}

static void a_past_value_cannot_be_converted(void **state)
{
	struct paraclock *clk = open_on(0);
	struct paraclock_sample sample;
	char text[256];

	(void)state;
	assert_int_equal(paraclock_read_at(clk, 1, &sample), -EOPNOTSUPP);
	assert_int_equal(paraclock_explain(clk, -EOPNOTSUPP, NULL, text,
					   sizeof(text)),
			 0);
	/* KVM is not to blame. */
	assert_null(strstr(text, "KVM"));
	assert_string_not_equal(text, "");
	paraclock_close(clk);
	assert_all_closed();
}

/* --- answers that are refused, or that are not valid ---------------------- */

struct reading {
	const char *name;
	int get_error;
	uint32_t flags, known;
	uint64_t realtime;
	int64_t tsc_off;
	int counter_id;
	int ret;
	uint8_t reason;	  /* if ret is 0 */
	const char *says; /* part of the explanation */
	int vm_fd;
};

#define TSC    PARACLOCK_COUNTER_X86_TSC
#define COUNTS PARACLOCK_REASON_COUNTER

static struct reading readings[] = {
	/* clang-format off */
	{ "a child of the process must open its own clock", -EIO, ALL_FLAGS,
	  ALL_FLAGS, REALTIME_NS, 0, TSC, -ENODEV, 0, "forked child", 0 },
	{ "a closed descriptor is reported as gone",
	  -EBADF, ALL_FLAGS, ALL_FLAGS,
	  REALTIME_NS, 0, TSC, -ENODEV, 0, "was closed", CALLERS_VM_FD },
	{ "a descriptor that was reused for something else", -ENOTTY, ALL_FLAGS,
	  ALL_FLAGS, REALTIME_NS, 0, TSC, -ENODEV, 0, "now another file",
	  CALLERS_VM_FD },
	{ "a signal each time ends the wait", -EINTR, ALL_FLAGS, ALL_FLAGS,
	  REALTIME_NS, 0, TSC, -ENODEV, 0, "close the clock", 0 },
	{ "a clocksource that is not the TSC gives no pair", 0, 0, ALL_FLAGS,
	  REALTIME_NS, 0, TSC, -EOPNOTSUPP, 0, "clocksource is not the TSC",
	  0 },
	{ "a stable TSC alone gives no pair", 0, KVM_CLOCK_TSC_STABLE,
	  ALL_FLAGS, REALTIME_NS, 0, TSC, -EOPNOTSUPP, 0,
	  "clocksource is not the TSC", 0 },
	{ "a TSC without a time gives no pair", 0, KVM_CLOCK_HOST_TSC,
	  ALL_FLAGS, REALTIME_NS, 0, TSC, -EOPNOTSUPP, 0,
	  "clocksource is not the TSC", 0 },
	{ "a caller's VM without a pair", 0, 0, ALL_FLAGS, REALTIME_NS, 0, TSC,
	  -EOPNOTSUPP, 0, "none of its vCPUs has run", CALLERS_VM_FD },
	{ "a kernel before 5.16 gives no pair", 0, KVM_CLOCK_TSC_STABLE,
	  KVM_CLOCK_TSC_STABLE, REALTIME_NS, 0, TSC, -EOPNOTSUPP, 0,
	  "Linux 5.16 and later", 0 },
	{ "a time beyond 63 bits does not fit", 0, ALL_FLAGS, ALL_FLAGS,
	  (uint64_t)INT64_MAX + 1, 0, TSC, -ERANGE, 0, "does not fit", 0 },
	{ "a time without a TSC gives no pair",
	  0, KVM_CLOCK_REALTIME, ALL_FLAGS,
	  REALTIME_NS, 0, TSC, 0, PARACLOCK_REASON_HOST_CLOCK,
	  "without a counter", 0 },
	{ "a TSC before the call is another counter", 0, ALL_FLAGS, ALL_FLAGS,
	  REALTIME_NS, -STEP / 2 - 1, TSC, 0, COUNTS, "not the counter", 0 },
	{ "a TSC after the call is another counter", 0, ALL_FLAGS, ALL_FLAGS,
	  REALTIME_NS, STEP / 2 + 1, TSC, 0, COUNTS, "not the counter", 0 },
	{ "a counter of the caller's own is not KVM's", 0, ALL_FLAGS,
	  ALL_FLAGS, REALTIME_NS, 0, PARACLOCK_COUNTER_USER, 0, COUNTS,
	  "not the counter", 0 },
	{ "a TSC at the beginning of the call is accepted",
	  0, ALL_FLAGS, ALL_FLAGS,
	  REALTIME_NS, -STEP / 2, TSC, 0, PARACLOCK_REASON_OK, "fit", 0 },
	{ "a TSC at the end of the call is accepted", 0, ALL_FLAGS, ALL_FLAGS,
	  REALTIME_NS, STEP / 2, TSC, 0, PARACLOCK_REASON_OK, "fit", 0 },
	{ "the last time that fits", 0, ALL_FLAGS, ALL_FLAGS, INT64_MAX, 0,
	  TSC, 0, PARACLOCK_REASON_OK, "fit", 0 },
	{ "an env of any counter uses KVM's where that is present",
	  0, ALL_FLAGS,
	  ALL_FLAGS, REALTIME_NS, 0, PARACLOCK_COUNTER_ANY, 0,
	  PARACLOCK_REASON_OK, "fit", 0 },
	/* clang-format on */
};

static void assert_sample(const struct reading *r,
			  const struct paraclock_sample *sample)
{
	bool ok = r->reason == PARACLOCK_REASON_OK;
	bool pair = r->reason != PARACLOCK_REASON_HOST_CLOCK;

	assert_int_equal(sample->valid, ok);
	assert_int_equal(sample->reason, r->reason);
	assert_int_equal(sample->host_ns, r->realtime);
	assert_int_equal(sample->counter, pair ? TSC : PARACLOCK_COUNTER_NONE);
	assert_int_equal(sample->pair_error_ns,
			 ok ? 0 : PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample->clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample->timescale,
			 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	assert_int_equal(sample->leap, PARACLOCK_LEAP_UNKNOWN);
	assert_int_equal(sample->flags, PARACLOCK_FLAG_OWN_KERNEL);
	if (!pair)
		assert_int_equal(sample->host_tsc, 0);
}

static void check_reading(void **state)
{
	const struct reading *r = *state;
	struct paraclock_sample sample, untouched;
	struct paraclock *clk;
	char text[256];

	setup(NULL);
	kvm.looked = true;
	clk = open_on(r->vm_fd);
	kvm.get_error = r->get_error;
	kvm.flags = r->flags;
	kvm.known = r->known;
	kvm.realtime = r->realtime;
	kvm.tsc_off = r->tsc_off;
	fake.env.counter_id = (uint8_t)r->counter_id;
	memset(&sample, 0x5a, sizeof(sample));
	untouched = sample;
	assert_int_equal(paraclock_read(clk, &sample), r->ret);
	if (r->ret)
		assert_memory_equal(&sample, &untouched, sizeof(sample));
	else
		assert_sample(r, &sample);
	assert_int_equal(
		paraclock_explain(clk, r->ret, &sample, text, sizeof(text)), 0);
	if (!strstr(text, r->says))
		fail_msg("\"%s\" lacks \"%s\"", text, r->says);
	paraclock_close(clk);
	assert_all_closed();
}

/* --- all of it ------------------------------------------------------------ */

static const struct CMUnitTest others[] = {
	cmocka_unit_test_setup(a_vm_of_its_own_says_own_kernel, setup),
	cmocka_unit_test_setup(a_vm_of_the_callers_is_asked_and_left_alone,
			       setup),
	cmocka_unit_test_setup(a_vm_that_has_not_run_opens_and_answers_later,
			       setup),
	cmocka_unit_test_setup(interrupted_calls_are_repeated, setup),
	cmocka_unit_test_setup(a_device_may_be_named, setup),
	cmocka_unit_test_setup(the_list_says_own_kernel_or_why_not, setup),
	cmocka_unit_test_setup(a_past_value_cannot_be_converted, setup),
};

int main(void)
{
	ADD_TESTS(others);
	ADD_ROWS(readings, check_reading);
	return run_suite(NULL, NULL);
}
