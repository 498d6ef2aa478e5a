// SPDX-License-Identifier: MIT
/* The guest that is kept: its clocks, its source, and what happens to it. */

#include <time.h>

#include "keeps_parts.h"

/* The world that callbacks without a context act on. */
static struct keep_world *here;

/* How fast a slew goes, ns per s: as fast as any daemon's. The kernel's own is
 * too slow for a test. */
#define SLEW_PPB 83333333LL

/* --- the truth ------------------------------------------------------------ */

int64_t true_utc(const struct keep_world *w)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_now(w->sim, UTC, &ns), 0);
	return ns;
}

int64_t host_utc(const struct keep_world *w)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_truth(w->vm,
					     paraclock_sim_counter(w->vm, 0),
					     UTC, &ns),
			 0);
	return ns;
}

int64_t guest_realtime(const struct keep_world *w)
{
	int64_t ns = -1;

	assert_int_equal(w->env.read_clock(w->env.ctx, CLOCK_REALTIME, &ns), 0);
	return ns;
}

int64_t true_offset(const struct keep_world *w)
{
	int64_t realtime = guest_realtime(w);

	return host_utc(w) - realtime;
}

/* --- the guest's clocks --------------------------------------------------- */

static const struct paraclock_env *sim_env(const struct keep_world *w)
{
	return paraclock_sim_env(w->vm, PARACLOCK_SIM_USER);
}

int64_t raw_ns(const struct keep_world *w)
{
	int64_t ns = -1;

	assert_int_equal(sim_env(w)->read_clock(w->env.ctx, CLOCK_MONOTONIC_RAW,
						&ns),
			 0);
	return ns;
}

int64_t slewed_ns(const struct keep_world *w, int64_t raw)
{
	int64_t past = raw - w->slewing.raw_ns, left = w->slewing.left_ns;
	int64_t most = past / (SEC / SLEW_PPB);

	if (!left)
		return 0;
	if (left > 0)
		return left < most ? left : most;
	return -left < most ? left : -most;
}

void act_of_somebody(struct keep_world *w, enum moment moment)
{
	int64_t before_ns;

	if (w->moment != moment || !w->times)
		return;
	w->times--;
	before_ns = w->set_ns;
	if (w->meddle)
		w->meddle(w);
	else
		set_clock(w, w->meddle_ns);
	/* Nobody can tell it from what the step did. */
	if (moment == BEFORE_STEP || w->steps)
		w->raced_ns += w->set_ns - before_ns;
}

static int guest_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	struct keep_world *w = here;
	int64_t raw = 0;
	int ret;

	/* The clock of a device. */
	if (clock_id < 0 && w->is_down)
		return -ETIMEDOUT;
	if (clock_id == CLOCK_REALTIME && w->reads_left && !--w->reads_left)
		act_of_somebody(w, w->is_armed ? WHILE_MEASURED : WHILE_LOOKED);
	ret = sim_env(w)->read_clock(ctx, clock_id, ret_ns);
	/* All of this kernel's clocks but one are slewed together. */
	if (!ret && clock_id >= 0 && clock_id != CLOCK_MONOTONIC_RAW &&
	    w->slewing.left_ns) {
		ret = sim_env(w)->read_clock(ctx, CLOCK_MONOTONIC_RAW, &raw);
		*ret_ns += slewed_ns(w, raw);
	}
	return ret;
}

/* Only PTP clocks are asked by it. */
static int guest_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	return here->is_down ? -ETIMEDOUT
			     : sim_env(here)->ioctl(ctx, fd, request, arg);
}

/* --- the test's own source ------------------------------------------------ */

static int own_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	(void)env;
	(void)opts;
	*ret_state = arg;
	return 0;
}

