// SPDX-License-Identifier: MIT
/* Playing a script: its world, and its statements in turn. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "play.h"

/* TAI - UTC, s: the default of sim.h. */
#define TAI_OFFSET_SEC 37

/* --- statements ----------------------------------------------------------- */

static int check_live(struct paraclock_sim_play *play,
		      const struct statement *s)
{
	static const char why[] = "in a live world every TSC is the caller's "
				  "counter, and none can differ from it";
	enum verb_id verb = verb_of(s);
	/* Their first flag is counter-stops. */
	bool moves = verb == VERB_RESTORE || verb == VERB_CLONE ||
		     verb == VERB_MIGRATE;

	if (verb == VERB_TSC || verb == VERB_SKEW ||
	    (verb == VERB_RESUME && GIVEN(s, 1)) ||
	    (moves && GIVEN(s, FLAGS_AT)))
		return pclk_sim_play_error(play, -EINVAL, why);
	return 0;
}

static int act(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_event event = { .time_ns =
						     pclk_sim_play_now(play) };
	int ret = pclk_sim_play_act(play, s);

	/* A downtime has passed meanwhile. */
	play->time_ns += pclk_sim_play_now(play) - event.time_ns;
	return ret ? pclk_sim_play_refused(play, ret)
		   : pclk_sim_play_tell(play, s, &event);
}

static int play_statement(struct paraclock_sim_play *play,
			  const struct statement *s)
{
	enum verb_id verb = verb_of(s);
	int ret;

	play->now = s;
	if (verb == VERB_WORLD)
		return 0;
	if (verb == VERB_RUN || verb == VERB_AT)
		ret = pclk_sim_play_run(play, s);
	else if (verb == VERB_PUBLISH)
		ret = pclk_sim_play_publish(play, s);
	else if (verb >= VERB_OPEN)
		ret = pclk_sim_play_reader(play, s);
	else
		ret = act(play, s);
	return ret ? ret : pclk_sim_play_show_pages(play);
}

/* --- the world ------------------------------------------------------------ */

/* The counter, which stands still during an act: see pclk_sim_play_act(). */
static uint64_t live_counter(void *arg)
{
	struct paraclock_sim_play *play = arg;
	uint64_t frozen = __atomic_load_n(&play->frozen, __ATOMIC_ACQUIRE);

	return frozen ? frozen : play->opts.counter(play->opts.arg);
}

static void set_world(struct paraclock_sim_options *opts,
		      const struct statement *s)
{
	if (verb_of(s) != VERB_WORLD)
		return;
	opts->seed = (uint64_t)s->value[WORLD_SEED];
	opts->tai_offset_sec = (int16_t)s->value[WORLD_TAI_OFFSET];
	opts->leap = (uint8_t)s->value[WORLD_LEAP];
	if (GIVEN(s, WORLD_START))
		opts->start_tai_ns = (s->value[WORLD_START] +
				      (GIVEN(s, WORLD_TAI_OFFSET)
					       ? s->value[WORLD_TAI_OFFSET]
					       : TAI_OFFSET_SEC)) *
				     1000000000;
}

static int make_world(struct paraclock_sim_play *play)
{
	struct paraclock_sim_options opts = { .size = sizeof(opts) };

	set_world(&opts, play->now);
	if (play->opts.start_tai_ns)
		opts.start_tai_ns = play->opts.start_tai_ns;
	if (play->opts.counter) {
		opts.counter = live_counter;
		opts.arg = play;
		opts.counter_hz = play->opts.counter_hz;
		/* The seed of markers: no reader has seen them in an earlier
		 * play. */
		if (!opts.seed)
			opts.seed = play->opts.counter(play->opts.arg);
	}
	return paraclock_sim_new(&play->sim, &opts);
}

/* Undo faults, halts and pauses, so that each page can be written. */
static void mend(struct play_vm *vm)
{
	for (unsigned int kind = 0; kind <= PARACLOCK_SIM_VMCLOCK; kind++) {
		for (unsigned int vcpu = 0;
		     paraclock_sim_page(vm->vm, kind, vcpu, NULL); vcpu++) {
			(void)paraclock_sim_vcpu_run(vm->vm, vcpu);
			(void)paraclock_sim_fault(vm->vm, kind, vcpu,
						  PARACLOCK_SIM_FAULT_NONE, 0);
			if (kind != PARACLOCK_SIM_PVCLOCK)
				break;
		}
	}
	(void)paraclock_sim_resume(vm->vm, 0);
	pclk_sim_play_publish_end(vm);
}

/* The pages stay in files: make them say that they must not be used. */
static void end_live(struct paraclock_sim_play *play)
{
	for (unsigned int i = 0; i < play->vms; i++)
		mend(&play->vm[i]);
	for (unsigned int i = 0; i < NAMES_MAX; i++) {
		/* Refused for a nested host, whose status is its host's. */
		(void)paraclock_sim_status(play->host[i],
					   PARACLOCK_STATUS_UNRELIABLE);
		(void)paraclock_sim_clocksource(play->host[i], 0);
	}
	(void)pclk_sim_play_show_pages(play);
}

static void free_world(struct paraclock_sim_play *play)
{
	for (unsigned int i = 0; i < play->vms; i++)
		paraclock_close(play->vm[i].clk);
	for (unsigned int i = 0; i < play->states; i++)
		paraclock_sim_state_free(play->state[i]);
	paraclock_sim_free(play->sim);
}

static int play_all(struct paraclock_sim_play *play)
{
	const struct paraclock_sim_script *script = play->script;
	int ret = 0;

	if (play->opts.counter) {
		for (unsigned int i = 0; !ret && i < script->statements; i++) {
			play->now = &script->statement[i];
			ret = check_live(play, play->now);
		}
	}
	play->now = &script->statement[0];
	if (!ret) {
		ret = make_world(play);
		if (ret)
			return pclk_sim_play_error(play, ret,
						   "the world cannot be made");
	}
	for (unsigned int i = 0; !ret && i < script->statements; i++)
		ret = play_statement(play, &script->statement[i]);
	if (!ret)
		ret = pclk_sim_play_watch_end(play);
	if (play->opts.counter && play->sim)
		end_live(play);
	return ret;
}

int paraclock_sim_script_play(const struct paraclock_sim_script *script,
			      const struct paraclock_sim_play_options *opts,
			      unsigned int *ret_failed, char *detail,
			      size_t detail_size)
{
	struct paraclock_sim_play *play;
	int ret;

	if (!script || (opts && opts->size < sizeof(*opts)) ||
	    (opts && opts->counter && (!opts->counter_hz || !opts->wait)))
		return -EINVAL;
	play = calloc(1, sizeof(*play));
	if (!play)
		return -ENOMEM;
	play->script = script;
	play->detail = detail;
	play->detail_size = detail_size;
	if (detail && detail_size)
		detail[0] = '\0';
	if (opts)
		play->opts = *opts;
	ret = play_all(play);
	if (!ret && ret_failed)
		*ret_failed = play->failed;
	free_world(play);
	free(play);
	return ret;
}
