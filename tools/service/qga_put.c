// SPDX-License-Identifier: MIT
#include <stdio.h>

#include "qga_put.h"

static int put_piece(const char *data, size_t size, void *arg)
{
	qga_buffer_put(arg, data, size);
	return 0;
}

void qga_put_json(struct qga_buffer *out, json_t *reply)
{
	if (!reply ||
	    json_dump_callback(reply, put_piece, out, JSON_ENSURE_ASCII))
		out->failed = true;
	qga_buffer_text(out, "\n");
	json_decref(reply);
}

/* A text that quotes the host may be cut within a character. */
static json_t *make_text(const char *text)
{
	json_t *string = json_string(text);
	char ascii[512];

	if (string)
		return string;
	snprintf(ascii, sizeof(ascii), "%s", text);
	for (char *c = ascii; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	return json_string(ascii);
}

void qga_put_error(struct qga_buffer *out, const char *class, const char *text,
		   json_t *id)
{
	json_t *error = json_pack("{s:s, s:o}", "class", class, "desc",
				  make_text(text));
	json_t *reply = json_object();

	if (id)
		json_object_set(reply, "id", id);
	if (json_object_set_new(reply, "error", error)) {
		json_decref(reply);
		reply = NULL;
	}
	qga_put_json(out, reply);
}
