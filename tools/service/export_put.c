// SPDX-License-Identifier: MIT
#include "export_metrics.h"
#include "export_state.h"

/* --- the machine ---------------------------------------------------------- */

void put_build(struct text *text, const struct export_data *data)
{
	const struct label label = { "version", paraclock_version() };

	(void)data;
	text_put(text, &label, 1, number_count(1));
}

void put_machine(struct text *text, const struct export_data *data)
{
	const struct paraclock_machine *machine = &data->machine;
	const struct label labels[] = {
		{ "hypervisor", machine->hypervisor },
		{ "clocksource", machine->clocksource },
		{ "counter", paraclock_counter_name(machine->counter) },
	};

	if (data->has_machine)
		text_put(text, labels, 3, number_count(1));
}

void put_frequency(struct text *text, const struct export_data *data)
{
	if (data->has_machine && data->machine.counter_hz)
		text_put(text, NULL, 0, number_count(data->machine.counter_hz));
}

/* --- sources -------------------------------------------------------------- */

void put_source_info(struct text *text, const struct export_data *data)
{
	for (size_t i = 0; i < data->source_count; i++) {
		const struct export_source *source = &data->sources[i];
		const struct paraclock_sample *sample = &source->sample;
		const struct label labels[] = {
			{ "backend", source->backend },
			{ "timescale",
			  paraclock_timescale_name(sample->timescale) },
			{ "marker_class",
			  paraclock_marker_class_name(sample->marker_class) },
		};

		if (source->has_answered)
			text_put(text, labels, 3, number_count(1));
	}
}

/* The reasons of the library, and one more: there was no answer. */
#define REASONS (PARACLOCK_REASON_IMPLAUSIBLE + 1U)

void put_source_states(struct text *text, const struct export_data *data)
{
	const char *names[REASONS + 1];
	struct states states = { .names = names, .count = REASONS + 1 };

	for (unsigned int i = 0; i < REASONS; i++)
		names[i] = paraclock_reason_name(i);
	names[REASONS] = "failed";
	for (size_t i = 0; i < data->source_count; i++) {
		const struct export_source *source = &data->sources[i];
		const struct label label = { "backend", source->backend };

		states.current = REASONS;
		if (source->has_answered)
			states.current = source->sample.valid
						 ? (size_t)PARACLOCK_REASON_OK
						 : source->sample.reason;
		if (source->is_available)
			text_put_states(text, &label, 1, &states);
	}
}

/* One sample for each kind, also of what has not happened: a rate needs to see
 * the 0 before the 1. */
static void put_kinds(struct text *text, const struct export_source *source,
		      const char *const *kinds, size_t count,
		      const uint64_t *values)
{
	for (size_t i = 0; source->was_available && i < count; i++) {
		const struct label labels[] = {
			{ "backend", source->backend },
			{ "kind", kinds[i] },
		};

		text_put(text, labels, 2, number_count(values[i]));
	}
}

void put_disruptions(struct text *text, const struct export_data *data)
{
	static const char *const kinds[] = {
		[EXPORT_UPDATED] = "updated",
		[EXPORT_PAUSED] = "paused",
		[EXPORT_JUMPED] = "jumped",
		[EXPORT_MIGRATED] = "migrated",
		[EXPORT_RESTORED] = "restored",
		[EXPORT_UNKNOWN_KIND] = "unknown",
	};

	for (size_t i = 0; i < data->source_count; i++)
		put_kinds(text, &data->sources[i], kinds, EXPORT_DISRUPTIONS,
			  data->sources[i].disruptions);
}

void put_events(struct text *text, const struct export_data *data)
{
	static const char *const kinds[] = {
		[EXPORT_CLOCK_SET] = "clock-set",
		[EXPORT_CLOCKSOURCE_CHANGED] = "clocksource-changed",
		[EXPORT_SOURCE_LOST] = "source-lost",
		[EXPORT_SOURCE_FOUND] = "source-found",
	};

	for (size_t i = 0; i < data->source_count; i++)
		put_kinds(text, &data->sources[i], kinds, EXPORT_EVENTS,
			  data->sources[i].events);
}

void put_reads(struct text *text, const struct export_data *data)
{
	for (size_t i = 0; i < data->source_count; i++) {
		const struct export_source *source = &data->sources[i];
		const struct label label = { "backend", source->backend };

		if (source->was_available)
			text_put_histogram(text, &label, 1, &source->reads);
	}
}

