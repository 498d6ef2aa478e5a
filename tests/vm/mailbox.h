/* SPDX-License-Identifier: MIT */
/*
 * How the publisher, outside, learns the guest's counter: through shared
 * memory. The guest answers each number with its counter.
 */
#ifndef PARACLOCK_VM_MAILBOX_H
#define PARACLOCK_VM_MAILBOX_H

#include <stdint.h>

/* Behind the page, in the memory that Linux leaves alone. */
#define MAILBOX_OFFSET 4096

struct mailbox {
	uint64_t asked;	   /* the publisher's; 0: idle, and nobody spins */
	uint64_t answered; /* the guest's: the number that tsc answers */
	uint64_t tsc;	   /* the guest's, ticks */
	uint64_t now;	   /* the guest's counter when it last looked here */
};

#endif
