/* SPDX-License-Identifier: MIT */
/* What a request is answered. */
#ifndef EXPORT_ANSWER_H
#define EXPORT_ANSWER_H

#include "export_http.h"
#include "export_mhd.h"

struct export_answer {
	struct mhd mhd;
	export_text_fn *fn;
	void *ctx;
};

/* libmicrohttpd's handler of requests; its first argument is a struct
 * export_answer. */
enum MHD_Result answer_request(void *arg, struct MHD_Connection *connection,
			       const char *url, const char *method,
			       const char *version, const char *body,
			       size_t *body_size, void **request);

#endif
