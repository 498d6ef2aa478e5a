// SPDX-License-Identifier: MIT
/*
 * In a world that lies, each answer of the library is an error or a whole
 * sample, and it touches no memory but its own, which ASan checks.
 */

#include <paraclock/host.h>

#include "hostile_env.h"

/* Few enough for a sanitizer, many enough that every call gets a lie. */
#define PASSES 4000

/* --- lengths -------------------------------------------------------------- */

struct length_case {
	const char *name;
	int64_t length;
	int ret;
};

/* Bytes of the page's 112. A length beyond the request counts as all of it. */
static struct length_case lengths[] = {
	/* clang-format off */
	{ "a byte too many", 113, 0 },
	{ "a page more", 112 + 4096, 0 },
	{ "2^31", INT64_C(1) << 31, 0 },
	{ "2^32, which is 0 as an int", INT64_C(1) << 32, 0 },
	{ "the largest length", INT64_MAX, 0 },
	{ "nothing", 0, -EPROTO },
	{ "no errno", -4096, -EIO },
	{ "-2^32, which is 0 as an int", -(INT64_C(1) << 32), -EIO },
	{ "the smallest length", INT64_MIN, -EIO },
	{ "the last errno", -4095, -4095 },
	{ "an errno", -ENODEV, -ENODEV },
	/* clang-format on */
};

static struct paraclock *open_it(const char *backend, const char *device,
				 int *ret)
{
	char detail[64];
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.env = &world.fake.env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = NULL;

	memset(detail, 'd', sizeof(detail));
	*ret = paraclock_open(&clk, &opts);
	assert_true(*ret <= 0 && *ret >= -4095);
	assert_non_null(memchr(detail, '\0', sizeof(detail)));
	assert_true(!*ret == !!clk);
	return clk;
}

static void check_length(void **state)
{
	const struct length_case *c = *state;
	struct paraclock_sample sample;
	struct paraclock *clk;
	int ret;

	init(0);
	clk = open_it("vmclock", "image", &ret);
	assert_int_equal(ret, 0);
	world.length = c->length;
	world.as_it_says = true;
	memset(&sample, 0xa5, sizeof(sample));
	assert_int_equal(paraclock_read(clk, &sample), c->ret);
	if (c->ret) {
		assert_int_equal(sample.host_ns, 0xa5a5a5a5a5a5a5a5);
	} else {
		assert_true(sample.valid);
		assert_int_equal(sample.epoch, 1);
	}
	paraclock_close(clk);
}

/* A name of any length ends where its buffer does. */
static void check_text(void **state)
{
	const struct length_case *c = *state;
	struct paraclock_page_writer writer = { 0 };
	struct paraclock *clk;
	int ret;

	init(0);
	world.length = c->length;
	world.as_it_says = true;
	clk = open_it("phc", "/dev/ptp0", &ret);
	if (clk)
		paraclock_close(clk);
	clk = open_it("kvm-pairing", "/dev/ptp0", &ret);
	if (clk)
		paraclock_close(clk);
	(void)paraclock_page_writer_acquire(&writer, &world.fake.env);
}

/* --- everything ----------------------------------------------------------- */

static void check_result(int ret)
{
	assert_true(ret <= 0 && ret >= -4095);
}

static void try_clock(struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	char text[100];

	for (unsigned int i = 0; i < 3; i++) {
		int ret = paraclock_read(clk, &sample);

		check_result(ret);
		memset(text, 't', sizeof(text));
		paraclock_explain(clk, ret, ret ? NULL : &sample, text,
				  sizeof(text));
		assert_non_null(memchr(text, '\0', sizeof(text)));
		check_result(paraclock_read_at(
			clk, world.fake.counter - random_word() % 1000,
			&sample));
		check_result(paraclock_marker(clk, &marker));
		assert_true(paraclock_event_fd(clk) >= -4095);
		assert_in_range(paraclock_next_event(clk, &event) + 4095, 0,
				4096);
	}
}

static int count(void *arg, const struct paraclock_listing *listing)
{
	++*(unsigned int *)arg;
	check_result(listing->error);
	assert_true(strlen(listing->detail) < 512);
	return 0;
}

static void try_machine(void)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	struct paraclock_page_writer writer = { 0 };
	struct paraclock_watch *watching = NULL;
	unsigned int listed = 0;

	if (!paraclock_describe_machine(&world.fake.env, &machine)) {
		assert_true(strlen(machine.hypervisor) < 32);
		assert_true(strlen(machine.clocksource) < 32);
	}
	check_result(paraclock_snapshot(&world.fake.env, &snap));
	assert_true(strlen(snap.clocksource) < 32);
	assert_in_range(snap.clocksource_kind, 0, PARACLOCK_CLOCKSOURCE_OTHER);
	check_result(paraclock_refresh(&world.fake.env));
	if (!paraclock_watch_open(&watching, &world.fake.env)) {
		assert_in_range(paraclock_watch_update(watching) + 4095, 0,
				4096);
		paraclock_watch_close(watching);
	}
	check_result(paraclock_list(&world.fake.env, count, &listed));
	check_result(paraclock_page_writer_acquire(&writer, &world.fake.env));
}

static void every_lie_is_survived(void **state)
{
	static const char *const names[] = { "kvmclock",    "hyperv", "vmclock",
					     "kvm-pairing", "phc",    "tsc",
					     "kvm-host",    NULL };
	static const char *const devices[] = { NULL, "image", "/dev/ptp0",
					       "248:0" };
	unsigned int opened = 0;

	(void)state;
	for (unsigned int i = 0; i < PASSES; i++) {
		const char *backend = names[i % ARRAY_LEN(names)];
		struct paraclock *clk;
		int ret;

		init(1 + random_word() % 64);
		if (random_word() % 8 == 0)
			world.fake.env.hypercall = hypercall;
		if (random_word() % 4 == 0)
			world.fake.env.rdmsr = msr;
		clk = open_it(backend,
			      backend ? devices[random_word() % 4] : NULL,
			      &ret);
		if (clk) {
			opened++;
			try_clock(clk);
			paraclock_close(clk);
		}
		if (i % 8 == 0)
			try_machine();
		assert_int_equal(world.fake.allocs, world.fake.frees);
	}
	/* Otherwise nothing was tested. */
	assert_true(opened > PASSES / 8);
}

int main(void)
{
	static char names[ARRAY_LEN(lengths)][64];

	add_test("every lie is survived", every_lie_is_survived);
	ADD_ROWS(lengths, check_length);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		snprintf(names[i], sizeof(names[i]), "in a text: %s",
			 lengths[i].name);
		add_row(names[i], check_text, &lengths[i]);
	}
	return run_suite(NULL, NULL);
}
