// SPDX-License-Identifier: MIT
/* Watches of a process in the VM: their descriptors are mere numbers. */

#include <errno.h>

#include "guest.h"

enum watch {
	UNUSED = 0,
	CLOCK,
	GENERATION
};

static uint64_t count_of(const struct paraclock_sim_vm *vm, enum watch what)
{
	return what == CLOCK ? vm->kernel.sets : vm->restores;
}

static int start(struct sim_view *view, enum watch what, int *fd)
{
	for (int i = 0; i < SIM_WATCHES; i++) {
		if (view->watch[i].what != UNUSED)
			continue;
		view->watch[i].what = (uint8_t)what;
		view->watch[i].seen = count_of(view->vm, what);
		*fd = SIM_FD_WATCH + i;
		return 0;
	}
	return -ENOMEM;
}

static int look(struct sim_view *view, enum watch what, int fd)
{
	int i = fd - SIM_FD_WATCH;
	uint64_t seen, count = count_of(view->vm, what);

	if (i < 0 || i >= SIM_WATCHES || view->watch[i].what != what)
		return -EBADF;
	seen = view->watch[i].seen;
	view->watch[i].seen = count;
	return seen != count;
}

static int watch(struct sim_view *view, enum watch what, int *fd)
{
	int ret;

	pclk_sim_lock(view->vm->sim);
	ret = *fd < 0 ? start(view, what, fd) : look(view, what, *fd);
	pclk_sim_unlock(view->vm->sim);
	return ret;
}

int pclk_sim_watch_clock(void *ctx, int *fd)
{
	return watch(ctx, CLOCK, fd);
}

int pclk_sim_watch_generation(void *ctx, int *fd)
{
	return watch(ctx, GENERATION, fd);
}

/* Nobody can poll a number: a caller just looks for events. */
int pclk_sim_poll_group(void *ctx, int *group, int fd)
{
	(void)ctx;
	(void)fd;
	*group = SIM_FD_GROUP;
	return 0;
}

void pclk_sim_close_device(void *ctx, int fd)
{
	struct sim_view *view = ctx;
	int i = fd - SIM_FD_WATCH;

	if (i < 0 || i >= SIM_WATCHES)
		return;
	pclk_sim_lock(view->vm->sim);
	view->watch[i].what = UNUSED;
	pclk_sim_unlock(view->vm->sim);
}
