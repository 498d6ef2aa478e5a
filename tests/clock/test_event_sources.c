// SPDX-License-Identifier: MIT
/*
 * Events that no memory shows, sources of the caller's own, and devices that
 * notify.
 */

#include "clock/clock.h"
#include "events.h"

#define NOW 1000000000

static void jump(unsigned int i)
{
	fake_set_pvclock(fake, 4 + 2 * i, 2000 + i, 6000 + i + 5000 * i);
}

/* --- what no memory shows ------------------------------------------------- */

static void the_descriptor_is_made_once_and_closed(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	assert_int_equal(world.opened, 0);
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	assert_int_equal(world.opened, 3);
	assert_int_equal(world.grouped, 2);
	no_event(clk);
	assert_int_equal(world.seen, 1);
	close_all(clk);
}

static void a_failed_event_fd_leaves_nothing(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	world.set_error = -ENOMEM;
	assert_int_equal(paraclock_event_fd(clk), -ENOMEM);
	world.set_error = 0;
	world.group_error = -ENOMEM;
	assert_int_equal(paraclock_event_fd(clk), -ENOMEM);
	world.group_error = 0;
	fake->env.poll_group = NULL;
	assert_int_equal(paraclock_event_fd(clk), -EOPNOTSUPP);
	assert_int_equal(world.opened, world.closed);
	/* Memory still shows it. */
	jump(1);
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_JUMPED);
	close_all(clk);
}

static void without_the_generation_it_goes_on(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	world.restored_error = -EACCES;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	no_event(clk);
	world.set = 1;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_CLOCK_SET);
	close_all(clk);
}

static void a_set_says_by_how_much(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;
	uint64_t epoch = paraclock_epoch(clk);

	(void)state;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	world.real_minus_mono -= 1500;
	world.set = 1;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_CLOCK_SET);
	assert_string_equal(event.source, "clock");
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(event.gap_ns, -1500);
	assert_int_equal(event.host_ns_after, 1005000000000 - 1500);
	assert_int_equal(event.host_ns_before, 1005000000000);
	assert_int_equal(event.timescale,
			 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	assert_int_equal(event.epoch, epoch);
	assert_int_equal(paraclock_disrupted(clk, epoch), 0);
	no_event(clk);
	/* A set that changed nothing (the TAI offset) is an event. */
	world.set = 1;
	assert_int_equal(next_event(clk).gap_ns, 0);
	close_all(clk);
}

static void a_change_of_clocksource_is_one_event(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;

	(void)state;
	strcpy(world.source, "hpet");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	no_event(clk);
	strcpy(world.source, "tsc");
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_CLOCKSOURCE_CHANGED);
	assert_string_equal(event.source, "clocksource");
	assert_int_equal(event.flags, 0);
	assert_int_equal(event.epoch, 1);
	no_event(clk);
	close_all(clk);
}

static void a_restore_that_no_memory_shows(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	uint64_t epoch = paraclock_epoch(clk);
	struct paraclock_event event;

	(void)state;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	world.restored = 1;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmgenid");
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	assert_int_equal(event.epoch, epoch + 1);
	no_event(clk);
	close_all(clk);
}

static void a_restore_and_its_jump_are_one_event(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;

	(void)state;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	world.restored = 1;
	jump(1);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(event.epoch, 2);
	assert_int_equal(event.gap_ns, 5000);
	no_event(clk);
	close_all(clk);
}

static void a_lost_message_of_a_restore(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;

	(void)state;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	for (unsigned int i = 0; i < 100; i++) {
		world.restored = 2;
		event = next_event(clk);
		assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
		assert_string_equal(event.source, "kvmclock");
		assert_int_equal(event.marker_class,
				 PARACLOCK_MARKER_HEURISTIC);
		assert_int_equal(event.flags & PARACLOCK_EVENT_LOST,
				 PARACLOCK_EVENT_LOST);
		assert_int_equal(event.epoch, i + 2);
		no_event(clk);
	}
	/* It becomes one event with whatever the same call notices. */
	world.restored = 2;
	jump(1);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event.flags & PARACLOCK_EVENT_LOST,
			 PARACLOCK_EVENT_LOST);
	assert_int_equal(event.epoch, 102);
	no_event(clk);
	/* A message that came through counts more than the lost ones. */
	world.restored = 3;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_RESTORED);
	no_event(clk);
	close_all(clk);
}

