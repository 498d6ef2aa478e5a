/* SPDX-License-Identifier: MIT */
/* HTTP: /metrics and a plain page, and nothing else. */
#ifndef EXPORT_HTTP_H
#define EXPORT_HTTP_H

#include "export_address.h"

struct export_http;
struct loop;

/* What /metrics answers: a text that stays until the next call. NULL: no
 * memory. */
typedef const char *export_text_fn(void *ctx, enum text_format format,
				   size_t *ret_size);

/* Served from the loop: no client can hold it up. 0, or -errno and stderr says
 * why. */
int export_http_open(struct export_http **ret_http,
		     const struct export_address *address, struct loop *loop,
		     export_text_fn *fn, void *ctx);
void export_http_close(struct export_http *http);

#endif
