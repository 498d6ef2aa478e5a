// SPDX-License-Identifier: MIT
/* Opening, choosing, and every refusal. */

#include <paraclock/backend.h>

#include "fake.h"

static struct fake fake;

/* The value of ret_clk before; a failed open leaves it. */
#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)

static void all_absent(struct fake *f)
{
	f->pvclock_error = -ENODEV;
}

static void all_forbidden(struct fake *f)
{
	f->pvclock_error = -EACCES;
	f->hyperv_error = -EACCES;
	f->vmclock_error = -EACCES;
}

static void kvmclock_only(struct fake *f)
{
	(void)f;
}

static void all_good(struct fake *f)
{
	fake_set_hyperv(f, 1, 0);
	fake_set_vmclock(f, 2, 1, 1000, 1700000000);
	f->hyperv_error = 0;
	f->vmclock_error = 0;
}

static void marker_and_kvmclock(struct fake *f)
{
	fake_set_vmclock_marker(f, 1);
	f->vmclock_error = 0;
}

static void unstable_and_hyperv(struct fake *f)
{
	f->pvclock[29] = 0;
	fake_set_hyperv(f, 1, 0);
	f->hyperv_error = 0;
}

static void all_unfit(struct fake *f)
{
	marker_and_kvmclock(f);
	f->pvclock[29] = 0;
}

static void not_a_pvclock(struct fake *f)
{
	f->pvclock[30] = 1;
}

static void no_pages_at_all(struct fake *f)
{
	f->env.map_page = NULL;
}

static void old_env(struct fake *f)
{
	f->env.size--;
}

static void no_alloc(struct fake *f)
{
	f->env.alloc = NULL;
}

static void no_free(struct fake *f)
{
	f->env.free = NULL;
}

static int forbidden_counter(void *ctx)
{
	(void)ctx;
	return -EACCES;
}

static void no_counter(struct fake *f)
{
	f->env.check_counter = forbidden_counter;
}

static void stable_by_mistake(struct fake *f)
{
	f->machine.invariant = 0;
}

static void no_frequency(struct fake *f)
{
	f->machine.counter_hz = 0;
}

#define MONOTONIC (1U << PARACLOCK_TIMESCALE_MONOTONIC)
#define UTC	  (1U << PARACLOCK_TIMESCALE_UTC)
#define TAI	  (1U << PARACLOCK_TIMESCALE_TAI)
#define SMEARED	  (1U << PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)

struct open_case {
	const char *name;
	void (*world)(struct fake *f);
	const char *backend;
	const char *device;
	uint32_t timescales;
	int ret;
	const char *want; /* the backend chosen, or part of the detail */
};