static int own_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct keep_world *w = state;
	struct own_source *own = &w->own;
	unsigned int scale = own->timescale;
	struct paraclock_sample sample = {
		.host_tsc = w->env.counter(w->env.ctx),
		.pair_error_ns = own->pair_error_ns,
		.clock_error_ns = own->clock_error_ns,
		.valid = !w->is_down,
		.reason = w->is_down ? PARACLOCK_REASON_STATUS
				     : PARACLOCK_REASON_OK,
		.timescale = own->timescale,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = own->leap,
		.flags = own->flags,
	};

	if (scale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)
		scale = UTC;
	if (scale == TAI && !own->no_offset) {
		sample.flags |= PARACLOCK_FLAG_TAI_OFFSET;
		sample.tai_offset_sec = (int16_t)(37 + own->leaps);
	}
	own->pair_error_ns += own->wider_ns;
	if (w->is_down)
		sample.pair_error_ns = sample.clock_error_ns =
			PARACLOCK_ERROR_UNKNOWN;
	*ret_sample = sample;
	return paraclock_sim_truth(w->vm, sample.host_tsc, scale,
				   &ret_sample->host_ns);
}

static void own_close(void *state)
{
	(void)state;
}

static const struct paraclock_backend own_backend = {
	.size = sizeof(own_backend),
	.name = "own",
	.quality = -300,
	.marker_class = PARACLOCK_MARKER_NONE,
	.open = own_open,
	.get_time = own_get_time,
	.close = own_close,
};

/* --- beginning and end ---------------------------------------------------- */

static void make_machines(struct keep_world *w,
			  const struct paraclock_sim_host_options host[2],
			  const struct paraclock_sim_vm_options *vm)
{
	struct paraclock_sim_options opts = { .size = sizeof(opts),
					      .seed = w->seed + 1 };

	assert_int_equal(paraclock_sim_new(&w->sim, &opts), 0);
	assert_int_equal(paraclock_sim_host_new(&w->host, w->sim, &host[0]), 0);
	assert_int_equal(paraclock_sim_host_new(&w->other, w->sim, &host[1]),
			 0);
	assert_int_equal(paraclock_sim_vm_new(&w->vm, w->host, vm), 0);
	w->env = *sim_env(w);
	w->env.system_clocks = &w->system;
	w->env.read_clock = guest_read_clock;
	w->env.ioctl = guest_ioctl;
}

void world_new(struct keep_world *w, uint32_t parts)
{
	const struct paraclock_sim_host_options host[2] = {
		{ .size = sizeof(host[0]) },
		{ .size = sizeof(host[1]) },
	};
	const struct paraclock_sim_vm_options vm = {
		.size = sizeof(vm),
		.parts = parts,
		.tsc_start = 1ULL << 40,
	};

	w->seed = 0;
	world_new_as(w, host, &vm);
}

void world_new_as(struct keep_world *w,
		  const struct paraclock_sim_host_options host[2],
		  const struct paraclock_sim_vm_options *vm)
{
	*w = (struct keep_world){
		.seed = w->seed,
		.own = { .timescale = UTC, .leap = PARACLOCK_LEAP_UNKNOWN },
		.rules = {
			.on_disruption = KEEP_STEP,
			.otherwise = KEEP_REPORT,
			.step_above_ns = 100 * MS,
			.jump_above_ns = 100 * MS,
			.assume_error_ns = SEC,
			.max_step_ns = -1,
			.earliest_ns = BUILT,
		},
		.may_step = true,
		.max_step_ns = -1,
		.expires_ns = BUILT + 365 * DAY,
	};
	here = w;
	make_machines(w, host, vm);
	set_ops(w);
}

void world_free(struct keep_world *w)
{
	paraclock_close(w->clk);
	paraclock_sim_state_free(w->saved);
	paraclock_sim_free(w->sim);
}

static void start_keeper(struct keep_world *w)
{
	assert_true(paraclock_event_fd(w->clk) >= 0);
	keeper_init(&w->keeper, &w->rules, &w->ops, &w->env);
	keeper_set_clock(&w->keeper, w->clk);
	pass_looking(w, SEC, 200 * MS);
	count_anew(w);
}

void keep_own(struct keep_world *w)
{
	struct paraclock_options opts = { .size = sizeof(opts),
					  .env = &w->env };

	assert_int_equal(
		paraclock_open_backend(&w->clk, &own_backend, w, &opts), 0);
	start_keeper(w);
}

void keep_anew(struct keep_world *w)
{
	struct paraclock_options opts = { .size = sizeof(opts),
					  .env = &w->env };
	struct paraclock *old = w->clk;

	assert_int_equal(
		paraclock_open_backend(&w->clk, &own_backend, w, &opts), 0);
	assert_true(paraclock_event_fd(w->clk) >= 0);
	keeper_set_clock(&w->keeper, w->clk);
	paraclock_close(old);
}

