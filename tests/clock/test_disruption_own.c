// SPDX-License-Identifier: MIT
/*
 * Like test_disruption_matrix.c, for sources that are opened by hand: a backend
 * of the caller's own, and a timekeeper; and for sources without a page.
 */

#include <paraclock/timekeeper.h>

#include "clock/clock.h"
#include "clock/registry.h"
#include "disruptions.h"

/* --- a page of the caller's own, without a reference point ---------------- */

static struct {
	uint64_t version, ns, marker, generation;
} own;

static void write_own(uint32_t i, uint64_t at)
{
	(void)at;
	own.version = i;
	own.ns = host_ns;
}

static int own_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	own.marker = own.generation = 1;
	*ret_state = &own;
	return 0;
}

static int own_get_conversion(void *state, struct paraclock_sample *ret_sample,
			      struct paraclock_conversion *ret_conv)
{
	(void)state;
	*ret_sample = (struct paraclock_sample){
		.host_ns = (int64_t)(fake->counter + own.ns),
		.host_tsc = fake->counter,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
	};
	*ret_conv = (struct paraclock_conversion){
		.key = { own.version, stopped },
		.mask = UINT64_MAX,
		.mult_hi = 1,
		.base_ns = (int64_t)own.ns,
		.max_ticks = UINT64_MAX,
		.usable = 1,
		.flags = PARACLOCK_CONVERSION_REBASE |
			 (stopped ? PARACLOCK_CONVERSION_STOPPED : 0),
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
	ret_marker->value = own.marker;
	ret_marker->generation = own.generation;
	return 0;
}

static void own_close(void *state)
{
	(void)state;
}

/* Each row says what the marker means, and how sure that is. */
static struct paraclock_backend own_backend = {
	.size = sizeof(own_backend),
	.name = "own",
	.open = own_open,
	.get_time = own_get_time,
	.get_conversion = own_get_conversion,
	.get_marker = own_get_marker,
	.close = own_close,
};

/* --- a timekeeper --------------------------------------------------------- */

static struct paraclock_timekeeper timekeeper;

static struct paraclock_timeline timeline_now(void)
{
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = fake->counter,
		/* ns at the counter, below 2 s. */
		.base_sec = 1,
		.base_frac = host_ns * 18446744073U,
		.t_end = fake->counter * 2,
		.flags = PARACLOCK_TIMELINE_STABLE,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};

	assert_int_equal(paraclock_timeline_set_hz(&tl, 1000000000, 0), 0);
	return tl;
}

static void write_timekeeper(uint32_t i, uint64_t at)
{
	struct paraclock_timeline tl = timeline_now();

	(void)i;
	(void)at;
	assert_int_equal(
		paraclock_timekeeper_set(&timekeeper, &fake->env, &tl, 0), 0);
}

static struct paraclock *open_clock(const char *backend)
{
	struct paraclock_options opts = { .size = sizeof(opts),
					  .env = &fake->env };
	struct paraclock *clk = NULL;

	if (strcmp(backend, "own") == 0) {
		write_own(0, START);
		assert_int_equal(paraclock_open_backend(&clk, &own_backend,
							NULL, &opts),
				 0);
		return clk;
	}
	memset(&timekeeper, 0, sizeof(timekeeper));
	assert_int_equal(
		paraclock_timekeeper_acquire(&timekeeper, &fake->env, NULL), 0);
	write_timekeeper(0, START);
	assert_int_equal(
		paraclock_timekeeper_open(&clk, &timekeeper, &fake->env), 0);
	return clk;
}

/* --- the causes ----------------------------------------------------------- */

static void change_own_marker(uint32_t i, write_fn *write)
{
	(void)i;
	(void)write;
	own.marker++;
}

static void change_own_marker_and_time(uint32_t i, write_fn *write)
{
	own.marker++;
	step_forward(i, write);
}

static void change_own_generation(uint32_t i, write_fn *write)
{
	own.generation++;
	change_own_marker(i, write);
}

static void move_timekeeper(uint32_t i, write_fn *write)
{
	struct paraclock_timeline tl;

	(void)i;
	(void)write;
	host_ns += 5000;
	tl = timeline_now();
	assert_int_equal(paraclock_timekeeper_freeze(&timekeeper, &fake->env),
			 0);
	assert_int_equal(paraclock_timekeeper_reconfigure(&timekeeper,
							  &fake->env, &tl),
			 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&timekeeper, &fake->env),
			 0);
}

