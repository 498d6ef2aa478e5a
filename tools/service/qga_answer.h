/* SPDX-License-Identifier: MIT */
/* Replies, and the commands that are answered here. */
#ifndef QGA_ANSWER_H
#define QGA_ANSWER_H

#include "qga.h"

#define QGA_GENERIC_ERROR     "GenericError"
#define QGA_COMMAND_NOT_FOUND "CommandNotFound"

/* Put a line. Takes the reference. NULL: memory ran out. */
void qga_put_json(struct qga_buffer *out, json_t *reply);
/* Put a reply. @p id is the request's; NULL: it has none, or it is unknown. */
void qga_put_error(struct qga_buffer *out, const char *class, const char *text,
		   json_t *id);

/* Answer qga->message, which is a request of ours. */
void qga_answer(struct qga *qga);
/* The id of qga->message: a new reference, or NULL. */
json_t *qga_find_id(const struct qga *qga);
/* Answer qga->message with an error. */
void qga_refuse(struct qga *qga, const char *why);

/* qga_info.c */

/* What guest-info returns without an upstream: a new reference, or NULL. */
json_t *qga_info_new(const char *version);
/* Put an upstream's reply to guest-info, with our commands added. */
void qga_put_info(struct qga_buffer *out, const char *reply, size_t size);

#endif
