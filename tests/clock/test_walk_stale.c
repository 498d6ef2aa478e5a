// SPDX-License-Identifier: MIT
/*
 * Markers, and a page that is older than the move: KVM rewrites a vCPU's page
 * when that vCPU next runs, and the page that user space sees is vCPU 0's.
 */

#include "fake.h"

static struct fake fake;

#define SECOND 1000000000
#define NOW    1000000000
#define NOW_NS (NOW - 1000 + 5000)

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

static struct paraclock *open_with_markers(const char *backend)
{
	if (strcmp(backend, "vmclock") == 0)
		fake_set_vmclock(&fake, 2, 1, 1000, 1700000000);
	else
		fake_set_vmclock_marker(&fake, 1);
	fake.vmclock_error = 0;
	return fake_open(&fake, backend);
}

/* A thread may go to CPU 0 at first, and later may not. */
static struct paraclock *open_confirmed(void)
{
	int error = fake.affinity_error;
	struct paraclock *clk;

	fake.affinity_error = 0;
	clk = open_with_markers("kvmclock");
	fake.affinity_error = error;
	fake.visits = 0;
	return clk;
}

static struct paraclock_sample read_valid(const struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.epoch, paraclock_epoch(clk));
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	return sample;
}

static uint64_t read_disrupted(const struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample.epoch, paraclock_epoch(clk));
	return sample.epoch;
}

static void set_marker(uint64_t marker)
{
	put64(fake.vmclock, 16, marker);
}

/* --- a page with time and markers ----------------------------------------- */

static void a_marker_of_the_same_page_is_seen_by_that_very_read(void **state)
{
	struct paraclock *clk = open_with_markers("vmclock");
	struct paraclock_sample before = read_valid(clk), after;

	(void)state;
	fake_set_vmclock(&fake, 4, 2, 1000, 1700000005);
	after = read_valid(clk);
	assert_int_equal(after.epoch, before.epoch + 1);
	assert_int_equal(after.host_ns, before.host_ns + 5LL * SECOND);
	assert_int_equal(paraclock_disrupted(clk, before.epoch), 1);
	assert_int_equal(paraclock_disrupted(clk, after.epoch), 0);
	/* A past disruption does not make later reads invalid. */
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(read_valid(clk).epoch, after.epoch);
	paraclock_close(clk);
}

static void an_update_with_the_same_marker_is_no_disruption(void **state)
{
	struct paraclock *clk = open_with_markers("vmclock");
	struct paraclock_sample before = read_valid(clk), after;

	(void)state;
	/* The host itself marks disruptions: this step is not one. */
	fake_set_vmclock(&fake, 4, 1, 1000, 1700000005);
	after = read_valid(clk);
	assert_int_equal(after.epoch, before.epoch);
	assert_int_equal(after.host_ns, before.host_ns + 5LL * SECOND);
	paraclock_close(clk);
}

static void a_generation_counts_where_it_is_given(void **state)
{
	struct paraclock *clk = open_with_markers("vmclock");
	uint64_t epoch = read_valid(clk).epoch;
	struct paraclock_marker marker;

	(void)state;
	put64(fake.vmclock, 104, 77);
	assert_int_equal(read_valid(clk).epoch, epoch);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.generation, 0);
	put64(fake.vmclock, 24, 0x101);
	epoch = read_valid(clk).epoch;
	assert_int_equal(read_valid(clk).epoch, epoch);
	put64(fake.vmclock, 104, 78);
	assert_int_equal(read_valid(clk).epoch, epoch + 1);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.value, 1);
	assert_int_equal(marker.generation, 78);
	paraclock_close(clk);
}

static void a_generation_counts_for_the_time_of_another_source(void **state)
{
	struct paraclock *clk;
	uint64_t epoch;

	(void)state;
	put64(fake.vmclock, 24, 0x100);
	put64(fake.vmclock, 104, 77);
	clk = open_confirmed();
	epoch = read_valid(clk).epoch;
	put64(fake.vmclock, 104, 78);
	assert_int_equal(read_disrupted(clk), epoch + 1);
	paraclock_close(clk);
}

static void without_a_marker_source_there_is_no_marker(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	struct paraclock_marker marker = { 1, 2 };
	struct paraclock_sample sample;

	(void)state;
	assert_int_equal(paraclock_marker(clk, &marker), -EOPNOTSUPP);
	assert_int_equal(marker.value, 1);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_HEURISTIC);
	paraclock_close(clk);
}

/* --- a page that is older than the move ----------------------------------- */