/* --- the matrix ----------------------------------------------------------- */

/* clang-format off */
static struct row rows[] = {
	{ "own: a marker, authoritative", "own", write_own, change_own_marker,
	  BY_THE_READ, KIND(UPDATED), AUTHORITATIVE, "own", false, 0 },
	{ "own: a marker, heuristic", "own", write_own, change_own_marker,
	  BY_THE_READ, KIND(UPDATED), HEURISTIC, "own", false, 0 },
	{ "own: a marker that means a pause, authoritative", "own", write_own,
	  change_own_marker, BY_THE_READ, KIND(PAUSED), AUTHORITATIVE, "own",
	  false, 0 },
	{ "own: a marker that means a pause, heuristic", "own", write_own,
	  change_own_marker, BY_THE_READ, KIND(PAUSED), HEURISTIC, "own",
	  false, 0 },
	{ "own: a page that says stopped", "own", write_own, be_stopped,
	  BY_THE_READ, KIND(PAUSED), HEURISTIC, "own", false, 0 },
	{ "own: a marker and a jump, authoritative", "own", write_own,
	  change_own_marker_and_time, BY_THE_READ, KIND(JUMPED),
	  AUTHORITATIVE, "own", false, 5000 },
	{ "own: a step forward", "own", write_own, step_forward, BY_THE_READ,
	  KIND(JUMPED), HEURISTIC, "own", false, 5000 },
	{ "own: a marker that means a migration, authoritative", "own",
	  write_own, change_own_marker, BY_THE_READ, KIND(MIGRATED),
	  AUTHORITATIVE, "own", false, 0 },
	{ "own: a marker that means a migration, heuristic", "own", write_own,
	  change_own_marker, BY_THE_READ, KIND(MIGRATED), HEURISTIC, "own",
	  false, 0 },
	{ "own: a migration and a jump are a migration", "own", write_own,
	  change_own_marker_and_time, BY_THE_READ, KIND(MIGRATED),
	  AUTHORITATIVE, "own", false, 5000 },
	{ "own: a generation, authoritative", "own", write_own,
	  change_own_generation, BY_THE_READ, KIND(RESTORED), AUTHORITATIVE,
	  "own", false, 0 },
	{ "own: a generation, heuristic", "own", write_own,
	  change_own_generation, BY_THE_READ, KIND(RESTORED), HEURISTIC,
	  "own", false, 0 },
	{ "timekeeper: its writer counts a migration", "timekeeper",
	  write_timekeeper, move_timekeeper, BY_THE_READ, KIND(UPDATED),
	  HEURISTIC, "timekeeper", false, 0 },
	{ "timekeeper: a step by its writer is no disruption", "timekeeper",
	  write_timekeeper, step_forward, NEVER, 0, 0, NULL, false, 0 },
};
/* clang-format on */

static void go_on(void)
{
	stopped = false;
}

static void a_disruption(void **state)
{
	const struct row *row = *state;
	struct paraclock *clk;

	world_init(&world);
	host_ns = 100000000;
	stopped = false;
	fake->vmclock_error = -ENODEV;
	/* A marker says nothing of the other kinds. */
	own_backend.marker_kind =
		row->kind == KIND(PAUSED) || row->kind == KIND(MIGRATED)
			? row->kind
			: 0;
	own_backend.marker_class = row->class;
	clk = open_clock(row->backend);
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	no_event(clk);
	check_row(row, clk, go_on);
}

/* --- never ---------------------------------------------------------------- */

static char *called[] = { "phc", "kvm-pairing", "kvm-host", "tsc" };

/* A source that is called has neither a page to compare nor a marker. */
static void a_called_source_has_no_page_and_no_marker(void **state)
{
	const struct paraclock_backend *const *be = pclk_backends;

	while (*be && strcmp((*be)->name, *state) != 0)
		be++;
	if (!*be)
		skip();
	assert_null((*be)->get_conversion);
	assert_null((*be)->get_marker);
	assert_int_equal((*be)->marker_class, PARACLOCK_MARKER_NONE);
}

int main(void)
{
	ADD_ROWS(rows, a_disruption);
	for (size_t i = 0; i < ARRAY_LEN(called); i++)
		add_row(called[i], a_called_source_has_no_page_and_no_marker,
			called[i]);
	return run_suite(NULL, NULL);
}