static struct open_case cases[] = {
	/* clang-format off */
	{ "without any page there is no clock", all_absent,
	  NULL, NULL, 0, -ENODEV, "no valid host clock here" },
	{ "the detail gives the best source's reason", all_absent,
	  NULL, NULL, 0, -ENODEV, "vmclock: /dev/vmclock0" },
	{ "a page that is absent is ENODEV by name", all_absent,
	  "kvmclock", NULL, 0, -ENODEV, "no such page" },
	{ "a page without permission is EACCES by name", all_forbidden,
	  "kvmclock", NULL, 0, -EACCES, "no such page" },
	{ "EACCES from Hyper-V's page is handed through", all_forbidden,
	  "hyperv", NULL, 0, -EACCES, "no such page" },
	{ "EACCES from vmclock's page is handed through", all_forbidden,
	  "vmclock", NULL, 0, -EACCES, "no such page" },
	{ "where everything is forbidden nothing is chosen", all_forbidden,
	  NULL, NULL, 0, -ENODEV, "here: vmclock: " },
	{ "a page with other contents is malformed", not_a_pvclock,
	  "kvmclock", NULL, 0, -EPROTO, "something else" },
	{ "an env without pages is refused", no_pages_at_all,
	  "kvmclock", NULL, 0, -EOPNOTSUPP, "cannot map" },
	{ "a backend that does not exist is EINVAL", kvmclock_only,
	  "sundial", NULL, 0, -EINVAL, "sundial: no such backend" },
	{ "an empty name is not a backend", kvmclock_only,
	  "", NULL, 0, -EINVAL, "no such backend" },
	{ "a device with a backend opens", kvmclock_only,
	  "kvmclock", "page", 0, 0, "kvmclock" },
	{ "a device without a backend is EINVAL", kvmclock_only,
	  NULL, "/dev/vmclock0", 0, -EINVAL, "device" },
	{ "an env of the wrong size is EINVAL", old_env,
	  NULL, NULL, 0, -EINVAL, "env is incomplete" },
	{ "an env without alloc is EINVAL", no_alloc,
	  NULL, NULL, 0, -EINVAL, "env is incomplete" },
	{ "an env without free is EINVAL", no_free,
	  NULL, NULL, 0, -EINVAL, "env is incomplete" },
	{ "a counter that is forbidden is EACCES", no_counter,
	  NULL, NULL, 0, -EACCES, "PR_TSC_ENABLE" },
	{ "a counter that is forbidden is EACCES by name too", no_counter,
	  "kvmclock", NULL, 0, -EACCES, "PR_TSC_ENABLE" },
	{ "kvmclock alone is chosen", kvmclock_only,
	  NULL, NULL, 0, 0, "kvmclock" },
	{ "vmclock is the best of all", all_good,
	  NULL, NULL, 0, 0, "vmclock" },
	{ "MONOTONIC alone rules vmclock out", all_good,
	  NULL, NULL, MONOTONIC, 0, "kvmclock" },
	{ "TAI alone chooses vmclock", all_good,
	  NULL, NULL, TAI, 0, "vmclock" },
	{ "either of two scales will do", all_good,
	  NULL, NULL, MONOTONIC | TAI, 0, "vmclock" },
	{ "a timescale of no source is refused", all_good,
	  NULL, NULL, UTC, -ENODEV, "is on utc (vmclock is on tai, "
	  "kvmclock is on monotonic, hyperv is on monotonic)" },
	{ "a valid source on another scale is named", kvmclock_only,
	  NULL, NULL, TAI, -ENODEV,
	  "is on tai (kvmclock is on monotonic): vmclock: " },
	{ "each source that is not here says why", kvmclock_only,
	  NULL, NULL, UTC | SMEARED, -ENODEV,
	  "on utc or utc-maybe-smeared (kvmclock is on monotonic): " },
	{ "also those after the best", kvmclock_only,
	  NULL, NULL, UTC | SMEARED, -ENODEV, "; hyperv: " },
	{ "a named source must have an acceptable scale, too", all_good,
	  "hyperv", NULL, TAI, -ENODEV, "hyperv gives monotonic time" },
	{ "a vmclock without time gives way", marker_and_kvmclock,
	  NULL, NULL, 0, 0, "kvmclock" },
	{ "a vmclock without time opens by name", marker_and_kvmclock,
	  "vmclock", NULL, 0, 0, "vmclock" },
	{ "an unstable kvmclock gives way", unstable_and_hyperv,
	  NULL, NULL, 0, 0, "hyperv" },
	{ "an unstable kvmclock opens by name", unstable_and_hyperv,
	  "kvmclock", NULL, 0, 0, "kvmclock" },
	{ "if every source is unfit, nothing opens", all_unfit,
	  NULL, NULL, 0, -ENODEV, "vmclock: the host vouches for no time" },
	{ "the own-kernel source is not chosen if nothing else opens",
	  all_absent,
	  NULL, NULL, 0, -ENODEV, "" },
	{ "the own-kernel source is not chosen for its scale", all_absent,
	  NULL, NULL, SMEARED, -ENODEV, "" },
	{ "the own-kernel source opens by name", all_absent,
	  "tsc", NULL, 0, 0, "tsc" },
	{ "the own-kernel source opens where it is not stable",
	  stable_by_mistake, "tsc", NULL, 0, 0, "tsc" },
	{ "the own-kernel source has no device", kvmclock_only,
	  "tsc", "/dev/null", 0, -EINVAL, "no device" },
	{ "the own-kernel source needs a frequency", no_frequency,
	  "tsc", NULL, 0, -ENODEV, "frequency" },
	/* clang-format on */
};

static void check_open(void **state)
{
	const struct open_case *c = *state;
	char detail[512] = "what was here before";
	struct paraclock *clk = UNTOUCHED;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = c->backend,
		.device = c->device,
		.timescales = c->timescales,
		.env = &fake.env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};

	fake_init(&fake);
	c->world(&fake);
	assert_int_equal(paraclock_open(&clk, &opts), c->ret);
	if (c->ret) {
		assert_ptr_equal(clk, UNTOUCHED);
		assert_string_not_equal(detail, "");
		if (!strstr(detail, c->want))
			fail_msg("'%s' is not in '%s'", c->want, detail);
	} else {
		assert_string_equal(detail, "");
		assert_string_equal(paraclock_backend_name(clk), c->want);
		paraclock_close(clk);
	}
	assert_int_equal(fake.allocs, fake.frees);
}

/* --- memory --------------------------------------------------------------- */

static unsigned int tries, fail_at;

static void *failing_alloc(void *ctx, size_t size)
{
	if (++tries == fail_at)
		return NULL;
	((struct fake *)ctx)->allocs++;
	return malloc(size);
}

/* Markers are optional, but the missing one must be reported. */
static void check_poorer_clock(struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	/* The last allocation is the marker source's. */
	if (tries == fail_at)
		assert_int_equal(sample.marker_class,
				 PARACLOCK_MARKER_HEURISTIC);
}

