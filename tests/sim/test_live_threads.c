// SPDX-License-Identifier: MIT
/*
 * A live world: two threads read in a VM while the host's thread writes at full
 * speed, or moves the VM. Every valid reading is the truth of its instant.
 */

#include <pthread.h>
#include <time.h>

#include "sims.h"

#define READERS 2
#define READS	20000
/* And until this much has happened. */
#define ACTS 200

#define PARTS                                                   \
	(PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_HYPERV | \
	 PARACLOCK_SIM_HAS_VMCLOCK)

static struct paraclock_sim_vm *vm;

/* A host like the first, whose clock is ahead. */
static struct paraclock_sim_host *ahead;

struct reader {
	pthread_t thread;
	struct paraclock *clk;
	int64_t within;
	unsigned int vcpu;
	unsigned int valid, not_valid, again, wrong;
	int64_t wrong_ns;
};

static unsigned int readers_left, acts_done;

static uint64_t machine_ns(void *arg)
{
	struct timespec now;

	(void)arg;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec;
}

static int make_live_world(void **state)
{
	struct paraclock_sim_options opts = {
		.size = sizeof(opts),
		.counter = machine_ns,
		.counter_hz = SEC,
	};
	struct paraclock_sim_host_options of_fast = { .size = sizeof(of_fast),
						      .tsc_hz = FAST_HZ };
	struct paraclock_sim_host_options of_ahead = {
		.size = sizeof(of_ahead),
		.clock_ahead_ns = 5 * MS,
	};
	struct paraclock_sim_vm_options of_vm = { .size = sizeof(of_vm),
						  .parts = PARTS,
						  .vcpus = READERS + 1 };

	(void)state;
	assert_int_equal(paraclock_sim_new(&sim, &opts), 0);
	assert_int_equal(paraclock_sim_host_new(&host, sim, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&fast, sim, &of_fast), 0);
	assert_int_equal(paraclock_sim_host_new(&ahead, sim, &of_ahead), 0);
	vm = new_vm_of(&of_vm);
	return 0;
}

/* No act can come between a reading and this: its thread is in the VM. */
static void judge(struct reader *reader, const struct paraclock_sample *sample)
{
	int64_t ns, off;

	if (paraclock_sim_truth(vm, sample->host_tsc, sample->timescale, &ns)) {
		reader->wrong++;
		return;
	}
	off = sample->host_ns - ns;
	reader->valid++;
	if (off > reader->within || off < -reader->within) {
		reader->wrong++;
		reader->wrong_ns = off;
	}
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;

	if (paraclock_sim_enter(vm, reader->vcpu))
		reader->wrong++;
	for (unsigned int i = 0;
	     i < READS || __atomic_load_n(&acts_done, __ATOMIC_RELAXED) < ACTS;
	     i++) {
		struct paraclock_sample sample;
		int ret = paraclock_read(reader->clk, &sample);

		if (ret == -EAGAIN)
			reader->again++;
		else if (ret)
			reader->wrong++;
		else if (!sample.valid)
			reader->not_valid++;
		else
			judge(reader, &sample);
	}
	if (paraclock_sim_leave(vm))
		reader->wrong++;
	__atomic_fetch_sub(&readers_left, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void start(struct reader readers[READERS], const char *backend,
		  int64_t within)
{
	readers_left = READERS;
	acts_done = 0;
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .within = within, .vcpu = i + 1 };
		readers[i].clk = open_user(vm, backend);
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
	}
}

/* Is any thread reading? */
static bool go_on(void)
{
	__atomic_fetch_add(&acts_done, 1, __ATOMIC_RELAXED);
	return __atomic_load_n(&readers_left, __ATOMIC_ACQUIRE);
}

static void finish(struct reader readers[READERS], const char *what)
{
	for (unsigned int i = 0; i < READERS; i++) {
		struct reader *r = &readers[i];

		pthread_join(r->thread, NULL);
		paraclock_close(r->clk);
		print_message("%s: %u acts; %u valid, %u not, %u EAGAIN, %u "
			      "wrong (%lld ns)\n",
			      what, acts_done, r->valid, r->not_valid, r->again,
			      r->wrong, (long long)r->wrong_ns);
		assert_int_equal(r->wrong, 0);
		assert_true(r->valid > 0);
	}
}

