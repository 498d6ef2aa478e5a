// SPDX-License-Identifier: MIT
/*
 * A machine of two vCPUs that is moved again and again, at every step of a
 * reader: no sample is wrong and valid.
 */

#include "fake.h"

static struct fake fake;

#define SECOND 1000000000

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

static struct paraclock *open_with_markers(void)
{
	fake_set_vmclock_marker(&fake, 1);
	fake.vmclock_error = 0;
	return fake_open(&fake, "kvmclock");
}

#define STEPS  100000
#define WINDOW 8

/* A machine of two vCPUs; the reader is on vCPU 1, now and then on vCPU 0. */
static struct sim {
	uint64_t rng;
	uint32_t version;
	uint64_t marker;
	bool with_marker, old_page, always_visits;
	/*
	 * The last jumps: the counter where each begins, and the host clock's
	 * lead.
	 */
	uint64_t since[WINDOW];
	int64_t lead_ns[WINDOW];
	unsigned int jumps;
	unsigned int valid, disrupted, within;
	bool reading;
} sim;

static uint32_t dice(uint32_t sides)
{
	sim.rng = sim.rng * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(sim.rng >> 33) % sides;
}

/* Only this shows the new time to user space. */
static void sim_run_vcpu_0(struct fake *f)
{
	sim.version += 2;
	fake_set_pvclock(f, sim.version, f->counter,
			 f->counter +
				 (uint64_t)sim.lead_ns[sim.jumps % WINDOW]);
	sim.old_page = false;
}

/* The whole machine is stopped while this happens. */
static void sim_jump(struct fake *f)
{
	int64_t lead = sim.lead_ns[sim.jumps % WINDOW];

	sim.jumps++;
	sim.since[sim.jumps % WINDOW] = f->counter;
	sim.lead_ns[sim.jumps % WINDOW] = lead + 5LL * SECOND;
	sim.marker++;
	if (sim.with_marker)
		put64(f->vmclock, 16, sim.marker);
	sim.old_page = true;
	sim.within += sim.reading;
	if (f->cpu == 0)
		sim_run_vcpu_0(f);
}

/* Something may happen between any two steps of the reader. */
static void sim_event(struct fake *f)
{
	switch (dice(64)) {
	case 0:
		sim_jump(f);
		break;
	case 1:
	case 2:
		sim_run_vcpu_0(f);
		break;
	case 3:
		/* The scheduler puts the reader there, so vCPU 0 runs. */
		if (f->cpu != 0)
			sim_run_vcpu_0(f);
		f->cpu = 0;
		break;
	case 4:
	case 5:
		f->cpu = 1;
		break;
	case 6:
	case 7:
		f->affinity_error = sim.always_visits || dice(2) ? 0 : -EAGAIN;
		break;
	default:
		break;
	}
}

static void sim_visit(struct fake *f)
{
	sim_run_vcpu_0(f);
	sim_event(f);
}

static uint64_t sim_counter(void *ctx)
{
	struct fake *f = ctx;
	uint64_t value;

	sim_event(f);
	value = ++f->counter;
	sim_event(f);
	return value;
}

static uint64_t quiet_counter(void *ctx)
{
	return ++((struct fake *)ctx)->counter;
}

/* The host clock at a counter value; at a jump itself either side is right. */
static bool sim_is_right(const struct paraclock_sample *sample)
{
	for (unsigned int i = 0; i < WINDOW && i <= sim.jumps; i++) {
		unsigned int at = (sim.jumps - i) % WINDOW;
		int64_t ns = (int64_t)sample->host_tsc + sim.lead_ns[at];

		if (sample->host_tsc < sim.since[at])
			continue;
		if (sample->host_ns == ns)
			return true;
		if (sample->host_tsc > sim.since[at])
			return false;
	}
	return false;
}

