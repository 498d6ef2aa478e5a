/* SPDX-License-Identifier: MIT */
#ifndef QGA_ORDER_H
#define QGA_ORDER_H

#include "qga.h"

/* Ask the upstream for a reply that shows that it owes none before it. */
void qga_send_barrier(struct qga *qga);
/* It owes no reply, and none is half passed on. */
bool qga_is_quiet(const struct qga *qga);

#endif