/* --- services ------------------------------------------------------------- */

void put_service_info(struct text *text, const struct export_data *data)
{
	for (size_t i = 0; i < EXPORT_SERVICES; i++) {
		const struct export_service *service = &data->services[i];
		const struct label labels[] = {
			{ "service", export_service_names[i] },
			{ "backend", service->backend },
			{ "timescale", service->timescale },
		};

		if (export_is_up(service))
			text_put(text, labels, 3, number_count(1));
	}
}

void put_service_states(struct text *text, const struct export_data *data)
{
	for (size_t i = 0; i < EXPORT_SERVICES; i++) {
		const struct label label = {
			"service",
			export_service_names[i],
		};
		const struct states states = {
			.names = export_state_names,
			.count = EXPORT_STATES,
			.current = data->services[i].state,
		};

		text_put_states(text, &label, 1, &states);
	}
}

void put_service_reasons(struct text *text, const struct export_data *data)
{
	for (size_t i = 0; i < EXPORT_SERVICES; i++) {
		const struct label labels[] = {
			{ "service", export_service_names[i] },
			{ "reason", data->services[i].why },
		};

		if (data->services[i].why[0])
			text_put(text, labels, 2, number_count(1));
	}
}

/* --- feed ----------------------------------------------------------------- */

static void put_output(struct text *text, const struct export_output *output,
		       const struct export_amount *amount)
{
	const struct label labels[] = {
		{ "kind", output->kind },
		{ "target", output->target },
	};

	if (amount->is_known)
		text_put(text, labels, 2,
			 number_count((uint64_t)amount->value));
}

void put_connected(struct text *text, const struct export_data *data)
{
	const struct export_service *feed = &data->services[EXPORT_FEED];

	for (size_t i = 0; i < feed->output_count; i++) {
		const struct export_amount amount = {
			.is_known = true,
			.value = feed->outputs[i].is_connected,
		};

		put_output(text, &feed->outputs[i], &amount);
	}
}

void put_delivered(struct text *text, const struct export_data *data)
{
	const struct export_service *feed = &data->services[EXPORT_FEED];

	for (size_t i = 0; i < feed->output_count; i++)
		put_output(text, &feed->outputs[i],
			   &feed->outputs[i].delivered);
}

void put_failed(struct text *text, const struct export_data *data)
{
	const struct export_service *feed = &data->services[EXPORT_FEED];

	for (size_t i = 0; i < feed->output_count; i++)
		put_output(text, &feed->outputs[i], &feed->outputs[i].failed);
}

/* --- serve ---------------------------------------------------------------- */

void put_serve_info(struct text *text, const struct export_data *data)
{
	const struct export_service *serve = &data->services[EXPORT_SERVE];
	const struct label labels[] = {
		{ "page", serve->page },
		{ "clockbound", serve->clockbound },
	};

	if (export_is_up(serve))
		text_put(text, labels, 2, number_count(1));
}

void put_serve_status(struct text *text, const struct export_data *data)
{
	const struct states states = {
		.names = export_status_names,
		.count = EXPORT_STATUSES,
		.current = data->services[EXPORT_SERVE].status,
	};

	if (states.current < EXPORT_STATUSES)
		text_put_states(text, NULL, 0, &states);
}

/* --- one number of one service --------------------------------------------- */

static void put_count(struct text *text, const struct export_amount *amount)
{
	if (amount->is_known)
		text_put(text, NULL, 0, number_count((uint64_t)amount->value));
}

void put_corrections(struct text *text, const struct export_data *data)
{
	put_count(text, &data->services[EXPORT_KEEP].corrections);
}

void put_samples(struct text *text, const struct export_data *data)
{
	put_count(text, &data->services[EXPORT_FEED].samples);
}

void put_printed_bound(struct text *text, const struct export_data *data)
{
	const struct export_amount *bound =
		&data->services[EXPORT_FEED].printed_bound_ns;

	if (bound->is_known)
		text_put(text, NULL, 0, number_ns(bound->value));
}

void put_publications(struct text *text, const struct export_data *data)
{
	put_count(text, &data->services[EXPORT_SERVE].publications);
}
