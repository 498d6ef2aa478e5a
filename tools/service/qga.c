// SPDX-License-Identifier: MIT
/* The host's side: what becomes of what it says. */

#include <errno.h>
#include <stdlib.h>

#include "qga.h"
#include "qga_answer.h"
#include "qga_order.h"

#define AWAY "The guest agent that paraclock passes this command to is away"
#define TOO_LONG                                                        \
	"The request is longer than 65536 bytes, and paraclock passes " \
	"none as long to another guest agent"

int qga_new(struct qga **ret_qga, const struct qga_options *options)
{
	struct qga *qga = calloc(1, sizeof(*qga));

	if (!qga)
		return -ENOMEM;
	qga->options = *options;
	qga->refilled_ns = options->now(options->ctx);
	qga->allowance = QGA_RATE;
	*ret_qga = qga;
	return 0;
}

void qga_free(struct qga *qga)
{
	if (!qga)
		return;
	qga_settle_all(qga);
	qga_buffer_clear(&qga->to_host);
	qga_buffer_clear(&qga->to_upstream);
	free(qga);
}

/* One more request is passed on. */
static void count_request(struct qga *qga, json_t *id)
{
	qga->passed = true;
	qga_owe(qga, id);
}

/* Answer the message, now or when its turn comes. @p refusal: NULL, or the
 * error that is its answer. */
static void answer_in_turn(struct qga *qga, const char *refusal)
{
	qga->waits = true;
	qga->refusal = refusal;
	qga->passed = false;
	if (!qga_is_quiet(qga) && !qga->barrier)
		qga_send_barrier(qga);
}

static void answer(struct qga *qga)
{
	enum qga_command command = qga->scan.command;
	bool knows = command >= QGA_FIRST_OWN || command == QGA_SYNC ||
		     command == QGA_SYNC_DELIMITED;

	qga->waits = false;
	if (qga->refusal) {
		qga_refuse(qga, qga->refusal);
	} else if (knows || !qga->options.upstream) {
		qga_answer(qga);
	} else if (!qga->is_up) {
		qga_refuse(qga, AWAY);
	} else {
		/* guest-info. */
		qga_buffer_put(&qga->to_upstream, qga->message,
			       qga->message_len);
		qga->info = true;
		count_request(qga, qga_find_id(qga));
	}
	qga->message_len = 0;
}

/* --- from the host --------------------------------------------------------- */

size_t qga_host_space(const struct qga *qga, char **ret_at)
{
	*ret_at = (char *)(uintptr_t)qga->in;
	return qga->in_len ? 0 : sizeof(qga->in);
}

void qga_host_fill(struct qga *qga, size_t count)
{
	qga->in_len = count;
}

static void flush_message(struct qga *qga)
{
	qga_buffer_put(&qga->to_upstream, qga->message, qga->message_len);
	qga->message_len = 0;
}

/* Is it never to reach the upstream in pieces? */
static bool is_ours(const struct qga *qga)
{
	return !qga->is_up || qga->scan.command >= QGA_FIRST_OWN ||
	       qga->scan.command == QGA_INFO;
}

/* What was passed of this message is void; the upstream says so, and that is
 * the message's reply. */
static void break_off(struct qga *qga)
{
	qga_buffer_text(&qga->to_upstream, "\xff");
	qga->message_len = 0;
}

/* The message has grown too long to be kept. */
static void stop_holding(struct qga *qga)
{
	qga->mode = is_ours(qga) ? QGA_DISCARD : QGA_PASS;
	if (qga->mode == QGA_DISCARD) {
		qga->message_len = 0;
		return;
	}
	flush_message(qga);
	qga->passed = true;
	qga_owe(qga, NULL);
}

static void keep(struct qga *qga, char byte)
{
	if (qga->mode == QGA_HOLD && qga->message_len == QGA_MESSAGE_MAX)
		stop_holding(qga);
	if (qga->mode == QGA_PASS && is_ours(qga)) {
		break_off(qga);
		qga->mode = QGA_SKIP;
	}
	if (qga->mode >= QGA_DISCARD)
		return;
	if (qga->message_len == QGA_MESSAGE_MAX)
		flush_message(qga);
	qga->message[qga->message_len++] = byte;
}

