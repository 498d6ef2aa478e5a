// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <string.h>

#include "export_answer.h"

/* --- answers ------------------------------------------------------------ */

static const char page[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head><title>paraclock export</title></head>\n"
	"<body>\n"
	"<h1>paraclock export</h1>\n"
	"<p>The clocks that the hypervisor gives this machine: "
	"<a href=\"/metrics\">metrics</a>.</p>\n"
	"</body>\n"
	"</html>\n";

static enum MHD_Result queue(const struct export_answer *answer,
			     struct MHD_Connection *connection,
			     unsigned int status, struct MHD_Response *response)
{
	enum MHD_Result ret =
		answer->mhd.queue_response(connection, status, response);

	answer->mhd.destroy_response(response);
	return ret;
}

static struct MHD_Response *make_text(const struct export_answer *answer,
				      const char *text, size_t size,
				      const char *type)
{
	struct MHD_Response *response = answer->mhd.create_response_from_buffer(
		size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (response) {
		answer->mhd.add_response_header(response, "Content-Type", type);
		answer->mhd.add_response_header(
			response, "X-Content-Type-Options", "nosniff");
	}
	return response;
}

static enum MHD_Result refuse(const struct export_answer *answer,
			      struct MHD_Connection *connection,
			      unsigned int status, const char *text)
{
	struct MHD_Response *response = make_text(answer, text, strlen(text),
						  "text/plain; charset=utf-8");

	if (!response)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		answer->mhd.add_response_header(response, "Allow", "GET, HEAD");
	return queue(answer, connection, status, response);
}

static enum MHD_Result answer_metrics(const struct export_answer *answer,
				      struct MHD_Connection *connection)
{
	const enum text_format format =
		accept_format(answer->mhd.lookup_connection_value(
			connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	struct MHD_Response *response;
	size_t size;
	const char *text = answer->fn(answer->ctx, format, &size);

	if (!text)
		return MHD_NO;
	response = make_text(answer, text, size, text_content_type(format));
	if (!response)
		return MHD_NO;
	answer->mhd.add_response_header(response, "Vary", "Accept");
	return queue(answer, connection, MHD_HTTP_OK, response);
}

static enum MHD_Result answer_page(const struct export_answer *answer,
				   struct MHD_Connection *connection)
{
	struct MHD_Response *response = make_text(
		answer, page, sizeof(page) - 1, "text/html; charset=utf-8");

	if (!response)
		return MHD_NO;
	answer->mhd.add_response_header(response, "Content-Security-Policy",
					"default-src 'none'");
	return queue(answer, connection, MHD_HTTP_OK, response);
}

static bool has_body(const struct export_answer *answer,
		     struct MHD_Connection *connection)
{
	const char *length = answer->mhd.lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       answer->mhd.lookup_connection_value(
		       connection, MHD_HEADER_KIND,
		       MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Called twice for a request. With an answer to the first call libmicrohttpd
 * closes the connection, and reads no body. */
enum MHD_Result answer_request(void *arg, struct MHD_Connection *connection,
			       const char *url, const char *method,
			       const char *version, const char *body,
			       size_t *body_size, void **request)
{
	const struct export_answer *answer = arg;
	const bool is_metrics = strcmp(url, "/metrics") == 0;

	(void)version;
	(void)body;
	(void)body_size;
	if (!*request && !has_body(answer, connection)) {
		*request = arg;
		return MHD_YES;
	}
	if (!is_metrics && strcmp(url, "/") != 0)
		return refuse(answer, connection, MHD_HTTP_NOT_FOUND,
			      "Not found: only / and /metrics are here.\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(answer, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "Only GET and HEAD are allowed.\n");
	return is_metrics ? answer_metrics(answer, connection)
			  : answer_page(answer, connection);
}
