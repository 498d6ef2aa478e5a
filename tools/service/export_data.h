/* SPDX-License-Identifier: MIT */
/* What is exported: the sources, the services and the machine at one moment. */
#ifndef EXPORT_DATA_H
#define EXPORT_DATA_H

#include <paraclock/paraclock.h>

#include "export_text.h"
#include "judge.h"

/* --- sources -------------------------------------------------------------- */

/* Backends of a build: there are fewer. */
#define EXPORT_SOURCES 16

/* Kinds of disruptions, as events tell of them; and those that a handle counted,
 * but no longer knew when it was asked. */
enum export_disruption {
	EXPORT_UPDATED,
	EXPORT_PAUSED,
	EXPORT_JUMPED,
	EXPORT_MIGRATED,
	EXPORT_RESTORED,
	EXPORT_UNKNOWN_KIND,
	EXPORT_DISRUPTIONS,
};

/* Events that are no disruptions. */
enum export_event {
	EXPORT_CLOCK_SET,
	EXPORT_CLOCKSOURCE_CHANGED,
	EXPORT_SOURCE_LOST,
	EXPORT_SOURCE_FOUND,
	EXPORT_EVENTS,
};

struct export_source {
	const char *backend;
	bool is_available;  /* it is open */
	bool was_available; /* now or before: its counters mean something */
	bool has_answered;  /* to the last read: sample is known */
	struct paraclock_sample sample;
	bool has_measurement; /* of the host's UTC */
	struct measurement measurement;
	bool has_rate; /* against CLOCK_MONOTONIC_RAW */
	double rate;   /* 0: they run at the same rate */
	double rate_bound;
	uint64_t disruptions[EXPORT_DISRUPTIONS];
	uint64_t events[EXPORT_EVENTS];
	bool was_disrupted;
	int64_t disrupted_ago_ns;
	struct histogram reads;
};

/* --- services ------------------------------------------------------------- */

enum export_service_kind {
	EXPORT_KEEP,
	EXPORT_FEED,
	EXPORT_SERVE,
	EXPORT_SERVICES,
};

/* The states of keep, feed and serve, and of what is not there to have one. */
enum export_service_state {
	EXPORT_ABSENT,	  /* no file: not started, or ended */
	EXPORT_GONE,	  /* its process is no more */
	EXPORT_MALFORMED, /* the file cannot be read */
	EXPORT_STARTING,
	EXPORT_RIGHT,
	EXPORT_WAITING,
	EXPORT_SLEWING,
	EXPORT_OFF,
	EXPORT_FEEDING,
	EXPORT_SERVING,
	EXPORT_ENDED,
	EXPORT_OTHER, /* a state of a later version */
	EXPORT_STATES,
};

/* What a page of serve says of itself. */
#define EXPORT_STATUSES 5

/* A number of a state file. */
struct export_amount {
	bool is_known;
	int64_t value;
};

#define EXPORT_OUTPUTS 16
struct export_output {
	char kind[32];
	char target[256];
	bool is_connected;
	struct export_amount delivered, failed;
};

struct export_service {
	enum export_service_state state;
	/* Empty or not known if it is not up. */
	char why[64];
	char backend[32];
	char timescale[32];
	struct export_amount updated_ns; /* CLOCK_REALTIME */
	struct export_amount offset_ns;
	struct export_amount bound_ns; /* the host's own error is in it */
	struct export_amount disruptions;
	/* keep */
	struct export_amount corrections;
	/* feed */
	struct export_amount samples;
	struct export_amount printed_bound_ns;
	struct export_output outputs[EXPORT_OUTPUTS];
	size_t output_count;
	/* serve */
	size_t status; /* EXPORT_STATUSES: not known */
	struct export_amount publications;
	char page[256];
	char clockbound[256];
};

/* The process that wrote the file is there. */
static inline bool export_is_up(const struct export_service *service)
{
	return service->state >= EXPORT_STARTING;
}

/* --- all of it ------------------------------------------------------------ */

struct export_data {
	bool has_machine;
	struct paraclock_machine machine;
	struct export_source sources[EXPORT_SOURCES];
	size_t source_count;
	struct export_service services[EXPORT_SERVICES];
};

#endif
