// SPDX-License-Identifier: MIT
#include <math.h>

#include "export_metrics.h"
#include "export_state.h"

/* A family has one of the three. The getters return false if there is no such
 * number: then there is no sample either. */
struct family {
	struct metric metric;
	bool (*of_source)(const struct export_source *source,
			  struct number *ret_number);
	bool (*of_service)(const struct export_service *service,
			   struct number *ret_number);
	void (*put)(struct text *text, const struct export_data *data);
};

/* --- of a source ---------------------------------------------------------- */

static bool is_available(const struct export_source *source,
			 struct number *ret_number)
{
	*ret_number = number_count(source->is_available);
	return true;
}

static bool is_own_kernel(const struct export_source *source,
			  struct number *ret_number)
{
	*ret_number =
		number_count(source->sample.flags & PARACLOCK_FLAG_OWN_KERNEL);
	return source->has_answered;
}

static bool is_valid(const struct export_source *source,
		     struct number *ret_number)
{
	*ret_number =
		number_count(source->has_answered && source->sample.valid);
	return source->is_available;
}

static bool get_offset(const struct export_source *source,
		       struct number *ret_number)
{
	*ret_number = number_ns(source->measurement.offset_ns);
	return source->has_measurement;
}

/* An error that is beyond all numbers is not known either. */
static bool get_error(bool is_known, uint64_t error_ns,
		      struct number *ret_number)
{
	*ret_number = number_unsigned_ns(error_ns);
	return is_known && error_ns != PARACLOCK_ERROR_UNKNOWN;
}

static bool get_offset_bound(const struct export_source *source,
			     struct number *ret_number)
{
	return get_error(source->has_measurement &&
				 source->measurement.is_of_utc,
			 source->measurement.bound_ns, ret_number);
}

static bool has_valid(const struct export_source *source)
{
	return source->has_answered && source->sample.valid;
}

static bool get_clock_error(const struct export_source *source,
			    struct number *ret_number)
{
	return get_error(has_valid(source), source->sample.clock_error_ns,
			 ret_number);
}

static bool get_pair_error(const struct export_source *source,
			   struct number *ret_number)
{
	return get_error(has_valid(source), source->sample.pair_error_ns,
			 ret_number);
}

static bool get_rate(const struct export_source *source,
		     struct number *ret_number)
{
	*ret_number = number_ratio(source->rate);
	return source->has_rate && isfinite(source->rate);
}

static bool get_rate_bound(const struct export_source *source,
			   struct number *ret_number)
{
	*ret_number = number_ratio(source->rate_bound);
	return source->has_rate && isfinite(source->rate_bound);
}

static bool get_disruption_age(const struct export_source *source,
			       struct number *ret_number)
{
	*ret_number = number_ns(source->disrupted_ago_ns);
	return source->was_disrupted;
}

/* --- of a service --------------------------------------------------------- */

static bool is_up(const struct export_service *service,
		  struct number *ret_number)
{
	*ret_number = number_count(export_is_up(service));
	return true;
}

static bool get_ns(const struct export_amount *amount,
		   struct number *ret_number)
{
	*ret_number = number_ns(amount->value);
	return amount->is_known;
}

static bool get_count(const struct export_amount *amount,
		      struct number *ret_number)
{
	*ret_number = number_count((uint64_t)amount->value);
	return amount->is_known;
}

static bool get_updated(const struct export_service *service,
			struct number *ret_number)
{
	return get_ns(&service->updated_ns, ret_number);
}

static bool get_service_offset(const struct export_service *service,
			       struct number *ret_number)
{
	return get_ns(&service->offset_ns, ret_number);
}

static bool get_service_bound(const struct export_service *service,
			      struct number *ret_number)
{
	return get_ns(&service->bound_ns, ret_number);
}

static bool get_service_disruptions(const struct export_service *service,
				    struct number *ret_number)
{
	return get_count(&service->disruptions, ret_number);
}

/* --- the table ------------------------------------------------------------ */