static void a_stale_page_is_not_valid_until_its_version_moves(void **state)
{
	struct paraclock *clk = open_confirmed();
	uint64_t epoch = read_valid(clk).epoch;

	(void)state;
	set_marker(2);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(read_disrupted(clk), epoch + 1);
	assert_int_equal(fake.visits, 0);
	/* An odd version is not yet the new one. */
	fake_set_pvclock(&fake, 4, 1000, 5000 + 5LL * SECOND);
	assert_int_equal(read_valid(clk).epoch, epoch + 1);
	assert_int_equal(read_valid(clk).host_ns, NOW_NS + 5LL * SECOND);
	paraclock_close(clk);
}

/* The update that was under way may be the old host's. */
static void an_update_under_way_is_not_yet_the_new_page(void **state)
{
	struct paraclock *clk = open_confirmed();
	struct paraclock_sample sample;

	(void)state;
	put32(fake.pvclock, 0, 3);
	set_marker(2);
	fake.counter_step = 100;
	assert_int_equal(paraclock_read(clk, &sample), -EAGAIN);
	put32(fake.pvclock, 0, 4);
	read_disrupted(clk);
	fake_set_pvclock(&fake, 6, 1000, 5000 + 5LL * SECOND);
	read_valid(clk);
	paraclock_close(clk);
}

static void a_thread_on_cpu_0_need_not_wait(void **state)
{
	struct paraclock *clk = open_confirmed();
	uint64_t epoch = read_valid(clk).epoch;

	(void)state;
	set_marker(2);
	read_disrupted(clk);
	fake_set_pvclock(&fake, 2, 1000, 5000 + 5LL * SECOND);
	fake.cpu = 0;
	assert_int_equal(read_valid(clk).epoch, epoch + 1);
	/* Once is enough. */
	fake.cpu = 1;
	assert_int_equal(read_valid(clk).host_ns, NOW_NS + 5LL * SECOND);
	paraclock_close(clk);
}

static void run_vcpu_0(struct fake *f)
{
	fake_set_pvclock(f, 4, 1000, 5000 + 5LL * SECOND);
}

static void a_visit_to_cpu_0_makes_that_very_read_valid(void **state)
{
	struct paraclock *clk = open_confirmed();
	uint64_t epoch = read_valid(clk).epoch;
	struct paraclock_sample sample;

	(void)state;
	fake.affinity_error = 0;
	fake.on_visit = run_vcpu_0;
	set_marker(2);
	sample = read_valid(clk);
	assert_int_equal(sample.host_ns, NOW_NS + 5LL * SECOND);
	assert_int_equal(sample.epoch, epoch + 1);
	assert_int_equal(fake.visits, 1);
	read_valid(clk);
	assert_int_equal(fake.visits, 1);
	paraclock_close(clk);
}

static void a_second_disruption_starts_the_wait_again(void **state)
{
	struct paraclock *clk = open_confirmed();
	uint64_t epoch = read_valid(clk).epoch;

	(void)state;
	set_marker(2);
	read_disrupted(clk);
	/* vCPU 0 ran, and then the machine was moved once more. */
	fake_set_pvclock(&fake, 4, 1000, 5000 + 5LL * SECOND);
	set_marker(3);
	assert_int_equal(read_disrupted(clk), epoch + 2);
	fake_set_pvclock(&fake, 6, 1000, 5000 + 9LL * SECOND);
	assert_int_equal(read_valid(clk).epoch, epoch + 2);
	paraclock_close(clk);
}

