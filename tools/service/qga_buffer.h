/* SPDX-License-Identifier: MIT */
/* Bytes that wait to be written to a descriptor. */
#ifndef QGA_BUFFER_H
#define QGA_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* Zero it. */
struct qga_buffer {
	char *data;
	size_t at, len, size;
	/* Memory ran out: what the other side would see has a gap, so its
	 * connection must end. */
	bool failed;
};

void qga_buffer_put(struct qga_buffer *buffer, const char *data, size_t count);
void qga_buffer_text(struct qga_buffer *buffer, const char *text);
size_t qga_buffer_count(const struct qga_buffer *buffer);
void qga_buffer_clear(struct qga_buffer *buffer);
/* Write as much as the descriptor takes now: 0, or -errno. */
int qga_buffer_flush(struct qga_buffer *buffer, int fd);

#endif
