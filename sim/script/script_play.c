// SPDX-License-Identifier: MIT
/* Playing a script: its world, and the passing of time. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

/* In a live world: how often what is due is done, ns. */
#define TICK_NS 100000000

int64_t pclk_sim_play_now(const struct paraclock_sim_play *play)
{
	int64_t ns = 0;

	(void)paraclock_sim_now(play->sim, PARACLOCK_TIMESCALE_MONOTONIC, &ns);
	return ns;
}

int pclk_sim_play_error(struct paraclock_sim_play *play, int error,
			const char *what)
{
	if (play->detail)
		snprintf(play->detail, play->detail_size, "%u: %s: %s",
			 play->now->line, play->now->text, what);
	return error;
}

int pclk_sim_play_refused(struct paraclock_sim_play *play, int error)
{
	const char *why = play->now->verb->refused;
	char refused[64];

	snprintf(refused, sizeof(refused), "refused (%s)",
		 paraclock_error_name(error));
	return pclk_sim_play_error(
		play, error,
		why[0] && (error == -EINVAL || error == -ERANGE) ? why
								 : refused);
}

int pclk_sim_play_tell(struct paraclock_sim_play *play,
		       const struct statement *s,
		       struct paraclock_sim_event *event)
{
	event->size = sizeof(*event);
	event->text = s->text;
	event->line = s->line;
	if (!event->detail)
		event->detail = "";
	play->failed += event->failed;
	return play->opts.on_event ? play->opts.on_event(play->opts.arg, event)
				   : 0;
}

static int show_pages(struct paraclock_sim_play *play)
{
	return play->opts.on_pages ? play->opts.on_pages(play->opts.arg, play)
				   : 0;
}

const char *paraclock_sim_play_vm(const struct paraclock_sim_play *play,
				  unsigned int index,
				  struct paraclock_sim_vm **ret_vm)
{
	if (!play || index >= play->vms)
		return NULL;
	if (ret_vm)
		*ret_vm = play->vm[index].vm;
	return play->vm[index].name;
}

/* --- time -----------------------------------------------------------------
 */

static int run(struct paraclock_sim_play *play, int64_t ns)
{
	int ret = paraclock_sim_run(play->sim, (uint64_t)ns);

	return ret ? pclk_sim_play_refused(play, ret) : 0;
}

/* A tick of a live world, or all that is left of virtual time. */
static int pass_some(struct paraclock_sim_play *play, int64_t ns)
{
	int ret;

	if (!play->opts.counter)
		return run(play, ns);
	ret = play->opts.wait(play->opts.arg,
			      (uint64_t)(ns < TICK_NS ? ns : TICK_NS));
	if (!ret)
		ret = run(play, 0);
	return ret ? ret : show_pages(play);
}

static int pass_until(struct paraclock_sim_play *play, int64_t end_ns)
{
	for (;;) {
		struct play_vm *vm = pclk_sim_play_next_watch(play);
		bool reads = vm && vm->due_ns <= end_ns;
		int64_t left =
			(reads ? vm->due_ns : end_ns) - pclk_sim_play_now(play);
		int ret = left > 0 ? pass_some(play, left) : 0;

		if (!ret && reads && vm->due_ns <= pclk_sim_play_now(play))
			ret = pclk_sim_play_watch(play, vm);
		else if (!ret && !reads && end_ns <= pclk_sim_play_now(play))
			return 0;
		if (ret)
			return ret;
	}
}

int pclk_sim_play_wait(struct paraclock_sim_play *play, int64_t ns)
{
	int64_t end_ns = pclk_sim_play_now(play) + ns, left;
	int ret = 0;

	while (!ret && (left = end_ns - pclk_sim_play_now(play)) > 0)
		ret = pass_some(play, left);
	return ret;
}

int pclk_sim_play_pass(struct paraclock_sim_play *play, int64_t ns)
{
	play->time_ns += ns;
	return pass_until(play, play->time_ns);
}

/* What was asked for, not what came of it: in a live world lateness would add
 * up. */
static int pass(struct paraclock_sim_play *play, const struct statement *s)
{
	struct paraclock_sim_event event = {
		.time_ns = pclk_sim_play_now(play),
		.passes = 1,
	};
	int ret = pclk_sim_play_tell(play, s, &event);

	if (s->verb == &pclk_sim_script_verbs[VERB_AT])
		play->time_ns = s->value[0];
	else
		play->time_ns += s->value[0];
	return ret ? ret : pass_until(play, play->time_ns);
}

/* --- statements -----------------------------------------------------------
 */

static int check_live(struct paraclock_sim_play *play,
		      const struct statement *s)
{
	static const char why[] =
		"in a live world each TSC is the counter that it passes by, "
		"and none can be set apart";
	enum verb_id verb = (enum verb_id)(s->verb - pclk_sim_script_verbs);
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

	/* What stops the VM takes its time. */
	play->time_ns += pclk_sim_play_now(play) - event.time_ns;
	return ret ? pclk_sim_play_refused(play, ret)
		   : pclk_sim_play_tell(play, s, &event);
}

static int play_statement(struct paraclock_sim_play *play,
			  const struct statement *s)
{
	enum verb_id verb = (enum verb_id)(s->verb - pclk_sim_script_verbs);
	int ret;

	play->now = s;
	if (verb == VERB_WORLD)
		return 0;
	if (verb == VERB_RUN || verb == VERB_AT)
		ret = pass(play, s);
	else if (verb == VERB_PUBLISH)
		ret = pclk_sim_play_publish(play, s);
	else if (verb >= VERB_OPEN)
		ret = pclk_sim_play_reader(play, s);
	else
		ret = act(play, s);
	return ret ? ret : show_pages(play);
}

/* --- the world ------------------------------------------------------------
 */

/* While VMs are made the counter stands still, so that theirs is the same. */
static uint64_t live_counter(void *arg)
{
	struct paraclock_sim_play *play = arg;
	uint64_t frozen = __atomic_load_n(&play->frozen, __ATOMIC_ACQUIRE);

	return frozen ? frozen : play->opts.counter(play->opts.arg);
}

static void set_world(struct paraclock_sim_options *opts,
		      const struct statement *s)
{
	if (s->verb != &pclk_sim_script_verbs[VERB_WORLD])
		return;
	opts->seed = (uint64_t)s->value[0];
	opts->tai_offset_sec = (int16_t)s->value[2];
	opts->leap = (uint8_t)s->value[3];
	if (GIVEN(s, 1))
		opts->start_tai_ns =
			(s->value[1] + (GIVEN(s, 2) ? s->value[2] : 37)) *
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
		/* Markers that no reader of an earlier play has seen. */
		if (!opts.seed)
			opts.seed = play->opts.counter(play->opts.arg);
	}
	return paraclock_sim_new(&play->sim, &opts);
}

/* Each page can be written, whatever happened to it. */
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

/* Nobody is to take what is left behind for the time. */
static void end_live(struct paraclock_sim_play *play)
{
	for (unsigned int i = 0; i < play->vms; i++)
		mend(&play->vm[i]);
	for (unsigned int i = 0; i < NAMES_MAX; i++) {
		/* A nested one's is its host's, and is refused. */
		(void)paraclock_sim_status(play->host[i],
					   PARACLOCK_STATUS_UNRELIABLE);
		(void)paraclock_sim_clocksource(play->host[i], 0);
	}
	(void)show_pages(play);
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
	if (!ret && script->statements) {
		ret = make_world(play);
		if (ret)
			return pclk_sim_play_error(play, ret,
						   "no world can be made");
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
