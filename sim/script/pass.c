// SPDX-License-Identifier: MIT
/* Time passes in a play, and watched clocks are read on the way. */

#include "play.h"

/* In a live world, look this often for what is due, ns. */
#define TICK_NS 100000000

static int run(struct paraclock_sim_play *play, int64_t ns)
{
	int ret = paraclock_sim_run(play->sim, (uint64_t)ns);

	return ret ? pclk_sim_play_refused(play, ret) : 0;
}

/* Pass one tick of a live world, or all of ns in virtual time. */
static int pass_some(struct paraclock_sim_play *play, int64_t ns)
{
	int ret;

	if (!play->opts.counter)
		return run(play, ns);
	ret = play->opts.wait(play->opts.arg,
			      (uint64_t)(ns < TICK_NS ? ns : TICK_NS));
	if (!ret)
		ret = run(play, 0);
	return ret ? ret : pclk_sim_play_show_pages(play);
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

/* time_ns is what the script asked for, not the time that it is: in a live
 * world the delays of all statements would add up. */
int pclk_sim_play_run(struct paraclock_sim_play *play,
		      const struct statement *s)
{
	struct paraclock_sim_event event = {
		.time_ns = pclk_sim_play_now(play),
		.passes = 1,
	};
	int ret = pclk_sim_play_tell(play, s, &event);

	if (verb_of(s) == VERB_AT)
		play->time_ns = s->value[0];
	else
		play->time_ns += s->value[0];
	return ret ? ret : pass_until(play, play->time_ns);
}
