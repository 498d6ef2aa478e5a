/* SPDX-License-Identifier: MIT */
/* A VMM's clock for one guest: copy vmm_clock.[ch] into your VMM. */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <paraclock/paraclock.h>
#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

/* Must not move in memory. */
struct vmm_clock {
	/* The caller sets these; the rest is zero. */
	const struct paraclock_env *env; /* NULL: this machine */
	const struct paraclock *host;	 /* kvm-host, with vm_fd */
	const struct paraclock_leap_table *leaps;
	uint64_t error_ns; /* the operator's word: it is this close to UTC */
	void *page;	   /* in the guest's memory, zeroed */
	struct paraclock_coupling coupling; /* of the guest's TSC */

	struct paraclock *vouched, *kept;
	struct paraclock_timekeeper timekeeper;
	struct paraclock_follow follow;
	struct paraclock_page_writer writer;
	struct paraclock_target target;
	struct paraclock_relay relay;
};

/* 0, or a negative errno. */
int vmm_clock_start(struct vmm_clock *vmm);

/*
 * Call it four times a second. 0: the page says the time. -EAGAIN: it does not
 * yet, because the rate of the clock is still being measured.
 */
int vmm_clock_update(struct vmm_clock *vmm);

/* The guest reads no valid time from here on. */
void vmm_clock_stop(struct vmm_clock *vmm);

#endif
