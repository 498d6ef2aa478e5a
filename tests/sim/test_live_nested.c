// SPDX-License-Identifier: MIT
/*
 * Two threads that read in L1 and in the L2 inside, while L1 is moved from host
 * to host as fast as possible: announced, or with its TSC emulated until a
 * third thread, which is L1's relay, acknowledges. Each valid sample is the
 * truth.
 *
 * PARACLOCK_LIVE_SECONDS in the environment sets how long, s, for each way: 30
 * for the full promise.
 */

#include <paraclock/timekeeper.h>

#include "../shared/live.h"
#include "nested.h"

/* The default. */
#define MOVES 100

/* Readings in one go, then the thread leaves. */
#define READS 64
/*
 * Between two steps of a move up to this many are made, for this long at most,
 * s: a stopped thread may take its time to go on.
 */
#define READS_BETWEEN 256
#define BETWEEN	      2e-4

/* Pages are written all the time: 0.7 ppb of their ages is less. */
#define AGE_NS 10

#define LOAD(x)	      __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELEASE)

static struct reader {
	pthread_t thread;
	unsigned int vcpu;
	struct counts l1, l2;
	/* Not valid; -EAGAIN; malformed; another error. */
	uint64_t invalid, again, torn, other;
	uint64_t back;
	int64_t seen_ns[BELOWS];
	uint32_t through; /* valid samples came from both */
} readers[2];

static struct world w;
static uint64_t reads;
static uint32_t stop;

/* --- readers -------------------------------------------------------------- */

static bool is_valid(struct reader *r, int ret,
		     const struct paraclock_sample *sample)
{
	__atomic_fetch_add(&reads, 1, __ATOMIC_RELAXED);
	r->again += ret == -EAGAIN;
	r->torn += ret == -EPROTO || ret == -ERANGE;
	r->other += ret && ret != -EAGAIN && ret != -EPROTO && ret != -ERANGE;
	r->invalid += !ret && !sample->valid;
	return !ret && sample->valid;
}

/*
 * The thread is in the VM: nothing happens to the VM until it next reads the
 * TSC.
 */
static void judge(struct counts *c, struct paraclock_sim_vm *vm,
		  const struct paraclock_sample *sample, int64_t within_ns)
{
	int64_t off = llabs(sample->host_ns -
			    truth_at(vm, sample->host_tsc, sample->timescale));

	c->valid++;
	c->wrong += off > within_ns;
	c->wrong_ns = off > c->wrong_ns ? off : c->wrong_ns;
}

static void read_above(struct reader *r)
{
	struct machine *m = &w.machine[0];
	struct paraclock_sample sample;

	r->l1.reads++;
	if (is_valid(r, paraclock_read(m->reader, &sample), &sample))
		judge(&r->l1, m->vm, &sample, m->kind->within_ns + AGE_NS);
}

static void read_below(struct reader *r, enum below b)
{
	struct guest *g = &w.guest;
	const struct paraclock_env *env =
		paraclock_sim_env(g->vm, PARACLOCK_SIM_USER);
	struct paraclock_sample sample;
	int ret = g->clk[b] ? paraclock_read(g->clk[b], &sample)
			    : paraclock_timekeeper_read(&g->tk, env, &sample);

	r->l2.reads++;
	if (!is_valid(r, ret, &sample))
		return;
	judge(&r->l2, g->vm, &sample,
	      g->on->kind->within_ns + below_kinds[b].lifted_ns + AGE_NS);
	r->back += sample.host_ns < r->seen_ns[b];
	r->seen_ns[b] = sample.host_ns;
}

static void go(struct reader *r, struct paraclock_sim_vm *vm)
{
	r->other += paraclock_sim_enter(vm, r->vcpu) != 0;
	for (unsigned int i = 0; i < READS; i++) {
		if (vm == w.machine[0].vm) {
			read_above(r);
			continue;
		}
		for (unsigned int b = 0; b < BELOWS; b++) {
			if (w.opts.below & BELOW(b))
				read_below(r, b);
		}
	}
	r->other += paraclock_sim_leave(vm) != 0;
	STORE(r->through, r->l1.valid && r->l2.valid);
}

static void *read_on(void *arg)
{
	while (!LOAD(stop)) {
		go(arg, w.guest.vm);
		go(arg, w.machine[0].vm);
	}
	return NULL;
}

/* --- what happens to them ------------------------------------------------- */

static int pause_vm(void *arg, int halt)
{
	(void)arg;
	return halt ? paraclock_sim_pause(w.guest.vm)
		    : paraclock_sim_resume(w.guest.vm, 0);
}

/* Every other time as fast as can be. */
static void let_read(void)
{
	uint64_t until = LOAD(reads) + dice(&w, 2) * dice(&w, READS_BETWEEN);
	double end = live_now() + BETWEEN;

	while (LOAD(reads) < until && live_now() < end)
		sched_yield();
}

static void move_announced(void)
{
	struct machine *m = &w.machine[0];

	assert_int_equal(paraclock_relay_freeze(&m->relay), 0);
	let_read();
	migrate_l1(&w, m, dice(&w, 2000), (uint32_t)dice(&w, 8));
	let_read();
	finish_update(&w, m, paraclock_relay_resume(&m->relay));
}