/* paraclock-export(8) has the same table; a test compares them. */
static const struct family families[] = {
	/* clang-format off */
	{ { "paraclock_build", METRIC_INFO, NULL,
	    "The version of paraclock." },
	  .put = put_build },
	{ { "paraclock_machine", METRIC_INFO, NULL,
	    "The hypervisor, the kernel's clocksource and the CPU counter." },
	  .put = put_machine },
	{ { "paraclock_machine_tick_frequency_hertz", METRIC_GAUGE, "hertz",
	    "Frequency of the CPU counter." },
	  .put = put_frequency },

	{ { "paraclock_source_available", METRIC_GAUGE, NULL,
	    "1: this machine has the source and it is open." },
	  .of_source = is_available },
	{ { "paraclock_source", METRIC_INFO, NULL,
	    "Timescale and marker class of a source." },
	  .put = put_source_info },
	{ { "paraclock_source_own_kernel", METRIC_GAUGE, NULL,
	    "1: the source repeats this kernel's own clock." },
	  .of_source = is_own_kernel },
	{ { "paraclock_source_valid", METRIC_GAUGE, NULL,
	    "1: the source's last sample is fit for correlation." },
	  .of_source = is_valid },
	{ { "paraclock_source_state", METRIC_STATESET, NULL,
	    "ok, or why the last sample is not valid; failed: there was none." },
	  .put = put_source_states },
	{ { "paraclock_source_offset_seconds", METRIC_GAUGE, "seconds",
	    "The host's UTC less CLOCK_REALTIME." },
	  .of_source = get_offset },
	{ { "paraclock_source_offset_bound_seconds", METRIC_GAUGE, "seconds",
	    "The offset is right to within this, the host's own error included." },
	  .of_source = get_offset_bound },
	{ { "paraclock_source_clock_error_seconds", METRIC_GAUGE, "seconds",
	    "The host clock is within this of its timescale, as the host states." },
	  .of_source = get_clock_error },
	{ { "paraclock_source_pair_error_seconds", METRIC_GAUGE, "seconds",
	    "The host clock's time and its counter value belong together to "
	    "within this." },
	  .of_source = get_pair_error },
	{ { "paraclock_source_rate_error_ratio", METRIC_GAUGE, "ratio",
	    "Rate of the host clock against CLOCK_MONOTONIC_RAW, less 1." },
	  .of_source = get_rate },
	{ { "paraclock_source_rate_error_bound_ratio", METRIC_GAUGE, "ratio",
	    "The rate is right to within this." },
	  .of_source = get_rate_bound },
	{ { "paraclock_source_disruptions", METRIC_COUNTER, NULL,
	    "Disruptions since the exporter started, by kind." },
	  .put = put_disruptions },
	{ { "paraclock_source_last_disruption_age_seconds", METRIC_GAUGE,
	    "seconds",
	    "Time since the last disruption, if there was one." },
	  .of_source = get_disruption_age },
	{ { "paraclock_source_events", METRIC_COUNTER, NULL,
	    "Events that are no disruptions, since the exporter started." },
	  .put = put_events },
	{ { "paraclock_source_read_duration_seconds", METRIC_HISTOGRAM,
	    "seconds",
	    "How long a read took, including one of CLOCK_MONOTONIC_RAW." },
	  .put = put_reads },

	{ { "paraclock_service_up", METRIC_GAUGE, NULL,
	    "1: the service's process is running." },
	  .of_service = is_up },
	{ { "paraclock_service", METRIC_INFO, NULL,
	    "The source that a service follows." },
	  .put = put_service_info },
	{ { "paraclock_service_state", METRIC_STATESET, NULL,
	    "What a service says of itself." },
	  .put = put_service_states },
	{ { "paraclock_service_reason", METRIC_GAUGE, NULL,
	    "1: why a service is in its state, where it gives a reason." },
	  .put = put_service_reasons },
	{ { "paraclock_service_updated_timestamp_seconds", METRIC_GAUGE,
	    "seconds",
	    "When a service last wrote its state, by CLOCK_REALTIME." },
	  .of_service = get_updated },
	{ { "paraclock_service_offset_seconds", METRIC_GAUGE, "seconds",
	    "The host's UTC less CLOCK_REALTIME, when the service wrote it." },
	  .of_service = get_service_offset },
	{ { "paraclock_service_offset_bound_seconds", METRIC_GAUGE, "seconds",
	    "That offset is right to within this." },
	  .of_service = get_service_bound },
	{ { "paraclock_service_disruptions", METRIC_COUNTER, NULL,
	    "Disruptions that a service noticed." },
	  .of_service = get_service_disruptions },
	{ { "paraclock_keep_corrections", METRIC_COUNTER, NULL,
	    "How often keep set CLOCK_REALTIME." },
	  .put = put_corrections },
	{ { "paraclock_feed_samples", METRIC_COUNTER, NULL,
	    "Samples that feed delivered." },
	  .put = put_samples },
	{ { "paraclock_feed_printed_bound_seconds", METRIC_GAUGE, "seconds",
	    "The bound that feed's printed configuration promises." },
	  .put = put_printed_bound },
	{ { "paraclock_feed_output_connected", METRIC_GAUGE, NULL,
	    "1: somebody takes this output's samples." },
	  .put = put_connected },
	{ { "paraclock_feed_output_delivered", METRIC_COUNTER, NULL,
	    "Samples delivered to an output." },
	  .put = put_delivered },
	{ { "paraclock_feed_output_failed", METRIC_COUNTER, NULL,
	    "Samples that an output did not take." },
	  .put = put_failed },
	{ { "paraclock_serve", METRIC_INFO, NULL,
	    "The files that serve publishes." },
	  .put = put_serve_info },
	{ { "paraclock_serve_status", METRIC_STATESET, NULL,
	    "What serve's page says of its time." },
	  .put = put_serve_status },
	{ { "paraclock_serve_publications", METRIC_COUNTER, NULL,
	    "How often serve wrote its page." },
	  .put = put_publications },
	/* clang-format on */
};

static void put_sources(struct text *text, const struct export_data *data,
			const struct family *family)
{
	struct number number;

	for (size_t i = 0; i < data->source_count; i++) {
		const struct export_source *source = &data->sources[i];
		const struct label label = { "backend", source->backend };

		if (family->of_source(source, &number))
			text_put(text, &label, 1, number);
	}
}

static void put_services(struct text *text, const struct export_data *data,
			 const struct family *family)
{
	struct number number;

	for (size_t i = 0; i < EXPORT_SERVICES; i++) {
		const struct label label = {
			"service",
			export_service_names[i],
		};

		if (family->of_service(&data->services[i], &number))
			text_put(text, &label, 1, number);
	}
}

void export_render(const struct export_data *data, enum text_format format,
		   FILE *to)
{
	struct text text = { .to = to, .format = format };

	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		const struct family *family = &families[i];

		text_begin(&text, &family->metric);
		if (family->of_source)
			put_sources(&text, data, family);
		else if (family->of_service)
			put_services(&text, data, family);
		else
			family->put(&text, data);
	}
	text_end(&text);
}
