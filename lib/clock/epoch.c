// SPDX-License-Identifier: MIT
/* The epoch, and the marker behind it. */

#include <errno.h>

#include "clock.h"

uint64_t paraclock_epoch(const struct paraclock *clk)
{
	if (!clk)
		return 0;
	/* The next read reports the error. */
	(void)pclk_look(clk);
	return __atomic_load_n(&clk->now.epoch, __ATOMIC_ACQUIRE);
}

int paraclock_disrupted(const struct paraclock *clk, uint64_t epoch)
{
	int ret;

	if (!clk)
		return -EINVAL;
	ret = pclk_look(clk);
	if (ret < 0)
		return ret;
	return __atomic_load_n(&clk->now.epoch, __ATOMIC_ACQUIRE) != epoch;
}

int paraclock_marker(const struct paraclock *clk,
		     struct paraclock_marker *ret_marker)
{
	struct paraclock_marker marker;
	int ret;

	if (!clk || !ret_marker)
		return -EINVAL;
	if (!clk->n_markers)
		return -EOPNOTSUPP;
	ret = clk->marker[0].be->get_marker(clk->marker[0].state, &marker);
	if (ret)
		return ret;
	*ret_marker = marker;
	return 0;
}
