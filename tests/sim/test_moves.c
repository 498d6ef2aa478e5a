// SPDX-License-Identifier: MIT
/* VMs that stop and go on: what happens to TSC, time, pages and markers. */

#include "sims.h"

#define HZ 2600000000LL

#define COUNTER_STOPS PARACLOCK_SIM_COUNTER_STOPS
#define CLOCK_STOPS   PARACLOCK_SIM_CLOCK_STOPS
#define SCALED	      PARACLOCK_SIM_SCALED
#define SILENT	      PARACLOCK_SIM_SILENT
#define ANNOUNCED     PARACLOCK_SIM_ANNOUNCED

#define ALL_PAGES                                               \
	(PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_HYPERV | \
	 PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_GENERATION)

/* A VM that ran for 10 s, and then stopped for 5. */
struct stop_case {
	const char *name;
	uint32_t flags;
	int64_t counter; /* ticks that it went on meanwhile */
	int64_t mono;	 /* ns */
};

#define WENT_ON (5 * HZ)

static struct stop_case stops[] = {
	/* clang-format off */
	{ "all runs on", 0, WENT_ON, 5 * SEC },
	{ "the TSC stops", COUNTER_STOPS, 0, 5 * SEC },
	{ "time stops", CLOCK_STOPS, WENT_ON, 0 },
	{ "both stop", COUNTER_STOPS | CLOCK_STOPS, 0, 0 },
	/* clang-format on */
};

static void pause_and_resume(void **state)
{
	const struct stop_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 2);
	struct paraclock *clk = open_user(vm, "vmclock");
	uint64_t epoch = paraclock_epoch(clk);

	run(10 * SEC);
	assert_int_equal(paraclock_sim_pause(vm), 0);
	assert_int_equal(paraclock_sim_pause(vm), 0);
	run(5 * SEC);
	assert_int_equal(paraclock_sim_resume(vm, c->flags), 0);
	assert_int_equal(paraclock_sim_resume(vm, 0), 0);
	assert_int_equal(paraclock_sim_counter(vm, 0),
			 1000 + 10 * HZ + c->counter);
	assert_int_equal(truth(vm, MONO), 10 * SEC + c->mono);
	assert_int_equal(truth(vm, TAI), START_TAI + 15 * SEC);
	assert_all_right(vm);
	/* No host announces a pause. */
	assert_right(vm, clk, VMCLOCK_NS);
	assert_int_equal(paraclock_disrupted(clk, epoch), 0);
	paraclock_close(clk);
}

static void migrate(void **state)
{
	const struct stop_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 2);
	struct paraclock *clk = open_user(vm, "kvmclock");
	uint64_t epoch = paraclock_epoch(clk);
	uint64_t before;

	run(10 * SEC);
	assert_int_equal(paraclock_sim_migrate(vm, fast, 5 * SEC, c->flags), 0);
	before = paraclock_sim_counter(vm, 0);
	assert_near((int64_t)before, 1000 + 10 * HZ + c->counter, 1);
	assert_near(truth(vm, MONO), 10 * SEC + c->mono, 1);
	assert_near(truth(vm, TAI), START_TAI + 15 * SEC, 1);
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	assert_all_right(vm);
	run(SEC);
	/* By the new host's rate. */
	assert_near((int64_t)(paraclock_sim_counter(vm, 0) - before), FAST_HZ,
		    1);
	assert_right(vm, clk, PVCLOCK_NS);
	paraclock_close(clk);
}

static void scaled(void **state)
{
	const struct stop_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 2);
	struct paraclock *clk = open_user(vm, "hyperv");
	struct paraclock_coupling coupling;
	uint64_t before;

	run(10 * SEC);
	assert_int_equal(
		paraclock_sim_migrate(vm, fast, 5 * SEC, c->flags | SCALED), 0);
	before = paraclock_sim_counter(vm, 0);
	run(100 * SEC);
	assert_near((int64_t)(paraclock_sim_counter(vm, 0) - before), 100 * HZ,
		    3);
	assert_right(vm, clk, HYPERV_NS);
	assert_all_right(vm);
	assert_int_equal(paraclock_sim_coupling(vm, &coupling), 0);
	/* 2.6 / 3.1 in 2^-48. */
	assert_near((int64_t)coupling.mult, 236075786918615, 1);
	paraclock_close(clk);
}

static void restore(void **state)
{
	const struct stop_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 2);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_marker was, is;
	struct paraclock_sim_state *saved;

	run(10 * SEC);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	run(5 * SEC);
	assert_int_equal(paraclock_marker(clk, &was), 0);
	assert_int_equal(paraclock_sim_restore(vm, saved, fast, c->flags), 0);
	assert_near((int64_t)paraclock_sim_counter(vm, 0),
		    1000 + 10 * HZ + c->counter, 1);
	assert_near(truth(vm, MONO), 10 * SEC + c->mono, 1);
	assert_int_equal(paraclock_marker(clk, &is), 0);
	assert_int_not_equal(is.value, was.value);
	assert_int_not_equal(is.generation, was.generation);
	assert_right(vm, clk, VMCLOCK_NS);
	assert_all_right(vm);
	/* It may be used again, and its markers are new again. */
	was = is;
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, c->flags), 0);
	assert_int_equal(paraclock_marker(clk, &is), 0);
	assert_int_not_equal(is.generation, was.generation);
	assert_all_right(vm);
	paraclock_sim_state_free(saved);
	paraclock_close(clk);
}

