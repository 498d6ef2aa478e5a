/* SPDX-License-Identifier: MIT */
/*
 * How the publisher, outside, learns what the guest's counter is: memory that
 * both have. The guest answers each number with its counter.
 */
#ifndef PARACLOCK_VM_MAILBOX_H
#define PARACLOCK_VM_MAILBOX_H

#include <stdint.h>

/* Behind the page, in the memory that Linux leaves alone. */
#define MAILBOX_OFFSET 4096

struct mailbox {
	uint64_t asked;	   /* the publisher's; 0: nothing, and nobody spins */
	uint64_t answered; /* the guest's: the number that it took tsc for */
	uint64_t tsc;	   /* the guest's, ticks */
};

#endif