static void a_generation_replaces_the_kernels_message(void **state)
{
	struct paraclock *clk;

	(void)state;
	fake_set_vmclock_marker(fake, 7);
	world_set_generation(&world, 0);
	clk = open_with_vmclock("kvmclock");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	world.restored = 2;
	no_event(clk);
	assert_int_equal(paraclock_epoch(clk), 1);
	close_all(clk);
}

/* A thread that polls must not starve the one that holds the handle. */
static void
wakeups_are_collected_whichever_thread_holds_the_handle(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	uint32_t self = fake->process_id;

	(void)state;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	no_event(clk);
	world.restored = 1;
	world.seen = 0;
	__atomic_store_n(&clk->owner, self, __ATOMIC_RELAXED);
	for (unsigned int i = 1; i <= 3; i++) {
		no_event(clk);
		assert_int_equal(world.seen, i);
		assert_int_equal(world.restored, 0);
	}
	__atomic_store_n(&clk->owner, 0, __ATOMIC_RELAXED);
	/* The notification is not forgotten. */
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_RESTORED);
	close_all(clk);
}

static void a_restore_with_a_marker_is_one_event(void **state)
{
	struct paraclock *clk;

	(void)state;
	fake_set_vmclock_marker(fake, 7);
	world_set_generation(&world, 0);
	clk = open_with_vmclock("kvmclock");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	put64(fake->vmclock, 16, 8);
	world_set_generation(&world, 1);
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_RESTORED);
	world.restored = 1;
	no_event(clk);
	assert_int_equal(paraclock_epoch(clk), 2);
	close_all(clk);
}

static void restores_here_do_not_concern_another_machines_page(void **state)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake->env,
		.backend = "kvmclock",
		.device = "image",
	};
	struct paraclock *clk = NULL;

	(void)state;
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	assert_int_equal(world.grouped, 1);
	world.restored = 1;
	no_event(clk);
	close_all(clk);
}

/* --- sources of the caller's own, and devices that notify ----------------- */

static struct {
	struct paraclock_marker marker;
	uint8_t flags;
	uint64_t word;
} own;

static int own_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	*ret_state = &own;
	return 0;
}

static int own_get_conversion(void *state, struct paraclock_sample *ret_sample,
			      struct paraclock_conversion *ret_conv)
{
	(void)state;
	*ret_sample = (struct paraclock_sample){
		.host_ns = NOW + 5000,
		.host_tsc = NOW,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
	};
	*ret_conv = (struct paraclock_conversion){
		.key = { own.word },
		.mask = UINT64_MAX,
		.mult_hi = 1,
		.base_ns = 5000,
		.max_ticks = UINT64_MAX,
		.usable = 1,
		.flags = own.flags,
	};
	return 0;
}

static int own_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct paraclock_conversion conv;

	return own_get_conversion(state, ret_sample, &conv);
}

static int own_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	(void)state;
	*ret_marker = own.marker;
	return 0;
}

static void own_close(void *state)
{
	(void)state;
}

static const struct paraclock_backend own_backend = {
	.size = sizeof(own_backend),
	.name = "own",
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.open = own_open,
	.get_time = own_get_time,
	.get_conversion = own_get_conversion,
	.get_marker = own_get_marker,
	.close = own_close,
	.marker_kind = PARACLOCK_EVENT_MIGRATED,
};

static struct paraclock *open_own(void)
{
	struct paraclock_options opts = { .size = sizeof(opts),
					  .env = &fake->env };
	struct paraclock *clk = NULL;

	memset(&own, 0, sizeof(own));
	own.marker.value = 3;
	assert_int_equal(
		paraclock_open_backend(&clk, &own_backend, NULL, &opts), 0);
	return clk;
}

