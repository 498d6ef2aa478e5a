// SPDX-License-Identifier: MIT
/*
 * A timekeeper that follows a clock with any answers: it ends, fails as
 * documented, and its readers' times are as uncertain as the clock's.
 */

#include <paraclock/timekeeper.h>

#include "fuzz_host.h"

static const int errors[] = { EINVAL, EAGAIN,	  ESTALE, ERANGE, EPERM,
			      EBUSY,  EOPNOTSUPP, EPROTO, 0 };
static const int read_errors[] = { EAGAIN, ERANGE, 0 };

struct state {
	struct fuzz_world world;
	struct paraclock_timekeeper tk;
	struct paraclock_follow follow;
	struct paraclock *clk;
	struct paraclock_sample said; /* the clock's last answer */
	uint64_t marker;
	uint64_t hz; /* of the counter, as the clock sees it */
	bool promised;
	int64_t seen_ns;
	uint64_t seen_tsc;
	uint64_t migrations;
};

/* --- the clock ------------------------------------------------------------ */

static int clock_open(const struct paraclock_env *env,
		      const struct paraclock_options *opts, void *arg,
		      void **ret_state)
{
	(void)opts;
	(void)arg;
	*ret_state = ((struct fuzz_world *)env->ctx)->arg;
	return 0;
}

/* It goes on with the counter; now and then it is anywhere. */
static void say_next(struct state *s, struct paraclock_sample *said)
{
	struct fuzz_world *world = &s->world;
	uint8_t act = (uint8_t)fuzz_take(world, 1);
	uint64_t now = world->env.counter(world), ticks = now - said->host_tsc;

	said->host_ns = (int64_t)((uint64_t)said->host_ns +
				  (uint64_t)((wide)ticks * 1000000000 / s->hz));
	said->host_tsc = now;
	if (act < 8)
		said->host_ns = (int64_t)fuzz_take(world, 8);
	else if (act < 32)
		said->host_ns = (int64_t)((uint64_t)said->host_ns +
					  fuzz_take(world, 3) - (1U << 23));
	else if (act < 40)
		said->clock_error_ns = fuzz_take(world, 8);
	else if (act < 64)
		said->clock_error_ns = fuzz_take(world, 3);
	else if (act < 72)
		said->pair_error_ns = fuzz_take(world, 2);
	else if (act < 76)
		s->hz = 1000000 + fuzz_take(world, 4);
	else if (act < 80)
		said->host_tsc = fuzz_take(world, 8);
	else if (act < 84)
		said->leap = (uint8_t)fuzz_take(world, 1) % 6;
	else if (act < 86)
		s->marker++;
	else if (act < 88)
		said->timescale = 1 + (uint8_t)fuzz_take(world, 1) % 3;
}

static int clock_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct state *s = state;
	uint8_t act = (uint8_t)fuzz_take(&s->world, 1);

	say_next(s, &s->said);
	*ret_sample = s->said;
	if (act < 4)
		return -EAGAIN;
	if (act < 12) {
		ret_sample->valid = 0;
		ret_sample->reason = PARACLOCK_REASON_STATUS;
		ret_sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
		ret_sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
	}
	return 0;
}

static int clock_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	*ret_marker =
		(struct paraclock_marker){ ((struct state *)state)->marker, 0 };
	return 0;
}

static void clock_close(void *state)
{
	(void)state;
}

static const struct paraclock_backend backend = {
	.size = sizeof(backend),
	.name = "fuzz",
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.open = clock_open,
	.get_time = clock_get_time,
	.get_marker = clock_get_marker,
	.close = clock_close,
};

/* --- what must hold ------------------------------------------------------- */

