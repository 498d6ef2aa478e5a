// SPDX-License-Identifier: MIT
/* Readers in the VMs of a script, and what the script expects them to see. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"
#include "sim/world/world.h"

/* 'expect': the indexes of its conditions among its arguments. */
enum condition {
	EXPECT_VALID = 1,
	EXPECT_INVALID,
	EXPECT_REASON,
	EXPECT_FAILS,
	EXPECT_DISRUPTED,
	EXPECT_UNDISRUPTED,
	EXPECT_ERROR,
};

/* One reading, and how far it is off. */
struct reading {
	int ret; /* of paraclock_read() */
	struct paraclock_sample sample;
	int truth_ret; /* 0: error_ns is known */
	int64_t error_ns;
};

static int open_clock(struct paraclock_sim_play *play,
		      const struct statement *s, struct play_vm *vm)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = paraclock_sim_env(vm->vm, GIVEN(s, OPEN_KERNEL)
							 ? PARACLOCK_SIM_KERNEL
							 : PARACLOCK_SIM_USER),
		.detail = play->remark,
		.detail_size = sizeof(play->remark),
	};
	const struct paraclock_backend *be = paraclock_sim_backend();
	int ret;

	paraclock_close(vm->clk);
	vm->clk = NULL;
	opts.backend = GIVEN(s, OPEN_WITH)
			       ? pclk_sim_script_word(KIND_BACKEND,
						      s->value[OPEN_WITH])
			       : NULL;
	if (opts.backend && strcmp(opts.backend, be->name) == 0) {
		opts.backend = NULL;
		ret = paraclock_open_backend(&vm->clk, be, NULL, &opts);
	} else {
		ret = paraclock_open(&vm->clk, &opts);
	}
	if (ret)
		return pclk_sim_play_error(play, ret,
					   play->remark[0]
						   ? play->remark
						   : "no clock can be opened");
	vm->epoch = paraclock_epoch(vm->clk);
	vm->last.valid = 0;
	snprintf(play->remark, sizeof(play->remark), "%s",
		 paraclock_backend_name(vm->clk));
	return 0;
}

static struct reading take_reading(const struct play_vm *vm)
{
	struct reading r = { .truth_ret = -ESTALE };
	int64_t truth;

	r.ret = paraclock_read(vm->clk, &r.sample);
	if (r.ret || !r.sample.valid)
		return r;
	r.truth_ret = paraclock_sim_truth(vm->vm, r.sample.host_tsc,
					  r.sample.timescale, &truth);
	if (!r.truth_ret)
		/* Unsigned: the difference of a wrong page may overflow. */
		r.error_ns =
			(int64_t)((uint64_t)r.sample.host_ns - (uint64_t)truth);
	return r;
}

static void describe(const struct reading *r, char *buf, size_t size)
{
	if (r->ret)
		snprintf(buf, size, "failed: %s", paraclock_error_name(r->ret));
	else if (!r->sample.valid)
		snprintf(buf, size, "not valid: %s",
			 paraclock_reason_name(r->sample.reason));
	else if (r->truth_ret)
		snprintf(buf, size, "valid, but the truth is not known");
	else
		snprintf(buf, size, "valid, off by %+" PRId64 " ns",
			 r->error_ns);
}

static uint64_t size_of(int64_t ns)
{
	return ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
}

/* 'error < T' excludes T, 'within T' includes it. A reading that gives no time
 * is off. */
static bool is_off(const struct reading *r, int64_t bound_ns, bool inclusive)
{
	return r->ret || !r->sample.valid || r->truth_ret ||
	       size_of(r->error_ns) > (uint64_t)bound_ns - !inclusive;
}

/* The first condition that does not hold; 0: all hold. */
static unsigned int broken(const struct statement *s, const struct reading *r,
			   bool disrupted)
{
	bool valid = !r->ret && r->sample.valid;

	if (GIVEN(s, EXPECT_VALID) && !valid)
		return EXPECT_VALID;
	if (GIVEN(s, EXPECT_INVALID) && (r->ret || valid))
		return EXPECT_INVALID;
	if (GIVEN(s, EXPECT_REASON) &&
	    (r->ret || r->sample.reason != s->value[EXPECT_REASON]))
		return EXPECT_REASON;
	if (GIVEN(s, EXPECT_FAILS) && r->ret != s->value[EXPECT_FAILS])
		return EXPECT_FAILS;
	if (GIVEN(s, EXPECT_DISRUPTED) && !disrupted)
		return EXPECT_DISRUPTED;
	if (GIVEN(s, EXPECT_UNDISRUPTED) && disrupted)
		return EXPECT_UNDISRUPTED;
	if (GIVEN(s, EXPECT_ERROR) &&
	    (!s->value[EXPECT_ERROR] ||
	     is_off(r, s->value[EXPECT_ERROR], false)))
		return EXPECT_ERROR;
	return 0;
}

static int expect(struct paraclock_sim_play *play, const struct statement *s,
		  struct play_vm *vm)
{
	struct paraclock_sim_event event = { .time_ns =
						     pclk_sim_play_now(play) };
	struct reading r = take_reading(vm);
	bool disrupted = paraclock_epoch(vm->clk) != vm->epoch;
	char state[128];
	unsigned int which = broken(s, &r, disrupted);

	/* "disrupted" means: since the last time that it was asked. */
	if (GIVEN(s, EXPECT_DISRUPTED) || GIVEN(s, EXPECT_UNDISRUPTED))
		vm->epoch = paraclock_epoch(vm->clk);
	if (!which)
		return pclk_sim_play_tell(play, s, &event);
	describe(&r, state, sizeof(state));
	snprintf(play->remark, sizeof(play->remark), "not %s: %s%s",
		 s->verb->arg[which].word, state,
		 which == EXPECT_DISRUPTED     ? "; no disruption was noticed"
		 : which == EXPECT_UNDISRUPTED ? "; a disruption was noticed"
					       : "");
	event.failed = 1;
	event.column = s->column[which];
	event.detail = play->remark;
	return pclk_sim_play_tell(play, s, &event);
}