static void sim_step(struct paraclock *clk)
{
	uint64_t jumps = sim.jumps;
	struct paraclock_sample sample;
	int ret;

	sim.reading = true;
	ret = paraclock_read(clk, &sample);
	sim.reading = false;
	/* A read gives up after eight disruptions. */
	assert_true(ret == 0 || ret == -EAGAIN);
	if (ret)
		return;
	if (!sample.valid) {
		assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
		sim.disrupted++;
		return;
	}
	sim.valid++;
	if (!sim.with_marker || sim_is_right(&sample))
		return;
	fail_msg("wrong and valid: ns %lld at %llu, jump %u at %llu, "
		 "%llu of them within this read, old page %d",
		 (long long)sample.host_ns, (unsigned long long)sample.host_tsc,
		 sim.jumps, (unsigned long long)sim.since[sim.jumps % WINDOW],
		 (unsigned long long)(sim.jumps - jumps), sim.old_page);
}

static struct paraclock *sim_open(bool with_marker, uint64_t seed)
{
	struct paraclock *clk;

	sim = (struct sim){
		.rng = seed,
		.version = 2,
		.marker = 1,
		.with_marker = with_marker,
	};
	fake_set_pvclock(&fake, 2, fake.counter, fake.counter);
	fake.on_visit = sim_visit;
	clk = with_marker ? open_with_markers() : fake_open(&fake, "kvmclock");
	fake.env.counter = sim_counter;
	return clk;
}

static void with_a_marker_no_sample_is_wrong_and_valid(void **state)
{
	struct paraclock *clk = sim_open(true, 20260101);
	uint64_t last = paraclock_epoch(clk);

	(void)state;
	for (unsigned int i = 0; i < STEPS; i++) {
		uint64_t epoch;

		sim_event(&fake);
		sim_step(clk);
		epoch = paraclock_epoch(clk);
		/* No disruption is noticed twice, or before it came. */
		assert_in_range(epoch, last, 1 + sim.jumps);
		last = epoch;
	}
	print_message("%u reads valid, %u disrupted; %u jumps, %u of them "
		      "within a read\n",
		      sim.valid, sim.disrupted, sim.jumps, sim.within);
	assert_in_range(sim.valid, STEPS / 10, STEPS);
	assert_in_range(sim.disrupted, STEPS / 100, STEPS);
	assert_in_range(sim.within, STEPS / 100, STEPS * 10);
	paraclock_close(clk);
}

/* If nothing happens within a read, it notices everything that came before. */
static void a_jump_before_a_read_is_noticed_by_it(void **state)
{
	struct paraclock *clk = sim_open(true, 4711);
	uint64_t epoch = paraclock_epoch(clk);

	(void)state;
	fake.env.counter = quiet_counter;
	for (unsigned int i = 0; i < STEPS; i++) {
		unsigned int jumps = sim.jumps;

		for (uint32_t k = dice(8); k; k--)
			sim_event(&fake);
		sim_step(clk);
		epoch += sim.jumps != jumps;
		assert_int_equal(paraclock_epoch(clk), epoch);
	}
	paraclock_close(clk);
}

static void without_a_marker_the_samples_say_so(void **state)
{
	struct paraclock *clk = sim_open(false, 42);
	struct paraclock_sample sample;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		sim_step(clk);
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.marker_class,
				 PARACLOCK_MARKER_HEURISTIC);
	}
	paraclock_close(clk);
}

/* The moment of opening is like any that follows. */
static void a_clock_opened_amid_jumps_is_right_at_once(void **state)
{
	(void)state;
	paraclock_close(sim_open(true, 77));
	sim.always_visits = true;
	fake.affinity_error = 0;
	for (unsigned int i = 0; i < STEPS; i++) {
		struct paraclock *clk;

		sim_event(&fake);
		clk = fake_open(&fake, "kvmclock");
		sim_step(clk);
		paraclock_close(clk);
	}
	assert_in_range(sim.valid, STEPS / 2, STEPS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("with a marker no sample is wrong and valid",
		     with_a_marker_no_sample_is_wrong_and_valid),
		TEST("a jump before a read is noticed by it",
		     a_jump_before_a_read_is_noticed_by_it),
		TEST("without a marker the samples say so",
		     without_a_marker_the_samples_say_so),
		TEST("a clock opened amid jumps is right at once",
		     a_clock_opened_amid_jumps_is_right_at_once),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
