// SPDX-License-Identifier: MIT
/* The commands that are answered here. Where qemu-ga has words for an error,
 * they are used: tools of others look for them. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "qga_answer.h"

#define NSEC_PER_SEC INT64_C(1000000000)

struct request {
	json_t *root;
	json_t *id;	   /* borrowed; may be NULL */
	json_t *arguments; /* borrowed; NULL: none */
	const char *name;
	char why[512]; /* why it is refused */
};

/* --- replies --------------------------------------------------------------- */

/* Takes the reference to the value. */
static void put_value(struct qga_buffer *out, json_t *value, json_t *id)
{
	json_t *reply = json_object();

	if (json_object_set_new(reply, "return", value)) {
		json_decref(reply);
		reply = NULL;
	} else if (id) {
		json_object_set(reply, "id", id);
	}
	qga_put_json(out, reply);
}

/* --- requests -------------------------------------------------------------- */

static int fail(struct request *request, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
static int fail(struct request *request, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(request->why, sizeof(request->why), format, list);
	va_end(list);
	return -EINVAL;
}

static int check_members(struct request *request)
{
	const char *key;
	json_t *value;

	json_object_foreach(request->root, key, value)
	{
		if (strcmp(key, "execute") == 0)
			request->name = json_string_value(value);
		else if (strcmp(key, "arguments") == 0)
			request->arguments = value;
		else if (strcmp(key, "id") != 0)
			return fail(request,
				    "QMP input member '%s' is unexpected", key);
	}
	if (!json_object_get(request->root, "execute"))
		return fail(request, "QMP input lacks member 'execute'");
	if (!request->name)
		return fail(request,
			    "QMP input member 'execute' must be a string");
	if (request->arguments && !json_is_object(request->arguments))
		return fail(request,
			    "QMP input member 'arguments' must be an object");
	return 0;
}

/* Sets id where it can be read, also if the request is refused. */
static int parse(const struct qga *qga, struct request *request)
{
	json_error_t error;

	/* jansson recurses, and so do its freeing and its printing. */
	if (qga->scan.deepest > QGA_DEPTH_MAX)
		return fail(request, "JSON nesting depth limit exceeded");
	request->root = json_loadb(qga->message, qga->message_len,
				   JSON_REJECT_DUPLICATES, &error);
	if (!request->root) {
		/* Do not repeat what the host wrote. */
		char *near = strstr(error.text, " near ");

		if (near)
			*near = '\0';
		return fail(request, "JSON parse error, %s", error.text);
	}
	request->id = json_object_get(request->root, "id");
	return check_members(request);
}

/* No other arguments than this one; NULL: none at all. */
static int check_arguments(struct request *request, const char *name)
{
	const char *key;
	json_t *value;

	json_object_foreach(request->arguments, key, value)
	{
		if (!name || strcmp(key, name) != 0)
			return fail(request, "Parameter '%s' is unexpected",
				    key);
	}
	return 0;
}

/* An argument that is an integer of 64 bits: a larger one has not been
 * parsed. */
static int get_integer(struct request *request, const char *name,
		       int64_t *ret_value)
{
	json_t *value = json_object_get(request->arguments, name);

	if (!value)
		return fail(request, "Parameter '%s' is missing", name);
	if (!json_is_integer(value))
		return fail(request,
			    "Invalid parameter type for '%s', "
			    "expected: integer",
			    name);
	*ret_value = json_integer_value(value);
	return 0;
}

/* --- the commands ---------------------------------------------------------- */

static void tell(const struct qga *qga, enum qga_event event, const char *text)
{
	if (qga->options.tell)
		qga->options.tell(qga->options.ctx, event, text);
}

/* The commands that cost something, or set the clock, have a rate. */
static int draw_allowance(struct qga *qga, struct request *request)
{
	int64_t now = qga->options.now(qga->options.ctx);
	int64_t gained = (now - qga->refilled_ns) / (NSEC_PER_SEC / QGA_RATE);

	if (gained > 0) {
		qga->refilled_ns = now;
		qga->allowance = gained < QGA_RATE - qga->allowance
					 ? qga->allowance + (unsigned int)gained
					 : QGA_RATE;
	}
	if (!qga->allowance)
		return fail(request, "%s: more than %u a second", request->name,
			    QGA_RATE);
	qga->allowance--;
	return 0;
}

static int get_time(struct qga *qga, struct request *request, json_t **ret)
{
	const struct agent_clock *clock = &qga->options.clock;
	int64_t ns;
	int error;

	if (check_arguments(request, NULL))
		return -EINVAL;
	error = clock->get_time(clock->ctx, &ns);
	if (error)
		return fail(request, "Failed to get time: %s",
			    strerror(-error));
	*ret = json_integer(ns);
	return 0;
}

static int act_on_time(struct qga *qga, struct request *request)
{
	const struct agent_clock *clock = &qga->options.clock;
	bool given = json_object_get(request->arguments, "time");
	int64_t ns = 0;

	if (check_arguments(request, "time") ||
	    (given && get_integer(request, "time", &ns)))
		return -EINVAL;
	if (ns < 0)
		return fail(request,
			    "Invalid parameter 'time': a time before 1970");
	return given ? clock->set_time(clock->ctx, ns, request->why,
				       sizeof(request->why))
		     : clock->set_from_host(clock->ctx, request->why,
					    sizeof(request->why));
}

static int set_time(struct qga *qga, struct request *request, json_t **ret)
{
	int error;

	/* Not told: a host that asks without end would fill the log. */
	if (draw_allowance(qga, request))
		return -EINVAL;
	error = act_on_time(qga, request);
	/* Of a clock that says nothing. */
	if (!request->why[0])
		fail(request, error ? "Failed to set time to guest" : "done");
	tell(qga, error ? QGA_TIME_REFUSED : QGA_TIME_SET, request->why);
	if (!error)
		*ret = json_object();
	return error;
}

static int get_status(struct qga *qga, struct request *request, json_t **ret)
{
	const struct agent_clock *clock = &qga->options.clock;

	if (check_arguments(request, NULL) || draw_allowance(qga, request))
		return -EINVAL;
	*ret = clock->status(clock->ctx);
	return *ret ? 0 : fail(request, "No status is available");
}

static int synchronise(struct request *request, json_t **ret)
{
	int64_t id = 0;

	if (check_arguments(request, "id") || get_integer(request, "id", &id))
		return -EINVAL;
	*ret = json_integer(id);
	return 0;
}

static int run(struct qga *qga, struct request *request, json_t **ret)
{
	switch (qga->scan.command) {
	case QGA_GET_TIME:
		return get_time(qga, request, ret);
	case QGA_SET_TIME:
		return set_time(qga, request, ret);
	case QGA_STATUS:
		return get_status(qga, request, ret);
	case QGA_SYNC:
	case QGA_SYNC_DELIMITED:
		return synchronise(request, ret);
	case QGA_INFO:
		*ret = qga_info_new(qga->options.version);
		return check_arguments(request, NULL);
	default:
		*ret = json_object();
		return check_arguments(request, NULL);
	}
}

static void answer(struct qga *qga, struct request *request)
{
	json_t *value = NULL;

	if (run(qga, request, &value)) {
		json_decref(value);
		qga_put_error(&qga->to_host, QGA_GENERIC_ERROR, request->why,
			      request->id);
		return;
	}
	if (qga->scan.command == QGA_SYNC_DELIMITED)
		qga_buffer_text(&qga->to_host, "\xff");
	put_value(&qga->to_host, value, request->id);
}

void qga_answer(struct qga *qga)
{
	struct request request = { 0 };

	if (parse(qga, &request)) {
		qga_put_error(&qga->to_host, QGA_GENERIC_ERROR, request.why,
			      request.id);
	} else if (qga->scan.command == QGA_OTHER) {
		fail(&request, "The command %s has not been found",
		     request.name);
		qga_put_error(&qga->to_host, QGA_COMMAND_NOT_FOUND, request.why,
			      request.id);
	} else {
		answer(qga, &request);
	}
	json_decref(request.root);
}

json_t *qga_find_id(const struct qga *qga)
{
	struct request request = { 0 };
	json_t *id = NULL;

	if (qga->message_len > QGA_ID_MESSAGE_MAX ||
	    !memmem(qga->message, qga->message_len, "\"id\"", 4))
		return NULL;
	parse(qga, &request);
	if (!json_is_array(request.id) && !json_is_object(request.id))
		id = json_incref(request.id);
	json_decref(request.root);
	return id;
}

void qga_refuse(struct qga *qga, const char *why)
{
	struct request request = { 0 };

	parse(qga, &request);
	qga_put_error(&qga->to_host, QGA_GENERIC_ERROR, why, request.id);
	json_decref(request.root);
}
