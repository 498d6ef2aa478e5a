// SPDX-License-Identifier: MIT
/*
 * 'publish': the script, not the simulation, writes a VM's vmclock. The time to
 * publish is read at once, and written at once or late.
 */

#include <errno.h>
#include <stdio.h>

#include "play.h"

static int acquire(struct play_vm *vm, const struct paraclock_env *env)
{
	int ret = vm->writes ? 0
			     : paraclock_page_writer_acquire(&vm->writer, env);

	vm->writes = !ret;
	return ret;
}

/* A host that cannot keep its promise (MONOTONIC) omits it for one update. */
static int write_page(struct paraclock_sim_play *play, struct play_vm *vm,
		      struct paraclock_timeline *tl)
{
	const struct paraclock_env *env =
		paraclock_sim_env(vm->vm, PARACLOCK_SIM_USER);
	void *page = paraclock_sim_page(vm->vm, PARACLOCK_SIM_VMCLOCK, 0, NULL);
	int ret = acquire(vm, env);

	play->remark[0] = '\0';
	if (!ret)
		ret = paraclock_vmclock_write(page, &vm->writer, env, tl);
	if (ret != -ESTALE || !(tl->flags & PARACLOCK_TIMELINE_MONOTONIC))
		return ret;
	snprintf(play->remark, sizeof(play->remark),
		 "refused (ESTALE); written without the promise");
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
					   "the VM has no time to publish");
	tl.flags |= vm->timeline_flags;
	if (s->value[PUBLISH_LATE])
		ret = pclk_sim_play_pass(play, s->value[PUBLISH_LATE]);
	if (ret)
		return ret;
	ret = write_page(play, vm, &tl);
	if (ret)
		return pclk_sim_play_error(play, ret,
					   paraclock_error_name(ret));
	return pclk_sim_play_tell(play, s, &event);
}
