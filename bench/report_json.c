// SPDX-License-Identifier: MIT
/* The figures, for programs: one object on one line. A value that is not known
 * or does not apply is null. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "bench.h"
#include "tools.h"

/* The separator before the next value. */
struct writer {
	const char *comma;
};

/* Keys need no escaping; NULL: inside an array. */
static void key_of(struct writer *json, const char *key)
{
	printf("%s", json->comma);
	json->comma = ",";
	if (key)
		printf("\"%s\":", key);
}

static void begin(struct writer *json, const char *key, char bracket)
{
	key_of(json, key);
	putchar(bracket);
	json->comma = "";
}

static void end(struct writer *json, char bracket)
{
	putchar(bracket);
	json->comma = ",";
}

static void null(struct writer *json, const char *key)
{
	key_of(json, key);
	printf("null");
}

static void boolean(struct writer *json, const char *key, bool value)
{
	key_of(json, key);
	printf(value ? "true" : "false");
}

static void integer(struct writer *json, const char *key, uint64_t value)
{
	key_of(json, key);
	printf("%" PRIu64, value);
}

static void number(struct writer *json, const char *key, double value,
		   bool known)
{
	if (!known) {
		null(json, key);
		return;
	}
	key_of(json, key);
	printf("%.6g", value);
}

/* NULL, empty text, and text that is not UTF-8 become null. */
static void text(struct writer *json, const char *key, const char *value)
{
	json_t *string = value && value[0] ? json_string(value) : NULL;
	char *encoded = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;

	key_of(json, key);
	printf("%s", encoded ? encoded : "null");
	free(encoded);
	json_decref(string);
}

/* -1: null. */
static void judgement(struct writer *json, const char *key, int value)
{
	if (value < 0)
		null(json, key);
	else
		boolean(json, key, value);
}

static void machine(struct writer *json, const struct bench *bench)
{
	const struct paraclock_machine *it = &bench->machine;

	begin(json, "machine", '{');
	integer(json, "cpus", (uint64_t)bench->cpus);
	text(json, "counter", paraclock_counter_name(it->counter));
	integer(json, "counter_hz", it->counter_hz);
	boolean(json, "counter_hz_measured", it->measured);
	text(json, "hypervisor", it->hypervisor);
	text(json, "clocksource", it->clocksource);
	end(json, '}');
}

static void one_read(struct writer *json, const struct bench *bench,
		     const struct subject *subject)
{
	double bare = bench->bare->ns.median, vdso = bench->vdso->ns.median;
	const struct limits *limits = &subject->limits;
	const struct spread *ns = &subject->ns;
	bool known = is_measured(subject);

	number(json, "median_ns", ns->median, known);
	number(json, "p10_ns", ns->low, known);
	number(json, "p90_ns", ns->high, known);
	number(json, "over_bare", ns->median / bare, known);
	number(json, "minus_bare_ns", ns->median - bare, known);
	number(json, "over_vdso", ns->median / vdso, known);
	number(json, "limit_over_bare", limits->over_bare,
	       limits->over_bare > 0);
	number(json, "limit_over_vdso", limits->over_vdso,
	       limits->over_vdso > 0);
	number(json, "limit_minus_bare_ns", limits->minus_bare_ns,
	       limits->minus_bare_ns > 0);
	judgement(json, "within_limit", judge_time(bench, subject));
}

static void subject_object(struct writer *json, const struct bench *bench,
			   const struct subject *subject)
{
	bool known = is_measured(subject);
	bool scales = known && subject->scaling > 0;

	begin(json, NULL, '{');
	text(json, "name", subject->name);
	text(json, "page", subject->page);
	text(json, "not_measured", subject->why);
	if (known && subject->clk)
		text(json, "marker_class",
		     paraclock_marker_class_name(subject->marker_class));
	else
		null(json, "marker_class");
	one_read(json, bench, subject);
	number(json, "two_thread_scaling", subject->scaling, scales);
	number(json, "two_thread_scaling_over_bare",
	       subject->scaling / bench->bare->scaling, scales);
	number(json, "limit_two_thread_scaling_over_bare",
	       subject->limits.scaling, subject->limits.scaling > 0);
	judgement(json, "two_thread_within_limit",
		  judge_scaling(bench, subject));
	number(json, "syscalls_per_read", subject->syscalls,
	       known && subject->syscalls >= 0);
	number(json, "allocations_per_read", subject->allocations,
	       known && subject->allocations >= 0);
	end(json, '}');
}

static void method_object(struct writer *json, const char *key,
			  const struct method *method)
{
	begin(json, key, '{');
	text(json, "not_measured", method->why);
	if (method->used) {
		integer(json, "control_expected", method->expected);
		integer(json, "control_counted", method->counted);
	} else {
		null(json, "control_expected");
		null(json, "control_counted");
	}
	end(json, '}');
}

static void threads(struct writer *json, const struct bench *bench)
{
	bool pinned = bench->thread_cpu[0] >= 0 && bench->thread_cpu[1] >= 0;

	begin(json, "two_threads", '{');
	text(json, "not_measured", bench->threads_why);
	integer(json, "passes", bench->thread_passes);
	judgement(json, "pinned", bench->thread_passes ? pinned : -1);
	end(json, '}');
}

static void sync_object(struct writer *json, const struct bench *bench)
{
	const struct sync_cost *sync = &bench->sync;
	const struct subject *cross = find_cross(bench);
	const bool known = sync->requests > 0;

	begin(json, "sync", '{');
	text(json, "not_measured", sync->why);
	integer(json, "requests", sync->requests);
	number(json, "median_ns", sync->ns.median, known);
	number(json, "p10_ns", sync->ns.low, known);
	number(json, "p90_ns", sync->ns.high, known);
	number(json, "over_vdso", sync->ns.median / bench->vdso->ns.median,
	       known);
	number(json, "over_cross",
	       cross ? sync->ns.median / cross->ns.median : 0, known && cross);
	end(json, '}');
}

int report_json(const struct bench *bench)
{
	struct writer json = { "" };

	begin(&json, NULL, '{');
	machine(&json, bench);
	boolean(&json, "sanitized", BENCH_SANITIZED);
	boolean(&json, "within_limits", !misses_limit(bench));
	number(&json, "seconds", bench->seconds, true);
	integer(&json, "passes", bench->passes);
	begin(&json, "subjects", '[');
	for (unsigned int i = 0; i < bench->count; i++)
		subject_object(&json, bench, &bench->subject[i]);
	end(&json, ']');
	threads(&json, bench);
	method_object(&json, "syscalls", &bench->syscalls);
	method_object(&json, "allocations", &bench->allocations);
	sync_object(&json, bench);
	end(&json, '}');
	putchar('\n');
	return output_flush();
}