struct live_case {
	const char *name, *backend;
	unsigned int kind;
	int64_t within; /* and a pvclock's rate, while it is not moved */
};

static struct live_case cases[] = {
	{ "pvclock", "kvmclock", PARACLOCK_SIM_PVCLOCK, PVCLOCK_NS + 75 },
	{ "hyperv", "hyperv", PARACLOCK_SIM_HYPERV, HYPERV_NS },
	{ "vmclock", "vmclock", PARACLOCK_SIM_VMCLOCK, VMCLOCK_NS },
};

static void a_writer_at_full_speed(void **state)
{
	const struct live_case *c = *state;
	struct reader readers[READERS];

	start(readers, c->backend, c->within);
	do {
		assert_int_equal(paraclock_sim_update(vm, c->kind, 0), 0);
	} while (go_on());
	finish(readers, "updates");
}

static void a_vm_that_is_moved(void **state)
{
	const struct live_case *c = *state;
	struct reader readers[READERS];
	unsigned int acts = 0;

	start(readers, c->backend, c->within);
	do {
		assert_int_equal(paraclock_sim_migrate(
					 vm, acts % 2 ? host : fast, 0,
					 acts % 3 ? PARACLOCK_SIM_CLOCK_STOPS
						  : 0),
				 0);
		acts++;
	} while (go_on());
	finish(readers, "moves");
}

/*
 * Its TSC is not put back: with a value that comes twice, a reading made just
 * before looks like a wrong one.
 */
static void a_vm_that_is_put_back(void **state)
{
	const struct live_case *c = *state;
	struct paraclock_sim_state *saved;
	struct reader readers[READERS];
	unsigned int acts = 0;

	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	start(readers, c->backend, c->within);
	do {
		assert_int_equal(paraclock_sim_restore(
					 vm, saved, acts % 2 ? host : ahead,
					 PARACLOCK_SIM_CLOCK_STOPS),
				 0);
		assert_int_equal(paraclock_sim_pause(vm), 0);
		assert_int_equal(paraclock_sim_resume(vm, 0), 0);
		acts++;
	} while (go_on());
	finish(readers, "restores");
	paraclock_sim_state_free(saved);
}

static void a_thread_that_has_entered_stays_in(void **state)
{
	(void)state;
	assert_int_equal(paraclock_sim_leave(vm), -EINVAL);
	assert_int_equal(paraclock_sim_enter(vm, READERS + 1), -EINVAL);
	assert_int_equal(paraclock_sim_enter(NULL, 0), -EINVAL);
	assert_int_equal(paraclock_sim_enter(vm, 0), 0);
	assert_int_equal(paraclock_sim_enter(vm, 0), -EINVAL);
	/* An act by a thread in the VM does not wait for that thread. */
	assert_int_equal(paraclock_sim_migrate(vm, fast, 0, 0), 0);
	assert_int_equal(paraclock_sim_leave(vm), 0);
	assert_int_equal(paraclock_sim_leave(NULL), -EINVAL);
}

static void live_time_passes_by_itself(void **state)
{
	int64_t was, is;

	(void)state;
	assert_int_equal(paraclock_sim_run(sim, 1), -EINVAL);
	assert_int_equal(paraclock_sim_now(sim, MONO, &was), 0);
	assert_int_equal(paraclock_sim_migrate(vm, fast, MS, 0), 0);
	assert_int_equal(paraclock_sim_now(sim, MONO, &is), 0);
	assert_true(is - was >= MS);
	assert_int_equal(paraclock_sim_run(sim, 0), 0);
}

int main(void)
{
	each_test(make_live_world, free_world);
	ADD_ROWS(cases, a_writer_at_full_speed);
	ADD_ROWS(cases, a_vm_that_is_moved);
	ADD_ROWS(cases, a_vm_that_is_put_back);
	add_test("a thread that has entered stays in",
		 a_thread_that_has_entered_stays_in);
	add_test("live time passes by itself", live_time_passes_by_itself);
	return run_suite(NULL, NULL);
}
