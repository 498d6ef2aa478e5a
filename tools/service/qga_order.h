/* SPDX-License-Identifier: MIT */
#ifndef QGA_ORDER_H
#define QGA_ORDER_H

#include "qga.h"

/* Ask the upstream for a reply that shows that it owes none before it. */
void qga_send_barrier(struct qga *qga);
/* It owes no reply, and none is half passed on. */
bool qga_is_quiet(const struct qga *qga);

/* It owes one more reply. Takes the reference to the request's id; NULL: it has
 * none. */
void qga_owe(struct qga *qga, json_t *id);
/* The oldest is settled; returns the reference to its id. NULL also if none is
 * owed. */
json_t *qga_settle(struct qga *qga);
/* All are. */
void qga_settle_all(struct qga *qga);

#endif
