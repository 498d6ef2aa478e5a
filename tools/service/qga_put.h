/* SPDX-License-Identifier: MIT */
/* Replies, as they are put into an output. */
#ifndef QGA_PUT_H
#define QGA_PUT_H

#include <jansson.h>

#include "qga_buffer.h"

#define QGA_GENERIC_ERROR     "GenericError"
#define QGA_COMMAND_NOT_FOUND "CommandNotFound"

/* Put a line. Takes the reference. NULL: memory ran out. */
void qga_put_json(struct qga_buffer *out, json_t *reply);
/* Put a reply. @p id is the request's; NULL: it has none, or it is unknown. */
void qga_put_error(struct qga_buffer *out, const char *class, const char *text,
		   json_t *id);

#endif