static void read_now(struct state *s, bool followed)
{
	const struct paraclock_sample *said = &s->said;
	struct paraclock_sample sample;
	uint64_t unsure;
	bool promised;
	int ret;

	memset(&sample, 0xa5, sizeof(sample));
	fuzz_begin_call(&s->world);
	ret = paraclock_timekeeper_read(&s->tk, &s->world.env, &sample);
	fuzz_check_error(ret, read_errors);
	if (ret) {
		fuzz_check_untouched(&sample, sizeof(sample));
		return;
	}
	fuzz_check_sample(&s->world, &sample);
	if (!sample.valid)
		return;
	promised = sample.flags & PARACLOCK_FLAG_MONOTONIC;
	/*
	 * Readers of a counter that is turned back prove nothing:
	 * <paraclock/host.h>.
	 */
	CHECK(!promised || !s->promised || sample.host_tsc < s->seen_tsc ||
	      s->migrations != sample.epoch || sample.host_ns >= s->seen_ns);
	s->promised = promised;
	s->seen_ns = sample.host_ns;
	s->seen_tsc = sample.host_tsc;
	s->migrations = sample.epoch;
	if (!followed || sample.clock_error_ns == PARACLOCK_ERROR_UNKNOWN)
		return;
	/* A bound is made of a bound, and is no better. */
	CHECK(s->follow.drift_ppb);
	CHECK(!__builtin_add_overflow(said->clock_error_ns, said->pair_error_ns,
				      &unsure));
	CHECK(sample.clock_error_ns >= unsure);
}

static void follow(struct state *s)
{
	struct paraclock_follow was = s->follow;
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };
	uint64_t updates = 0, migrations = 0;
	int ret;

	if (!paraclock_timekeeper_describe(&s->tk, &s->world.env, &info)) {
		updates = info.updates;
		migrations = info.migrations;
	}
	fuzz_begin_call(&s->world);
	ret = paraclock_timekeeper_follow(&s->tk, &s->world.env, s->clk,
					  &s->follow);
	fuzz_check_error(ret, errors);
	if (ret) {
		CHECK(s->follow.steps == was.steps);
		CHECK(s->follow.offset_ns == was.offset_ns);
	}
	CHECK(s->follow.steps <= was.steps + 1);
	CHECK(!paraclock_timekeeper_describe(&s->tk, &s->world.env, &info));
	CHECK(ret || info.updates != updates);
	CHECK(info.migrations - migrations <= 1);
	CHECK(info.state != PARACLOCK_TIMEKEEPER_FROZEN || ret);
	/* Past the moment at which it comes into force. */
	if (!ret && info.next.size)
		s->world.counter = info.t_change;
	read_now(s, !ret);
}

static void configure(struct state *s)
{
	struct fuzz_world *world = &s->world;
	uint8_t kind = (uint8_t)fuzz_take(world, 1);

	s->follow = (struct paraclock_follow){
		.size = sizeof(s->follow),
		.max_slew_ppb = fuzz_take(world, 3),
		.step_ns = kind & 8 ? 1 + fuzz_take(world, 4) : 0,
		.lease_ns = kind & 16 ? 1000000 + fuzz_take(world, 4) : 0,
		.rate_interval_ns = kind & 32 ? 1000000 : 1000000000,
		.drift_ppb = kind & 64 ? fuzz_take(world, 3) : 10,
		.flags = kind & 7,
	};
}

static void act(struct state *s)
{
	uint8_t what = (uint8_t)fuzz_take(&s->world, 1);

	if (what < 160) {
		follow(s);
	} else if (what < 200) {
		s->world.counter += fuzz_take(&s->world, 4);
	} else if (what < 210) {
		fuzz_check_error(paraclock_timekeeper_freeze(&s->tk,
							     &s->world.env),
				 errors);
	} else if (what < 220) {
		fuzz_check_error(paraclock_timekeeper_unfreeze(&s->tk,
							       &s->world.env),
				 errors);
	} else {
		read_now(s, false);
	}
	/* As often as necessary: a rate needs some time. */
	s->world.counter += s->hz >> (what & 15);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state s;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &s.world.env,
	};

	memset(&s, 0, sizeof(s));
	fuzz_world_init(&s.world, data, size);
	s.world.arg = &s;
	s.marker = 1;
	s.hz = 1000000000;
	s.said = (struct paraclock_sample){
		.host_ns = 1782864000000000000 - (1LL << 38) +
			   (int64_t)fuzz_take(&s.world, 5),
		.host_tsc = s.world.counter,
		.clock_error_ns = 1000,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.flags = PARACLOCK_FLAG_TAI_OFFSET,
		.tai_offset_sec = 37,
	};
	configure(&s);
	if (paraclock_open_backend(&s.clk, &backend, NULL, &opts))
		return 0;
	CHECK(!paraclock_timekeeper_acquire(&s.tk, &s.world.env, NULL));
	while (s.world.size)
		act(&s);
	paraclock_close(s.clk);
	return 0;
}
