// SPDX-License-Identifier: MIT
/*
 * The order of replies is that of the requests, and the protocol has nothing
 * by which a reply could be told from another. So an answer of ours waits until
 * the upstream owes none. Some of its commands have no reply if they succeed
 * (guest-shutdown, guest-suspend-ram); so where it seems to owe one, it is sent
 * a guest-sync with a number of ours, the barrier: once that is answered, so is
 * everything before it, or never will be.
 */
#include <inttypes.h>
#include <stdio.h>

#include "qga_order.h"

void qga_send_barrier(struct qga *qga)
{
	char text[96];

	qga->barrier = qga->options.nonce(qga->options.ctx);
	if (!qga->barrier)
		qga->barrier = 1;
	snprintf(text, sizeof(text),
		 "{\"execute\": \"guest-sync\", "
		 "\"arguments\": {\"id\": %" PRId64 "}}\n",
		 qga->barrier);
	qga_buffer_text(&qga->to_upstream, text);
}

bool qga_is_quiet(const struct qga *qga)
{
	return !qga->is_up ||
	       (!qga->barrier && !qga->info && !qga->unanswered &&
		!qga->in_reply && !qga->reply_len);
}

#define IDS (sizeof(qga->ids) / sizeof(qga->ids[0]))

void qga_owe(struct qga *qga, json_t *id)
{
	if (qga->unanswered == IDS) {
		json_decref(id);
		return;
	}
	qga->ids[(qga->oldest + qga->unanswered) % IDS] = id;
	qga->unanswered++;
}

json_t *qga_settle(struct qga *qga)
{
	json_t *id;

	if (!qga->unanswered)
		return NULL;
	id = qga->ids[qga->oldest];
	qga->oldest = (qga->oldest + 1) % IDS;
	qga->unanswered--;
	return id;
}

void qga_settle_all(struct qga *qga)
{
	while (qga->unanswered)
		json_decref(qga_settle(qga));
}