static void move_emulated(void)
{
	migrate_l1(&w, &w.machine[0], dice(&w, 2000),
		   dice(&w, 2) ? PARACLOCK_SIM_COUNTER_STOPS |
					 PARACLOCK_SIM_CLOCK_STOPS
			       : 0);
}

/* The faults of the relay's thread, which cannot assert anything. */
static unsigned int relay_errors;
static uint32_t relayed; /* it has acknowledged */

static void *relay_on(void *arg)
{
	struct machine *m = arg;

	relay_errors = paraclock_sim_enter(m->vm, 1) != 0;
	while (!LOAD(stop)) {
		int ret = paraclock_reenlightenment_run(&m->re);

		/* Preempted where the promise is judged. */
		relay_errors += ret && ret != -EAGAIN && ret != -ESTALE;
		if (w.machine[0].relay.disruptions)
			STORE(relayed, 1);
		sched_yield();
	}
	relay_errors += paraclock_sim_leave(m->vm) != 0;
	return NULL;
}

/* --- the test ------------------------------------------------------------- */

struct live_case {
	const char *name;
	enum above above;
	uint32_t below;
	void (*move)(void);
};

static struct live_case cases[] = {
	/* clang-format off */
	{ "announced, and L2 runs on", ABOVE_KVMCLOCK,
	  BELOW_ALL & ~BELOW(BELOW_PVCLOCK), move_announced },
	{ "announced, and L2 is paused", ABOVE_KVMCLOCK_MARKERS, BELOW_ALL,
	  move_announced },
	{ "emulated until acknowledged", ABOVE_REENLIGHTENMENT,
	  BELOW_ALL & ~BELOW(BELOW_PVCLOCK), move_emulated },
	/* clang-format on */
};

static void begin(const struct live_case *c)
{
	struct world_options opts = {
		.seed = c->above,
		.above = { c->above, c->above },
		.below = c->below,
		.period_ns = SEC,
		.monotonic = true,
		.live = true,
		.pause = pause_vm,
	};

	world_start(&w, &opts);
	memset(readers, 0, sizeof(readers));
	STORE(stop, 0);
	STORE(relayed, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(readers); i++) {
		readers[i].vcpu = i;
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
		live_keep_apart(readers[i].thread, false);
	}
}

static void report(const struct reader *r)
{
	print_message("  reader %u: %llu valid in L1, %llu in L2; %llu not "
		      "valid, %llu -EAGAIN; %llu wrong and valid (worst error "
		      "L1 %lld ns, L2 %lld ns), %llu torn, %llu back\n",
		      r->vcpu, (unsigned long long)r->l1.valid,
		      (unsigned long long)r->l2.valid,
		      (unsigned long long)r->invalid,
		      (unsigned long long)r->again,
		      (unsigned long long)(r->l1.wrong + r->l2.wrong),
		      (long long)r->l1.wrong_ns, (long long)r->l2.wrong_ns,
		      (unsigned long long)r->torn, (unsigned long long)r->back);
	assert_int_equal(r->l1.wrong, 0);
	assert_int_equal(r->l2.wrong, 0);
	assert_int_equal(r->torn, 0);
	assert_int_equal(r->other, 0);
	assert_int_equal(r->back, 0);
}

/* All must get through, or the test has shown nothing. */
static bool is_enough(bool relays)
{
	for (unsigned int i = 0; i < ARRAY_LEN(readers); i++)
		if (!LOAD(readers[i].through))
			return false;
	return !relays || LOAD(relayed);
}

static void a_machine_that_moves_on(void **state)
{
	const struct live_case *c = *state;
	uint64_t seconds = live_setting("PARACLOCK_LIVE_SECONDS", 0);
	bool relays = c->move == move_emulated;
	cpu_set_t cpus;
	double until = seconds ? live_now() + (double)seconds : 0;
	uint64_t moves;
	pthread_t relay;

	assert_int_equal(
		pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus), 0);
	begin(c);
	if (relays)
		assert_int_equal(pthread_create(&relay, NULL, relay_on,
						&w.machine[0]),
				 0);
	live_keep_apart(pthread_self(), true);
	for (moves = 0;
	     live_now() < until || moves < MOVES || !is_enough(relays);
	     moves++) {
		c->move();
		let_read();
	}
	STORE(stop, 1);
	if (relays)
		pthread_join(relay, NULL);
	assert_int_equal(relay_errors, 0);
	for (unsigned int i = 0; i < ARRAY_LEN(readers); i++)
		pthread_join(readers[i].thread, NULL);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus);
	print_message("  %llu moves\n", (unsigned long long)moves);
	for (unsigned int i = 0; i < ARRAY_LEN(readers); i++)
		report(&readers[i]);
	/* With its own thread the relay may handle several at once; and an
	 * update between notification and run() relays the first half. */
	assert_in_range(w.machine[0].relay.disruptions, relays ? 1 : moves,
			relays ? 2 * moves : moves);
	world_end(&w);
}

int main(void)
{
	ADD_ROWS(cases, a_machine_that_moves_on);
	return run_suite(NULL, NULL);
}
