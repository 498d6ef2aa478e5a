/* SPDX-License-Identifier: MIT */
/* The commands that are answered here. */
#ifndef QGA_ANSWER_H
#define QGA_ANSWER_H

#include "qga.h"
#include "qga_put.h"

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
