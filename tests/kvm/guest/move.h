/* SPDX-License-Identifier: MIT */
/* Moves that Hyper-V announces, in the guest. */
#ifndef GUEST_MOVE_H
#define GUEST_MOVE_H

#include "mailbox.h"

/* Ask for announcements, open the page with them and relay it to L2; .clock is
 * set. */
int guest_move_start(struct guest_mailbox *mailbox);

/* Handle a move. */
int guest_move_run(void);

/* Cancel the announcements. */
int guest_move_stop(void);

#endif
