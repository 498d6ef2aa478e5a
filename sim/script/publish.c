// SPDX-License-Identifier: MIT
/*
 * A publisher of a vmclock that is not the simulation's: it decides what to
 * say, and the library writes it, then or later.
 */

#include <errno.h>
#include <stdio.h>

#include "play.h"

static int take(struct play_vm *vm, const struct paraclock_env *env)
{
	int ret = vm->writes ? 0
			     : paraclock_page_writer_acquire(&vm->writer, env);

	vm->writes = !ret;
	return ret;
}

/* What a host does that cannot keep its promise: let it go for one update. */
static int write_page(struct paraclock_sim_play *play, struct play_vm *vm,
		      struct paraclock_timeline *tl)
{
	const struct paraclock_env *env =
		paraclock_sim_env(vm->vm, PARACLOCK_SIM_USER);
	void *page = paraclock_sim_page(vm->vm, PARACLOCK_SIM_VMCLOCK, 0, NULL);
	int ret = take(vm, env);

	play->remark[0] = '\0';
	if (!ret)
		ret = paraclock_vmclock_write(page, &vm->writer, env, tl);
	if (ret != -ESTALE || !(tl->flags & PARACLOCK_TIMELINE_MONOTONIC))
		return ret;
	snprintf(play->remark, sizeof(play->remark),
		 "refused (ESTALE), and written without the promise");
	tl->flags &= ~PARACLOCK_TIMELINE_MONOTONIC;
	return paraclock_vmclock_write(page, &vm->writer, env, tl);
}

void pclk_sim_play_publish_end(struct play_vm *vm)
{
	if (vm->writes)
		(void)paraclock_vmclock_freeze(
			paraclock_sim_page(vm->vm, PARACLOCK_SIM_VMCLOCK, 0,
					   NULL),
			&vm->writer,
			paraclock_sim_env(vm->vm, PARACLOCK_SIM_USER));
}

int pclk_sim_play_publish(struct paraclock_sim_play *play,
			  const struct statement *s)
{
	struct paraclock_sim_event event = {
		.time_ns = pclk_sim_play_now(play),
		.detail = play->remark,
	};
	struct play_vm *vm = &play->vm[s->value[0]];
	struct paraclock_timeline tl;
	int ret = paraclock_sim_timeline(vm->vm, vm->timescale, &tl);

	if (ret)
		return pclk_sim_play_error(play, ret,
					   "there is no time to publish");
	tl.flags |= vm->timeline_flags;
	if (s->value[1])
		ret = pclk_sim_play_pass(play, s->value[1]);
	if (ret)
		return ret;
	ret = write_page(play, vm, &tl);
	if (ret)
		return pclk_sim_play_error(play, ret,
					   paraclock_error_name(ret));
	return pclk_sim_play_tell(play, s, &event);
}
