// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qga_buffer.h"

size_t qga_buffer_count(const struct qga_buffer *buffer)
{
	return buffer->len - buffer->at;
}

/* Make room for so many more: false if memory ran out. */
static bool make_room(struct qga_buffer *buffer, size_t count)
{
	size_t need = qga_buffer_count(buffer) + count;
	size_t size = buffer->size ? buffer->size : 4096;
	char *data;

	if (buffer->at) {
		memmove(buffer->data, buffer->data + buffer->at,
			qga_buffer_count(buffer));
		buffer->len -= buffer->at;
		buffer->at = 0;
	}
	while (size < need)
		size *= 2;
	if (size == buffer->size)
		return true;
	data = realloc(buffer->data, size);
	if (!data)
		return false;
	buffer->data = data;
	buffer->size = size;
	return true;
}

void qga_buffer_put(struct qga_buffer *buffer, const char *data, size_t count)
{
	if (buffer->failed || !count)
		return;
	if (count > buffer->size - buffer->len && !make_room(buffer, count)) {
		buffer->failed = true;
		return;
	}
	memcpy(buffer->data + buffer->len, data, count);
	buffer->len += count;
}

void qga_buffer_text(struct qga_buffer *buffer, const char *text)
{
	qga_buffer_put(buffer, text, strlen(text));
}

void qga_buffer_clear(struct qga_buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct qga_buffer){ 0 };
}

int qga_buffer_flush(struct qga_buffer *buffer, int fd)
{
	while (qga_buffer_count(buffer)) {
		ssize_t n = write(fd, buffer->data + buffer->at,
				  qga_buffer_count(buffer));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		buffer->at += (size_t)n;
	}
	buffer->at = buffer->len = 0;
	return 0;
}
