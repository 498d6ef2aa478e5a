// SPDX-License-Identifier: MIT
/* Coupled counters: a fixed ratio and a fixed offset to each other. */

#include <errno.h>

#include <paraclock/crosststamp.h>

#include "base/fixed.h"
#include "base/interpolate.h"

#define KNOWN_FLAGS (PARACLOCK_COUPLING_FIXED | PARACLOCK_COUPLING_TO_DEVICE)

static int check(const struct paraclock_coupling *coupling)
{
	/* An unknown flag may change the formula. */
	if (!coupling || coupling->size < sizeof(*coupling) ||
	    coupling->shift > 63 || coupling->flags & ~KNOWN_FLAGS)
		return -EINVAL;
	if (!(coupling->flags & PARACLOCK_COUPLING_FIXED) || !coupling->mult)
		return -ENODEV;
	return 0;
}

static int forward(const struct paraclock_coupling *coupling, uint64_t from,
		   uint64_t *ret_to)
{
	u128 scaled = (u128)from * coupling->mult >> coupling->shift;

	/* Only the offset may wrap. If the scaled value did, the phase of the
	 * counter would jump there, and the inverse would be ambiguous. */
	if (scaled >> 64)
		return -ERANGE;
	*ret_to = (uint64_t)scaled + coupling->offset;
	return 0;
}

/* The smallest from for which forward() gives at least to: the quotient,
 * rounded up. */
static int inverse(const struct paraclock_coupling *coupling, uint64_t to,
		   uint64_t *ret_from)
{
	uint64_t scaled = to - coupling->offset;
	/* Below 2^127 + 2^64: it fits. */
	u128 value = ((u128)scaled << coupling->shift) + (coupling->mult - 1);
	uint64_t high = (uint64_t)(value >> 64);

	if (high >= coupling->mult)
		return -ERANGE;
	*ret_from = pclk_divide_128(high, (uint64_t)value, coupling->mult);
	return 0;
}

int paraclock_coupling_to_system(const struct paraclock_coupling *coupling,
				 uint64_t device, uint64_t *ret_system)
{
	int ret = ret_system ? check(coupling) : -EINVAL;

	if (ret)
		return ret;
	return coupling->flags & PARACLOCK_COUPLING_TO_DEVICE
		       ? inverse(coupling, device, ret_system)
		       : forward(coupling, device, ret_system);
}

int paraclock_coupling_to_device(const struct paraclock_coupling *coupling,
				 uint64_t system, uint64_t *ret_device)
{
	int ret = ret_device ? check(coupling) : -EINVAL;

	if (ret)
		return ret;
	return coupling->flags & PARACLOCK_COUPLING_TO_DEVICE
		       ? forward(coupling, system, ret_device)
		       : inverse(coupling, system, ret_device);
}
