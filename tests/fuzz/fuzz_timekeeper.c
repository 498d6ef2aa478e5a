// SPDX-License-Identifier: MIT
/*
 * A timekeeper in memory that anybody may write: its writer goes on or refuses,
 * and no reader hangs, or considers valid what the memory itself shows to be
 * wrong.
 */

#include "fuzz_host.h"
#include "host/timekeeper.h"

static const int read_errors[] = { EINVAL, EAGAIN, EPROTO, ERANGE, 0 };
static const int write_errors[] = { EINVAL, EPERM,  EBUSY,  EAGAIN,
				    ESTALE, ERANGE, EPROTO, 0 };

struct state {
	struct fuzz_world world;
	struct paraclock_timekeeper tk;
	struct paraclock *clk; /* it, opened; NULL: not yet */
	bool scribbled;
	bool loose;    /* the promise was dropped once */
	bool promised; /* the last reading was MONOTONIC */
	int64_t seen_ns;
	uint64_t seen_tsc;
	uint64_t seen_migrations;
};

static const struct tk *inside(const struct state *s)
{
	return (const void *)&s->tk;
}

/* --- reading -------------------------------------------------------------- */

/* The copy in force at a counter value, computed without the reader. */
static void check_against_memory(const struct state *s,
				 const struct paraclock_sample *sample)
{
	const struct tk *tk = inside(s);
	const struct tk_slot *slot = &tk->slot[tk->state & 1];
	const struct tk_conversion *conv =
		&slot->conv[sample->host_tsc >= slot->t_change];
	wide time = (wide)conv->base_sec << 64 | conv->base_frac;
	wide nsec;

	CHECK(tk->head == TK_HEAD);
	CHECK(slot->mode == TK_RUNNING);
	CHECK(sample->host_tsc <= slot->t_end);
	CHECK(sample->host_tsc >= conv->base_tsc);
	CHECK(conv->period_frac && conv->shift < 64);
	time += (wide)(sample->host_tsc - conv->base_tsc) * conv->period_frac >>
		conv->shift;
	nsec = (wide)(uint64_t)time * 1000000000 >> 64;
	CHECK((wide)sample->host_ns == (time >> 64) * 1000000000 + nsec);
	CHECK(sample->pair_error_ns == 0);
	CHECK(sample->clock_error_ns >= conv->error_ns);
}

static void check_read(struct state *s, int ret,
		       const struct paraclock_sample *sample)
{
	fuzz_check_error(ret, read_errors);
	if (ret) {
		fuzz_check_untouched(sample, sizeof(*sample));
		return;
	}
	fuzz_check_sample(&s->world, sample);
	if (!sample->valid)
		return;
	CHECK(sample->marker_class <= PARACLOCK_MARKER_HEURISTIC);
	check_against_memory(s, sample);
}

static void read_now(struct state *s)
{
	struct paraclock_sample sample;
	bool promised;
	int ret;

	memset(&sample, 0xa5, sizeof(sample));
	fuzz_begin_call(&s->world);
	ret = paraclock_timekeeper_read(&s->tk, &s->world.env, &sample);
	check_read(s, ret, &sample);
	if (ret || !sample.valid)
		return;
	promised = sample.flags & PARACLOCK_FLAG_MONOTONIC;
	/*
	 * Readers of a counter that is turned back prove nothing:
	 * <paraclock/host.h>.
	 */
	CHECK(s->scribbled || s->loose || !promised || !s->promised ||
	      sample.host_tsc < s->seen_tsc ||
	      s->seen_migrations != sample.epoch ||
	      sample.host_ns >= s->seen_ns);
	s->promised = promised;
	s->seen_ns = sample.host_ns;
	s->seen_tsc = sample.host_tsc;
	s->seen_migrations = sample.epoch;
}

static void describe(struct state *s)
{
	struct paraclock_timekeeper_info info, was;
	int ret;

	memset(&info, 0xa5, sizeof(info));
	info.size = sizeof(info);
	was = info;
	fuzz_begin_call(&s->world);
	ret = paraclock_timekeeper_describe(&s->tk, &s->world.env, &info);
	fuzz_check_error(ret, read_errors);
	if (ret) {
		CHECK(memcmp(&info, &was, sizeof(info)) == 0);
		return;
	}
	CHECK(info.state <= PARACLOCK_TIMEKEEPER_EXPIRED);
	CHECK(info.size == sizeof(info));
	CHECK(info.t_change == UINT64_MAX || info.t_change > info.now_tsc);
}

