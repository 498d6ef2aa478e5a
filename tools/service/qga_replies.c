// SPDX-License-Identifier: MIT
/* The upstream's side: its replies, and whether it is there. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "qga_answer.h"
#include "qga_order.h"

/* qemu-ga's reply to a barrier has some 30 bytes. */
#define BARRIER_MAX 64

bool qga_upstream_ready(const struct qga *qga)
{
	return qga_buffer_count(&qga->to_host) < QGA_OUTPUT_FULL;
}

static void pass_reply(struct qga *qga, const char *data, size_t count)
{
	if (!qga->stale)
		qga_buffer_put(&qga->to_host, data, count);
}

static void end_reply(struct qga *qga)
{
	qga->in_reply = false;
	qga->reply_len = 0;
	json_decref(qga_settle(qga));
}

static bool is_barrier(const struct qga *qga)
{
	char text[BARRIER_MAX], want[BARRIER_MAX];
	size_t len = 0;

	if (!qga->barrier || qga->reply_len > BARRIER_MAX)
		return false;
	for (size_t i = 0; i < qga->reply_len; i++) {
		if (!strchr(" \t\r\n", qga->reply[i]))
			text[len++] = qga->reply[i];
	}
	snprintf(want, sizeof(want), "{\"return\":%" PRId64 "}", qga->barrier);
	return len == strlen(want) && memcmp(text, want, len) == 0;
}

/* A reply that was held is whole. */
static void judge_reply(struct qga *qga)
{
	if (is_barrier(qga)) {
		qga->barrier = 0;
		qga_settle_all(qga);
		qga->reply_len = 0;
		qga->stale = qga->greeting = false;
		return;
	}
	if (qga->info)
		qga_put_info(&qga->to_host, qga->reply, qga->reply_len);
	else
		pass_reply(qga, qga->reply, qga->reply_len);
	qga->info = false;
	end_reply(qga);
}

/* Hold this piece of a reply if what it belongs to may concern us. */
static bool hold_reply(struct qga *qga, const char *data, size_t count)
{
	size_t max = qga->info ? QGA_INFO_MAX : qga->barrier ? BARRIER_MAX : 0;

	if (qga->in_reply)
		return false;
	if (count <= max && qga->reply_len <= max - count) {
		memcpy(qga->reply + qga->reply_len, data, count);
		qga->reply_len += count;
		return true;
	}
	pass_reply(qga, qga->reply, qga->reply_len);
	qga->reply_len = 0;
	qga->in_reply = true;
	qga->info = false;
	return false;
}

void qga_upstream_fill(struct qga *qga, const char *data, size_t count)
{
	while (count) {
		const char *end = memchr(data, '\n', count);
		size_t n = end ? (size_t)(end - data) + 1 : count;

		if (!hold_reply(qga, data, n)) {
			pass_reply(qga, data, n);
			if (end)
				end_reply(qga);
		} else if (end) {
			judge_reply(qga);
		}
		data += n;
		count -= n;
	}
}

/* Nothing of an earlier connection counts any more. */
static void forget_upstream(struct qga *qga)
{
	qga_buffer_clear(&qga->to_upstream);
	qga->barrier = 0;
	qga_settle_all(qga);
	qga->reply_len = 0;
	qga->stale = qga->greeting = qga->info = qga->in_reply = false;
}

void qga_upstream_up(struct qga *qga)
{
	forget_upstream(qga);
	qga->is_up = true;
	/* It may still hold half a request of whoever was connected before. */
	qga_buffer_text(&qga->to_upstream, "\xff");
	qga_send_barrier(qga);
	qga->stale = qga->greeting = true;
}

bool qga_is_greeting(const struct qga *qga)
{
	return qga->greeting;
}

static void refuse_oldest(struct qga *qga)
{
	json_t *id = qga_settle(qga);

	qga_put_error(&qga->to_host, QGA_GENERIC_ERROR,
		      "The guest agent that paraclock passed this command to "
		      "went away before it answered",
		      id);
	json_decref(id);
}

void qga_upstream_down(struct qga *qga)
{
	if (qga->in_reply && !qga->stale)
		qga_buffer_text(&qga->to_host, "\n");
	while (qga->unanswered && !qga->stale)
		refuse_oldest(qga);
	if (qga->mode == QGA_PASS) {
		qga->mode = QGA_SKIP;
		qga->message_len = 0;
	}
	forget_upstream(qga);
	qga->is_up = false;
}