static void a_clone_is_another_vm(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 2), *twin;
	struct paraclock_marker own, its;
	struct paraclock *clk, *other;

	(void)state;
	clk = open_user(vm, "vmclock");
	run(10 * SEC);
	assert_int_equal(paraclock_sim_clone(&twin, vm, fast, 0), 0);
	assert_ptr_not_equal(twin, vm);
	other = open_user(twin, "vmclock");
	assert_int_equal(paraclock_marker(clk, &own), 0);
	assert_int_equal(paraclock_marker(other, &its), 0);
	assert_int_not_equal(own.value, its.value);
	assert_int_not_equal(own.generation, its.generation);
	run(SEC);
	assert_int_equal(truth(vm, MONO), 11 * SEC);
	assert_near(truth(twin, MONO), 11 * SEC, 1);
	assert_near((int64_t)(paraclock_sim_counter(twin, 0) -
			      paraclock_sim_counter(vm, 0)),
		    FAST_HZ - HZ, 1);
	assert_all_right(vm);
	assert_all_right(twin);
	paraclock_close(other);
	paraclock_close(clk);
}

static void a_clone_that_fails_leaves_no_vm(void **state)
{
	struct paraclock_sim_host_options opts = { .size = sizeof(opts),
						   .tsc_hz = 70000 };
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1), *twin = vm;
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_sim_host *slow;
	struct paraclock_marker was, is;

	(void)state;
	assert_int_equal(paraclock_sim_host_new(&slow, sim, &opts), 0);
	assert_int_equal(paraclock_marker(clk, &was), 0);
	/* Scaled by more than 2^15. */
	assert_int_equal(paraclock_sim_clone(&twin, vm, slow, SCALED), -ERANGE);
	assert_ptr_equal(twin, vm);
	assert_int_equal(paraclock_sim_migrate(vm, fast, SEC, 0), 0);
	assert_int_equal(paraclock_marker(clk, &is), 0);
	/* No VM was made, and no markers were used up. */
	assert_int_equal(is.value, was.generation + 1);
	paraclock_close(clk);
}

static void a_silent_move_shows_no_marker(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_sim_state *saved;
	struct paraclock_marker was, is;

	(void)state;
	assert_int_equal(paraclock_marker(clk, &was), 0);
	assert_int_equal(paraclock_sim_migrate(vm, fast, SEC, SILENT), 0);
	assert_int_equal(paraclock_marker(clk, &is), 0);
	assert_memory_equal(&was, &is, sizeof(is));
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, SILENT), 0);
	paraclock_sim_state_free(saved);
	assert_int_equal(paraclock_marker(clk, &is), 0);
	assert_memory_equal(&was, &is, sizeof(is));
	paraclock_close(clk);
}

static void a_stop_may_show_on_the_pvclock_page(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_PVCLOCK, 1);
	const uint8_t *page =
		paraclock_sim_page(vm, PARACLOCK_SIM_PVCLOCK, 0, NULL);

	(void)state;
	assert_int_equal(page[29], 1);
	assert_int_equal(paraclock_sim_pause(vm), 0);
	run(SEC);
	assert_int_equal(paraclock_sim_resume(vm, PARACLOCK_SIM_TELLS_STOP), 0);
	assert_int_equal(page[29], 3);
	/* It is the guest's to clear. */
	run(400 * SEC);
	assert_int_equal(page[29], 3);
}

static struct {
	unsigned int n;
	unsigned int notice[8];
	int64_t mono[8];
	struct paraclock_sim_vm *vm[8];
} notices;

static void note(void *arg, struct paraclock_sim_vm *vm, unsigned int notice)
{
	assert_ptr_equal(arg, &notices);
	notices.mono[notices.n] = truth(vm, MONO);
	notices.vm[notices.n] = vm;
	notices.notice[notices.n++] = notice;
}