/* As a clock: its hot path, and a counter value of the past. */
static void read_handle(struct state *s)
{
	struct paraclock_sample sample;
	uint64_t at = s->world.counter - fuzz_take(&s->world, 2);
	char text[80];
	int ret;

	fuzz_begin_call(&s->world);
	if (!s->clk &&
	    paraclock_timekeeper_open(&s->clk, &s->tk, &s->world.env))
		return;
	memset(&sample, 0xa5, sizeof(sample));
	ret = paraclock_read(s->clk, &sample);
	fuzz_check_error(ret, read_errors);
	if (!ret)
		fuzz_check_sample(&s->world, &sample);
	else
		fuzz_check_untouched(&sample, sizeof(sample));
	CHECK(!paraclock_explain(s->clk, ret, &sample, text, sizeof(text)));
	memset(&sample, 0xa5, sizeof(sample));
	ret = paraclock_read_at(s->clk, at, &sample);
	fuzz_check_error(ret, read_errors);
	if (!ret)
		fuzz_check_sample(&s->world, &sample);
}

/* --- writing -------------------------------------------------------------- */

static void set(struct state *s)
{
	struct paraclock_timeline tl = fuzz_timeline(&s->world);
	uint64_t ahead = fuzz_take(&s->world, 2);
	uint64_t t_change = ahead ? s->world.counter + ahead : 0;

	s->loose = s->loose || !(tl.flags & PARACLOCK_TIMELINE_MONOTONIC);
	fuzz_begin_call(&s->world);
	fuzz_check_error(paraclock_timekeeper_set(&s->tk, &s->world.env, &tl,
						  t_change),
			 write_errors);
}

static void reconfigure(struct state *s)
{
	struct paraclock_timeline tl = fuzz_timeline(&s->world);

	s->loose = s->loose || !(tl.flags & PARACLOCK_TIMELINE_MONOTONIC);
	fuzz_begin_call(&s->world);
	fuzz_check_error(paraclock_timekeeper_reconfigure(&s->tk, &s->world.env,
							  &tl),
			 write_errors);
}

static void acquire(struct state *s)
{
	struct paraclock_timekeeper_options opts = {
		.size = sizeof(opts),
		.migrations = fuzz_take(&s->world, 1),
		.flags = (uint32_t)fuzz_take(&s->world, 1) & 1,
	};

	fuzz_begin_call(&s->world);
	fuzz_check_error(paraclock_timekeeper_acquire(&s->tk, &s->world.env,
						      &opts),
			 write_errors);
	s->promised = false;
}

/* One byte of a word, or all of it. */
static void scribble(struct state *s)
{
	size_t word = fuzz_take(&s->world, 2) % 256;
	uint64_t mask = fuzz_take(&s->world, 1);

	mask = mask & 0x80 ? UINT64_MAX : 0xffULL << (mask & 7) * 8;
	s->tk.opaque[word] =
		(s->tk.opaque[word] & ~mask) | (fuzz_take(&s->world, 8) & mask);
	s->scribbled = true;
}

static void act(struct state *s)
{
	switch (fuzz_take(&s->world, 1) % 16) {
	case 0:
	case 1:
		set(s);
		break;
	case 2:
		fuzz_check_error(paraclock_timekeeper_freeze(&s->tk,
							     &s->world.env),
				 write_errors);
		break;
	case 3:
		reconfigure(s);
		break;
	case 4:
		fuzz_check_error(paraclock_timekeeper_unfreeze(&s->tk,
							       &s->world.env),
				 write_errors);
		break;
	case 5:
		acquire(s);
		break;
	case 6:
		fuzz_check_error(paraclock_timekeeper_release(&s->tk,
							      &s->world.env),
				 write_errors);
		break;
	case 7:
	case 8:
		scribble(s);
		break;
	case 9:
		describe(s);
		break;
	case 10:
		read_handle(s);
		break;
	case 11:
		s->world.counter += fuzz_take(&s->world, 4);
		break;
	case 12:
		s->world.counter -= fuzz_take(&s->world, 3);
		s->promised = false;
		break;
	default:
		read_now(s);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct state s;

	memset(&s, 0, sizeof(s));
	fuzz_world_init(&s.world, data, size);
	fuzz_check_error(paraclock_timekeeper_acquire(&s.tk, &s.world.env,
						      NULL),
			 write_errors);
	while (s.world.size)
		act(&s);
	read_now(&s);
	describe(&s);
	paraclock_close(s.clk);
	return 0;
}