static void check_no_memory_at(const char *backend)
{
	char detail[256] = "";
	struct paraclock *clk = UNTOUCHED;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.env = &fake.env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	int ret;

	fake_init(&fake);
	marker_and_kvmclock(&fake);
	fake.env.alloc = failing_alloc;
	tries = 0;
	ret = paraclock_open(&clk, &opts);
	if (ret) {
		assert_int_equal(ret, -ENOMEM);
		assert_ptr_equal(clk, UNTOUCHED);
		assert_string_not_equal(detail, "");
	} else {
		check_poorer_clock(clk);
		paraclock_close(clk);
	}
	assert_int_equal(fake.allocs, fake.frees);
}

static void a_failed_open_leaks_no_memory(void **state)
{
	static const char *const names[] = {
		NULL, "kvmclock", "hyperv", "vmclock", "tsc",
	};

	(void)state;
	for (size_t i = 1; i < ARRAY_LEN(names); i++) {
		for (fail_at = 1; fail_at < 3; fail_at++) {
			if (fail_at == 2 && strcmp(names[i], "hyperv") == 0)
				continue;
			check_no_memory_at(names[i]);
			assert_true(tries >= fail_at);
		}
	}
	for (fail_at = 1; fail_at < 16; fail_at++)
		check_no_memory_at(NULL);
	fail_at = 0;
}

/* --- devices -------------------------------------------------------------- */

static uint8_t class_of(const char *backend, const char *device)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.env = &fake.env,
	};
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	struct paraclock *clk;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(paraclock_marker(clk, &marker),
			 sample.marker_class == PARACLOCK_MARKER_AUTHORITATIVE
				 ? 0
				 : -EOPNOTSUPP);
	paraclock_close(clk);
	return sample.marker_class;
}

/*
 * An image may be another machine's, and this machine's markers do not concern
 * it.
 */
static void a_device_has_no_markers_but_its_own(void **state)
{
	(void)state;
	fake_init(&fake);
	all_good(&fake);
	fake.affinity_error = 0;
	assert_int_equal(class_of("kvmclock", NULL),
			 PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(class_of("kvmclock", "page"),
			 PARACLOCK_MARKER_HEURISTIC);
	assert_int_equal(class_of("hyperv", "page"),
			 PARACLOCK_MARKER_HEURISTIC);
	assert_int_equal(class_of("vmclock", "page"),
			 PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(fake.allocs, fake.frees);
}

/* --- arguments ------------------------------------------------------------ */

static void null_arguments_are_einval(void **state)
{
	const struct paraclock_backend none = { .size = sizeof(none) };
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	struct paraclock *clk;
	char buf[8] = "before";

	(void)state;
	fake_init(&fake);
	clk = fake_open(&fake, NULL);
	assert_int_equal(paraclock_open(NULL, NULL), -EINVAL);
	assert_int_equal(paraclock_open_backend(NULL, &none, NULL, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_read(NULL, &sample), -EINVAL);
	assert_int_equal(paraclock_read(clk, NULL), -EINVAL);
	assert_int_equal(paraclock_read_at(NULL, 1, &sample), -EINVAL);
	assert_int_equal(paraclock_read_at(clk, 1, NULL), -EINVAL);
	assert_int_equal(paraclock_explain(clk, 0, NULL, NULL, 8), -EINVAL);
	assert_int_equal(paraclock_explain(clk, 0, NULL, buf, 0), -EINVAL);
	assert_string_equal(buf, "before");
	assert_null(paraclock_backend_name(NULL));
	assert_int_equal(paraclock_list(&fake.env, NULL, NULL), -EINVAL);
	assert_int_equal(paraclock_describe_machine(&fake.env, NULL), -EINVAL);
	assert_int_equal(paraclock_epoch(NULL), 0);
	assert_int_equal(paraclock_disrupted(NULL, 1), -EINVAL);
	assert_int_equal(paraclock_marker(NULL, &marker), -EINVAL);
	assert_int_equal(paraclock_marker(clk, NULL), -EINVAL);
	paraclock_close(clk);
	paraclock_close(NULL);
}

static void a_null_backend_is_einval(void **state)
{
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	assert_int_equal(paraclock_open_backend(&clk, NULL, NULL, NULL),
			 -EINVAL);
	assert_ptr_equal(clk, UNTOUCHED);
}

static const struct CMUnitTest others[] = {
	TEST("a failed open leaks no memory", a_failed_open_leaks_no_memory),
	TEST("a device has no markers but its own",
	     a_device_has_no_markers_but_its_own),
	TEST("NULL arguments are EINVAL", null_arguments_are_einval),
	TEST("a NULL backend is EINVAL", a_null_backend_is_einval),
};

int main(void)
{
	ADD_TESTS(others);
	ADD_ROWS(cases, check_open);
	return run_suite(NULL, NULL);
}