static void read_at_waits_for_the_page_too(void **state)
{
	struct paraclock *clk = open_confirmed();
	struct paraclock_sample sample;

	(void)state;
	set_marker(2);
	assert_int_equal(paraclock_read_at(clk, NOW, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	paraclock_close(clk);
}

/* Opened after the jump and before vCPU 0 ran: no marker ever moved. */
static void a_clock_opened_on_a_stale_page_goes_and_looks(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	fake.affinity_error = 0;
	fake.on_visit = run_vcpu_0;
	clk = open_with_markers("kvmclock");
	sample = read_valid(clk);
	assert_int_equal(sample.host_ns, NOW_NS + 5LL * SECOND);
	paraclock_close(clk);
}

static struct paraclock_sample read_class(const struct paraclock *clk,
					  uint8_t marker_class)
{
	struct paraclock_sample sample, at;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.marker_class, marker_class);
	assert_int_equal(paraclock_read_at(clk, NOW, &at), 0);
	assert_memory_equal(&at, &sample, sizeof(sample));
	return sample;
}

/*
 * The same, by a thread that cannot go: no marker vouches for the page that it
 * reads.
 */
static void a_page_that_no_marker_vouches_for_is_heuristic(void **state)
{
	struct paraclock *clk = open_with_markers("kvmclock");
	uint64_t epoch = paraclock_epoch(clk);
	struct paraclock_sample sample;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		read_class(clk, PARACLOCK_MARKER_HEURISTIC);
	assert_int_equal(fake.visits, 0);
	/* vCPU 0 runs: the page was stale, and now it is not. */
	run_vcpu_0(&fake);
	for (unsigned int i = 0; i < 3; i++) {
		sample = read_class(clk, PARACLOCK_MARKER_AUTHORITATIVE);
		assert_int_equal(sample.host_ns, NOW_NS + 5LL * SECOND);
		assert_int_equal(sample.epoch, epoch + 1);
	}
	paraclock_close(clk);
}

static void once_confirmed_it_stays_confirmed(void **state)
{
	struct paraclock *clk = open_with_markers("kvmclock");

	(void)state;
	read_class(clk, PARACLOCK_MARKER_HEURISTIC);
	fake_set_pvclock(&fake, 4, 1000, 5000);
	read_class(clk, PARACLOCK_MARKER_AUTHORITATIVE);
	fake_set_pvclock(&fake, 6, 1000, 5000);
	read_class(clk, PARACLOCK_MARKER_AUTHORITATIVE);
	set_marker(2);
	read_disrupted(clk);
	fake_set_pvclock(&fake, 8, 1000, 5000);
	read_class(clk, PARACLOCK_MARKER_AUTHORITATIVE);
	paraclock_close(clk);
}

static void a_disruption_confirms_what_the_open_could_not(void **state)
{
	struct paraclock *clk = open_with_markers("kvmclock");

	(void)state;
	read_class(clk, PARACLOCK_MARKER_HEURISTIC);
	fake.affinity_error = 0;
	fake.on_visit = run_vcpu_0;
	set_marker(2);
	read_class(clk, PARACLOCK_MARKER_AUTHORITATIVE);
	paraclock_close(clk);
}

/*
 * This thread comes to CPU 0, where its page is renewed, just after it has
 * looked at the old one.
 */
static int come_to_cpu_0(void *ctx, unsigned int cpu, int go)
{
	assert_int_equal(cpu, 0);
	assert_int_equal(go, 0);
	run_vcpu_0(ctx);
	return 0;
}

static void the_marker_does_not_vouch_for_the_stale_page(void **state)
{
	struct paraclock *clk = open_with_markers("kvmclock");
	struct paraclock_sample sample;

	(void)state;
	read_class(clk, PARACLOCK_MARKER_HEURISTIC);
	fake.env.run_on_cpu = come_to_cpu_0;
	/* The host sets GUEST_STOPPED, and changes nothing else. */
	fake.pvclock[29] = 3;
	sample = read_class(clk, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(sample.host_ns, NOW_NS + 5LL * SECOND);
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("a marker of the same page is seen by that very read",
		     a_marker_of_the_same_page_is_seen_by_that_very_read),
		TEST("an update with the same marker is no disruption",
		     an_update_with_the_same_marker_is_no_disruption),
		TEST("a generation counts where it is given",
		     a_generation_counts_where_it_is_given),
		TEST("a generation counts for the time of another source",
		     a_generation_counts_for_the_time_of_another_source),
		TEST("without a marker source there is no marker",
		     without_a_marker_source_there_is_no_marker),
		TEST("a stale page is not valid until its version moves",
		     a_stale_page_is_not_valid_until_its_version_moves),
		TEST("an update under way is not yet the new page",
		     an_update_under_way_is_not_yet_the_new_page),
		TEST("a thread on CPU 0 need not wait",
		     a_thread_on_cpu_0_need_not_wait),
		TEST("a visit to CPU 0 makes that very read valid",
		     a_visit_to_cpu_0_makes_that_very_read_valid),
		TEST("a second disruption starts the wait again",
		     a_second_disruption_starts_the_wait_again),
		TEST("read_at() waits for the page too",
		     read_at_waits_for_the_page_too),
		TEST("a clock opened on a stale page goes and looks",
		     a_clock_opened_on_a_stale_page_goes_and_looks),
		TEST("a page that no marker vouches for is HEURISTIC",
		     a_page_that_no_marker_vouches_for_is_heuristic),
		TEST("once confirmed, it stays confirmed",
		     once_confirmed_it_stays_confirmed),
		TEST("a disruption confirms what the open could not",
		     a_disruption_confirms_what_the_open_could_not),
		TEST("the marker does not vouch for the stale page",
		     the_marker_does_not_vouch_for_the_stale_page),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