/* A message has ended, or was broken off, and the next is another matter. */
static void end_message(struct qga *qga)
{
	qga->mode = QGA_HOLD;
	if (!qga->waits)
		qga->message_len = 0;
	/* Some may never be answered: do not let them pile up. */
	if (qga->unanswered >= QGA_UNANSWERED_MAX && !qga->barrier)
		qga_send_barrier(qga);
}

static void take_message(struct qga *qga)
{
	if (qga->mode == QGA_DISCARD) {
		answer_in_turn(qga, qga->options.upstream && !qga->is_up
					    ? AWAY
					    : TOO_LONG);
	} else if (qga->mode == QGA_HOLD && is_ours(qga)) {
		answer_in_turn(qga, NULL);
	} else if (qga->mode == QGA_HOLD) {
		count_request(qga, qga_find_id(qga));
		flush_message(qga);
	} else if (qga->mode == QGA_PASS) {
		flush_message(qga);
	}
	end_message(qga);
}

static void take_sentinel(struct qga *qga)
{
	if (!qga->is_up) {
		qga->message_len = 0;
		qga_scan_reset(&qga->scan);
		answer_in_turn(qga, "JSON parse error, stray '\xef\xbf\xbd'");
	} else {
		flush_message(qga);
		qga_buffer_text(&qga->to_upstream, "\xff");
		if (qga->mode != QGA_PASS)
			count_request(qga, NULL);
	}
	qga_scan_reset(&qga->scan);
	end_message(qga);
}

/* The upstream never sees what is no JSON. */
static void take_garbage(struct qga *qga, char byte)
{
	if (qga->mode == QGA_PASS)
		break_off(qga);
	else if (qga->mode != QGA_SKIP)
		answer_in_turn(qga, "JSON parse error, the rest of the line "
				    "is dropped");
	qga->message_len = 0;
	qga_scan_reset(&qga->scan);
	qga->broken = byte != '\n';
	end_message(qga);
}

static void take_byte(struct qga *qga, char byte)
{
	if (qga->broken && (uint8_t)byte != 0xff) {
		qga->broken = byte != '\n';
		return;
	}
	qga->broken = false;
	switch (qga_scan_byte(&qga->scan, (uint8_t)byte)) {
	case QGA_MORE:
		keep(qga, byte);
		return;
	case QGA_END:
		keep(qga, byte);
		take_message(qga);
		return;
	case QGA_SPACE:
		if (qga->passed)
			qga_buffer_put(&qga->to_upstream, &byte, 1);
		return;
	case QGA_SENTINEL:
		take_sentinel(qga);
		return;
	case QGA_BAD:
		take_garbage(qga, byte);
		return;
	}
}

static bool may_take(const struct qga *qga)
{
	return qga->in_at < qga->in_len && !qga->barrier && !qga->info &&
	       qga_buffer_count(&qga->to_host) < QGA_OUTPUT_FULL &&
	       qga_buffer_count(&qga->to_upstream) < QGA_OUTPUT_FULL;
}

bool qga_can_run(const struct qga *qga)
{
	return qga->waits ? qga_is_quiet(qga) : may_take(qga);
}

void qga_run(struct qga *qga)
{
	while (qga_can_run(qga)) {
		if (qga->waits)
			answer(qga);
		else
			take_byte(qga, qga->in[qga->in_at++]);
	}
	if (qga->mode == QGA_PASS)
		flush_message(qga);
	if (qga->in_at == qga->in_len)
		qga->in_at = qga->in_len = 0;
}

void qga_host_gone(struct qga *qga)
{
	if (qga->mode == QGA_PASS)
		break_off(qga);
	qga->in_at = qga->in_len = qga->message_len = 0;
	qga->mode = QGA_HOLD;
	qga->waits = qga->broken = qga->passed = false;
	qga_scan_reset(&qga->scan);
	qga_buffer_clear(&qga->to_host);
	if (qga_is_quiet(qga))
		return;
	qga->stale = true;
	qga->info = false;
	if (!qga->barrier)
		qga_send_barrier(qga);
}
