// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "export_state.h"
#include "writer.h"

/* The files have less than 8 KiB. */
#define FILE_MAX 65536

const char *const export_service_names[EXPORT_SERVICES] = {
	[EXPORT_KEEP] = "keep",
	[EXPORT_FEED] = "feed",
	[EXPORT_SERVE] = "serve",
};

const char *const export_state_names[EXPORT_STATES] = {
	[EXPORT_ABSENT] = "absent",	  [EXPORT_GONE] = "gone",
	[EXPORT_MALFORMED] = "malformed", [EXPORT_STARTING] = "starting",
	[EXPORT_RIGHT] = "right",	  [EXPORT_WAITING] = "waiting",
	[EXPORT_SLEWING] = "slewing",	  [EXPORT_OFF] = "off",
	[EXPORT_FEEDING] = "feeding",	  [EXPORT_SERVING] = "serving",
	[EXPORT_ENDED] = "ended",	  [EXPORT_OTHER] = "other",
};

const char *const export_status_names[EXPORT_STATUSES] = {
	"unknown", "initializing", "synchronized", "freerunning", "unreliable",
};

/* --- members -------------------------------------------------------------- */

/* Cut to fit, never inside a character of UTF-8. */
static void get_text(const json_t *object, const char *key, char *ret,
		     size_t size)
{
	const char *text = json_string_value(json_object_get(object, key));
	size_t length = text ? strlen(text) : 0;

	if (length >= size) {
		length = size - 1;
		while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	if (length)
		memcpy(ret, text, length);
	ret[length] = '\0';
}

static struct export_amount get_amount(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	return (struct export_amount){
		.is_known = json_is_integer(value),
		.value = json_integer_value(value),
	};
}

/* A count, a bound or a time of day: never negative. */
static struct export_amount get_count(const json_t *object, const char *key)
{
	struct export_amount amount = get_amount(object, key);

	amount.is_known = amount.is_known && amount.value >= 0;
	return amount;
}

/* The index of a name; count if it is another one. */
static size_t find_name(const char *name, const char *const *names,
			size_t count)
{
	size_t i = 0;

	while (i < count && strcmp(name, names[i]) != 0)
		i++;
	return i;
}

static enum export_service_state get_state(const json_t *object)
{
	const char *name = json_string_value(json_object_get(object, "state"));
	size_t state;

	if (!name || !json_is_integer(json_object_get(object, "pid")))
		return EXPORT_MALFORMED;
	if (!writer_is_running(object))
		return EXPORT_GONE;
	state = find_name(name, export_state_names, EXPORT_STATES);
	return state < EXPORT_STARTING || state == EXPORT_STATES
		       ? EXPORT_OTHER
		       : (enum export_service_state)state;
}

/* --- feed's outputs ------------------------------------------------------- */

static bool has_output(const struct export_service *service,
		       const struct export_output *output)
{
	for (size_t i = 0; i < service->output_count; i++) {
		const struct export_output *other = &service->outputs[i];

		if (strcmp(other->kind, output->kind) == 0 &&
		    strcmp(other->target, output->target) == 0)
			return true;
	}
	return false;
}

/* Two of one name would be one metric with two values. */
static void add_output(struct export_service *service, const json_t *object)
{
	struct export_output output = { 0 };

	get_text(object, "kind", output.kind, sizeof(output.kind));
	get_text(object, "target", output.target, sizeof(output.target));
	if (!output.kind[0] || has_output(service, &output))
		return;
	output.is_connected =
		json_is_true(json_object_get(object, "connected"));
	output.delivered = get_count(object, "delivered");
	output.failed = get_count(object, "failed");
	service->outputs[service->output_count++] = output;
}

static void get_outputs(const json_t *object, struct export_service *service)
{
	const json_t *outputs = json_object_get(object, "outputs");

	for (size_t i = 0; i < json_array_size(outputs) &&
			   service->output_count < EXPORT_OUTPUTS;
	     i++)
		add_output(service, json_array_get(outputs, i));
}

/* --- a file --------------------------------------------------------------- */

static void get_all(const json_t *object, struct export_service *service)
{
	const char *status =
		json_string_value(json_object_get(object, "status"));

	get_text(object, "why", service->why, sizeof(service->why));
	get_text(object, "backend", service->backend, sizeof(service->backend));
	get_text(object, "timescale", service->timescale,
		 sizeof(service->timescale));
	service->updated_ns = get_count(object, "realtime_ns");
	service->offset_ns = get_amount(object, "offset_ns");
	/* Without the host's own error it bounds nothing. */
	if (json_is_true(json_object_get(object, "has_bound")))
		service->bound_ns = get_count(object, "bound_ns");
	service->disruptions = get_count(object, "disruptions");
	service->corrections = get_count(object, "corrections");
	service->samples = get_count(object, "samples");
	service->printed_bound_ns = get_count(object, "printed_bound_ns");
	service->publications = get_count(object, "publications");
	get_text(object, "page", service->page, sizeof(service->page));
	get_text(object, "clockbound", service->clockbound,
		 sizeof(service->clockbound));
	if (status)
		service->status =
			find_name(status, export_status_names, EXPORT_STATUSES);
	get_outputs(object, service);
}

static void clear(struct export_service *service,
		  enum export_service_state state)
{
	*service = (struct export_service){
		.state = state,
		.status = EXPORT_STATUSES,
	};
}

void export_state_parse(const char *text, size_t size,
			struct export_service *ret_service)
{
	json_t *object = json_loadb(text, size, 0, NULL);

	clear(ret_service, EXPORT_MALFORMED);
	if (json_is_object(object))
		ret_service->state = get_state(object);
	if (export_is_up(ret_service))
		get_all(object, ret_service);
	json_decref(object);
}

/* A pipe would block, and a device may do anything: only a file is read. */
static ssize_t read_file(const char *path, char *text, size_t size)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t got = -1;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		got = read(fd, text, size);
	close(fd);
	return got > 0 && (size_t)got < size ? got : -1;
}

void export_state_load(const char *folder, enum export_service_kind kind,
		       struct export_service *ret_service)
{
	const char *name = export_service_names[kind];
	char path[PATH_MAX], text[FILE_MAX];
	ssize_t size;

	if (snprintf(path, sizeof(path), "%s/%s/%s.json", folder, name, name) >=
	    (int)sizeof(path)) {
		clear(ret_service, EXPORT_ABSENT);
		return;
	}
	size = read_file(path, text, sizeof(text));
	if (size > 0)
		export_state_parse(text, (size_t)size, ret_service);
	else
		clear(ret_service, size ? EXPORT_MALFORMED : EXPORT_ABSENT);
}