static void a_source_that_says_what_its_marker_means_is_believed(void **state)
{
	struct paraclock *clk = open_own();
	struct paraclock_event event;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		own.marker.value++;
		assert_int_equal(paraclock_epoch(clk), i + 2);
		event = next_event(clk);
		assert_int_equal(event.kind, PARACLOCK_EVENT_MIGRATED);
		assert_string_equal(event.source, "own");
		assert_int_equal(event.marker_class,
				 PARACLOCK_MARKER_AUTHORITATIVE);
	}
	/* Another generation outweighs the source's claim of a mere marker. */
	own.marker.generation = 1;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_MIGRATED);
	own.marker.generation = 2;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_RESTORED);
	close_all(clk);
}

static void a_page_that_says_stopped_is_a_pause_each_time(void **state)
{
	struct paraclock *clk = open_own();

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		struct paraclock_event event;

		own.flags = PARACLOCK_CONVERSION_STOPPED;
		own.word++;
		assert_int_equal(paraclock_epoch(clk), i + 2);
		event = next_event(clk);
		assert_int_equal(event.kind, PARACLOCK_EVENT_PAUSED);
		assert_int_equal(event.marker_class,
				 PARACLOCK_MARKER_HEURISTIC);
		/*
		 * The flag stays, and is cleared: neither is another
		 * disruption.
		 */
		own.word++;
		no_event(clk);
		own.flags = 0;
		own.word++;
		no_event(clk);
	}
	close_all(clk);
}

static unsigned int preads;

static int64_t count_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	(void)ctx;
	memset(buf, 0, n);
	assert_int_equal(fd, 55);
	assert_int_equal(offset, 0);
	preads++;
	return (int64_t)n;
}

static int (*plain_map)(void *, const char *, const char *,
			struct paraclock_mapping *);

static int map_with_fd(void *ctx, const char *name, const char *path,
		       struct paraclock_mapping *ret_map)
{
	int ret = plain_map(ctx, name, path, ret_map);

	if (!ret && strcmp(name, "vmclock") == 0)
		ret_map->fd = 55;
	return ret;
}

static void a_device_that_notifies_is_armed_again(void **state)
{
	struct paraclock *clk;

	(void)state;
	preads = 0;
	plain_map = fake->env.map_page;
	fake->env.map_page = map_with_fd;
	fake->env.pread = count_pread;
	fake_set_vmclock_marker(fake, 7);
	clk = open_with_vmclock("kvmclock");
	assert_int_equal(preads, 0);
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	assert_int_equal(preads, 1);
	assert_int_equal(world.grouped, 3);
	assert_int_equal(world.last_grouped, 55);
	no_event(clk);
	assert_int_equal(preads, 2);
	put64(fake->vmclock, 16, 8);
	(void)next_event(clk);
	no_event(clk);
	assert_int_equal(preads, 4);
	close_all(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_descriptor_is_made_once_and_closed),
		cmocka_unit_test(a_failed_event_fd_leaves_nothing),
		cmocka_unit_test(without_the_generation_it_goes_on),
		cmocka_unit_test(a_set_says_by_how_much),
		cmocka_unit_test(a_change_of_clocksource_is_one_event),
		cmocka_unit_test(a_restore_that_no_memory_shows),
		cmocka_unit_test(a_restore_and_its_jump_are_one_event),
		cmocka_unit_test(a_lost_message_of_a_restore),
		cmocka_unit_test(a_generation_replaces_the_kernels_message),
		cmocka_unit_test(
			wakeups_are_collected_whichever_thread_holds_the_handle),
		cmocka_unit_test(a_restore_with_a_marker_is_one_event),
		cmocka_unit_test(
			a_source_that_says_what_its_marker_means_is_believed),
		cmocka_unit_test(a_page_that_says_stopped_is_a_pause_each_time),
		cmocka_unit_test(a_device_that_notifies_is_armed_again),
		cmocka_unit_test(
			restores_here_do_not_concern_another_machines_page),
	};

	each_test(make_world, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