static int read_once(struct paraclock_sim_play *play, const struct statement *s,
		     struct play_vm *vm)
{
	struct paraclock_sim_event event = { .time_ns =
						     pclk_sim_play_now(play) };
	struct reading r = take_reading(vm);

	describe(&r, play->remark, sizeof(play->remark));
	event.detail = play->remark;
	event.backend = paraclock_backend_name(vm->clk);
	event.error_ns = r.error_ns;
	if (!r.ret)
		event.sample = &r.sample;
	return pclk_sim_play_tell(play, s, &event);
}

/* --- watch ---------------------------------------------------------------- */

struct play_vm *pclk_sim_play_next_watch(struct paraclock_sim_play *play)
{
	struct play_vm *first = NULL;

	for (unsigned int i = 0; i < play->vms; i++) {
		struct play_vm *vm = &play->vm[i];

		if (vm->watch && (!first || vm->due_ns < first->due_ns))
			first = vm;
	}
	return first;
}

/* Did the clock go back, although both samples carry the host's promise? */
static bool is_back(const struct play_vm *vm, const struct reading *r)
{
	const struct paraclock_sample *last = &vm->last;

	return last->valid && last->epoch == r->sample.epoch &&
	       last->flags & r->sample.flags & PARACLOCK_FLAG_MONOTONIC &&
	       r->sample.host_ns < last->host_ns;
}

static int tell_wrong(struct paraclock_sim_play *play, struct play_vm *vm,
		      const struct reading *r, bool back)
{
	struct paraclock_sim_event event = {
		.time_ns = pclk_sim_play_now(play),
		.detail = play->remark,
		.failed = 1,
	};

	/* Report the first one; the others are counted. */
	if (vm->wrong++)
		return 0;
	if (back)
		snprintf(play->remark, sizeof(play->remark),
			 "back by %" PRId64 " ns, against the promise",
			 vm->last.host_ns - r->sample.host_ns);
	else
		describe(r, play->remark, sizeof(play->remark));
	return pclk_sim_play_tell(play, vm->watch, &event);
}

/* Readings that were missed, in a move or by a slow reading, are left out. */
static void set_due(const struct paraclock_sim_play *play, struct play_vm *vm)
{
	int64_t every_ns = vm->watch->value[WATCH_EVERY];
	int64_t late_ns = pclk_sim_play_now(play) - vm->due_ns;

	vm->due_ns += (late_ns / every_ns + 1) * every_ns;
}

static int watch_once(struct paraclock_sim_play *play, struct play_vm *vm)
{
	struct reading r = take_reading(vm);
	bool back;
	int ret = 0;

	vm->readings++;
	if (r.ret || !r.sample.valid)
		return 0;
	vm->valid++;
	back = is_back(vm, &r);
	if (back || is_off(&r, vm->watch->value[WATCH_WITHIN], true))
		ret = tell_wrong(play, vm, &r, back);
	vm->last = r.sample;
	return ret;
}

int pclk_sim_play_watch(struct paraclock_sim_play *play, struct play_vm *vm)
{
	/* No program of a stopped VM reads. */
	int ret = pclk_sim_vm_runs(vm->vm) ? watch_once(play, vm) : 0;

	set_due(play, vm);
	return ret;
}

static int end_watch(struct paraclock_sim_play *play, struct play_vm *vm)
{
	struct paraclock_sim_event event = {
		.time_ns = pclk_sim_play_now(play),
		.detail = play->remark,
	};
	const struct statement *watch = vm->watch;

	if (!watch)
		return 0;
	vm->watch = NULL;
	snprintf(play->remark, sizeof(play->remark),
		 "%" PRIu64 " readings, %" PRIu64 " valid, %" PRIu64
		 " of these wrong",
		 vm->readings, vm->valid, vm->wrong);
	return pclk_sim_play_tell(play, watch, &event);
}

int pclk_sim_play_watch_end(struct paraclock_sim_play *play)
{
	int ret = 0;

	for (unsigned int i = 0; !ret && i < play->vms; i++)
		ret = end_watch(play, &play->vm[i]);
	return ret;
}

static int start_watch(struct paraclock_sim_play *play,
		       const struct statement *s, struct play_vm *vm)
{
	int ret = end_watch(play, vm);

	vm->watch = s;
	vm->due_ns = pclk_sim_play_now(play) + s->value[WATCH_EVERY];
	vm->readings = 0;
	vm->valid = 0;
	vm->wrong = 0;
	return ret;
}

/* --- statements ----------------------------------------------------------- */

int pclk_sim_play_reader(struct paraclock_sim_play *play,
			 const struct statement *s)
{
	struct paraclock_sim_event event = { .time_ns =
						     pclk_sim_play_now(play) };
	struct play_vm *vm = &play->vm[s->value[0]];
	int ret = 0;

	play->remark[0] = '\0';
	switch (verb_of(s)) {
	case VERB_READ:
		return read_once(play, s, vm);
	case VERB_EXPECT:
		return expect(play, s, vm);
	case VERB_OPEN:
		ret = open_clock(play, s, vm);
		break;
	case VERB_WATCH:
		ret = start_watch(play, s, vm);
		play->remark[0] = '\0';
		break;
	default:
		ret = end_watch(play, vm);
		paraclock_close(vm->clk);
		vm->clk = NULL;
		play->remark[0] = '\0';
		break;
	}
	event.detail = play->remark;
	return ret ? ret : pclk_sim_play_tell(play, s, &event);
}
