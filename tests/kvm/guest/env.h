/* SPDX-License-Identifier: MIT */
/* The outside world of a guest that has nothing but its CPU and a mailbox. */
#ifndef GUEST_ENV_H
#define GUEST_ENV_H

#include "mailbox.h"

/* Make the env of a vCPU. It must not be moved. */
const struct paraclock_env *guest_env(struct guest_mailbox *mailbox);

/* The TSC, ordered after every earlier load. */
uint64_t guest_tsc(void);

#endif