static void a_vm_learns_what_happens_to_it(void **state)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.notify = note,
		.notify_arg = &notices,
	};
	struct paraclock_sim_vm *vm = new_vm_of(&opts), *twin;

	(void)state;
	memset(&notices, 0, sizeof(notices));
	run(SEC);
	assert_int_equal(paraclock_sim_migrate(vm, host, SEC, 0), 0);
	assert_int_equal(paraclock_sim_migrate(vm, host, SEC, ANNOUNCED), 0);
	assert_int_equal(paraclock_sim_pause(vm), 0);
	assert_int_equal(paraclock_sim_resume(vm, 0), 0);
	assert_int_equal(notices.n, 4);
	assert_int_equal(notices.notice[0], PARACLOCK_SIM_NOTICE_RESUMED);
	assert_int_equal(notices.mono[0], 2 * SEC);
	assert_int_equal(notices.notice[1], PARACLOCK_SIM_NOTICE_ANNOUNCED);
	assert_int_equal(notices.mono[1], 2 * SEC);
	assert_int_equal(notices.notice[2], PARACLOCK_SIM_NOTICE_RESUMED);
	assert_int_equal(notices.mono[2], 3 * SEC);
	assert_int_equal(notices.notice[3], PARACLOCK_SIM_NOTICE_RESUMED);
	/* A clone is like a VM that is restored. */
	assert_int_equal(paraclock_sim_clone(&twin, vm, NULL, 0), 0);
	assert_int_equal(notices.n, 5);
	assert_int_equal(notices.notice[4], PARACLOCK_SIM_NOTICE_RESUMED);
	assert_ptr_equal(notices.vm[4], twin);
	assert_ptr_equal(notices.vm[3], vm);
}

static void a_migration_and_a_restore_raise_events(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sim_state *saved;

	(void)state;
	assert_true(paraclock_event_fd(clk) >= 0);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	assert_int_equal(paraclock_sim_migrate(vm, fast, SEC, 0), 0);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_not_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, 0), 0);
	paraclock_sim_state_free(saved);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	assert_int_equal(paraclock_sim_guest_step(vm, 5 * SEC), 0);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_CLOCK_SET);
	assert_near(event.gap_ns, 5 * SEC, 100);
	assert_int_equal(paraclock_sim_guest_clocksource(vm, "kvm-clock"), 0);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_CLOCKSOURCE_CHANGED);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	paraclock_close(clk);
}

/* A source without a page commits nothing before: the marker's generation must
 * be known all the same. */
static void the_first_restore_is_told_by_a_source_without_a_page(void **state)
{
	struct paraclock_sim_vm *vm =
		new_vm(PARACLOCK_SIM_HAS_PAIRING |
			       PARACLOCK_SIM_HAS_GENERATION |
			       PARACLOCK_SIM_HAS_VMCLOCK_MARKERS,
		       1);
	struct paraclock *clk = open_user(vm, "kvm-pairing");
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sim_state *saved;

	(void)state;
	assert_true(paraclock_event_fd(clk) >= 0);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, 0), 0);
	paraclock_sim_state_free(saved);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmclock");
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	paraclock_close(clk);
}

static void a_generation_id_alone_tells_of_restores(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(
		PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_GENERATION, 1);
	struct paraclock *clk = open_user(vm, "kvmclock");
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sim_vm *twin;
	struct paraclock_sim_state *saved;

	(void)state;
	assert_true(paraclock_event_fd(clk) >= 0);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	assert_int_equal(paraclock_sim_clone(&twin, vm, NULL, 0), 0);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, 0), 0);
	paraclock_sim_state_free(saved);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmgenid");
	paraclock_close(clk);
}

/* Its TSC is in the middle of a tick then, which began before its time did. */
static void time_is_put_back_to_its_start(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock_sim_state *saved;
	struct paraclock_sim_host *to;

	(void)state;
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	for (unsigned int i = 0; i < 40; i++) {
		to = i % 2 ? host : fast;
		run(SEC + 7 * i);
		assert_int_equal(
			paraclock_sim_restore(vm, saved, to, CLOCK_STOPS), 0);
		assert_int_equal(truth(vm, MONO), 0);
		assert_all_right(vm);
		assert_int_equal(
			paraclock_sim_migrate(vm, host, 3 + i, CLOCK_STOPS), 0);
		assert_int_equal(truth(vm, MONO), 0);
		assert_int_equal(paraclock_sim_pause(vm), 0);
		run(5 + i);
		assert_int_equal(paraclock_sim_resume(vm, CLOCK_STOPS), 0);
		assert_int_equal(truth(vm, MONO), 0);
	}
	paraclock_sim_state_free(saved);
}

int main(void)
{
	each_test(make_world, free_world);
	ADD_ROWS(stops, pause_and_resume);
	ADD_ROWS(stops, migrate);
	ADD_ROWS(stops, scaled);
	ADD_ROWS(stops, restore);
	add_test("a clone is another VM", a_clone_is_another_vm);
	add_test("a clone that fails leaves no VM",
		 a_clone_that_fails_leaves_no_vm);
	add_test("a silent move shows no marker",
		 a_silent_move_shows_no_marker);
	add_test("a stop may show on the pvclock page",
		 a_stop_may_show_on_the_pvclock_page);
	add_test("a VM learns what happens to it",
		 a_vm_learns_what_happens_to_it);
	add_test("a migration and a restore raise events",
		 a_migration_and_a_restore_raise_events);
	add_test("the first restore is told by a source without a page",
		 the_first_restore_is_told_by_a_source_without_a_page);
	add_test("a generation id alone shows restores",
		 a_generation_id_alone_tells_of_restores);
	add_test("time is put back to its start",
		 time_is_put_back_to_its_start);
	return run_suite(NULL, NULL);
}