void keep_by(struct keep_world *w, const char *backend, const char *device)
{
	char why[256] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.env = &w->env,
		.detail = why,
		.detail_size = sizeof(why),
		.max_pair_error_ns = 10 * US,
	};

	if (paraclock_open(&w->clk, &opts))
		fail_msg("%s: %s", backend, why);
	start_keeper(w);
}

void set_down(struct keep_world *w, bool is_down)
{
	unsigned int status = is_down ? PARACLOCK_STATUS_UNRELIABLE
				      : PARACLOCK_STATUS_SYNCHRONIZED;

	w->is_down = is_down;
	if (!w->by_status)
		return;
	assert_int_equal(paraclock_sim_status(w->host, status), 0);
	assert_int_equal(paraclock_sim_status(w->other, status), 0);
}

void pass(struct keep_world *w, int64_t ns)
{
	assert_int_equal(paraclock_sim_run(w->sim, (uint64_t)ns), 0);
}

void look(struct keep_world *w)
{
	keeper_look(&w->keeper);
	assert_false(w->is_locked);
	if (w->keeper.state == KEEP_RIGHT &&
	    llabs(true_offset(w)) > w->rules.step_above_ns + EXACT_NS)
		FAULT(w, "it is right, it says, and off by %lld ns",
		      (long long)true_offset(w));
}

void pass_looking(struct keep_world *w, int64_t ns, int64_t every_ns)
{
	for (int64_t past = 0; past < ns; past += every_ns) {
		look(w);
		pass(w, every_ns);
	}
}

void count_anew(struct keep_world *w)
{
	w->n_acts = 0;
	w->acts[0] = '\0';
	w->steps = w->undone = w->slews = w->forgets = w->tells = 0;
	w->lists = 0;
	w->raced_ns = w->stepped_ns = 0;
}

/* --- what happens --------------------------------------------------------- */

void set_clock(struct keep_world *w, int64_t by_ns)
{
	/* A set ends what adjtime(3) has begun. */
	end_slew(w);
	assert_int_equal(paraclock_sim_guest_step(w->vm, by_ns), 0);
	w->sets++;
	w->set_ns += by_ns;
	/* Whoever sets it, the kernel does not count it as synchronised. */
	w->kernel &= ~KEEP_KERNEL_SYNCHRONIZED;
}

void pause_for(struct keep_world *w, int64_t ns)
{
	assert_int_equal(paraclock_sim_pause(w->vm), 0);
	pass(w, ns);
	assert_int_equal(
		paraclock_sim_resume(w->vm, PARACLOCK_SIM_COUNTER_STOPS |
						    PARACLOCK_SIM_CLOCK_STOPS),
		0);
}

void restore_after(struct keep_world *w, int64_t ns, bool silent)
{
	restore_on(w, NULL, ns, silent);
}

void restore_on(struct keep_world *w, struct paraclock_sim_host *to, int64_t ns,
		bool silent)
{
	uint32_t flags = PARACLOCK_SIM_COUNTER_STOPS |
			 PARACLOCK_SIM_CLOCK_STOPS |
			 (silent ? PARACLOCK_SIM_SILENT : 0);

	paraclock_sim_state_free(w->saved);
	w->saved = NULL;
	assert_int_equal(paraclock_sim_save(&w->saved, w->vm), 0);
	/* The keeper's own memory is restored as well: it does not run. */
	pass(w, ns);
	assert_int_equal(paraclock_sim_restore(w->vm, w->saved, to, flags), 0);
}

void migrate(struct keep_world *w, struct paraclock_sim_host *to, int64_t ns)
{
	assert_int_equal(
		paraclock_sim_migrate(w->vm, to, (uint64_t)ns,
				      PARACLOCK_SIM_SCALED |
					      PARACLOCK_SIM_COUNTER_STOPS |
					      PARACLOCK_SIM_CLOCK_STOPS),
		0);
}

void suspend_for(struct keep_world *w, int64_t ns, int64_t rtc_off_ns)
{
	unsigned int kernel = w->kernel;

	pause_for(w, ns);
	w->suspended_ns += ns;
	set_clock(w, ns + rtc_off_ns);
	/* The kernel's own act leaves what it says of its clock as it was. */
	w->kernel = kernel;
}
