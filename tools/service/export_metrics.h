/* SPDX-License-Identifier: MIT */
/* The metrics: which there are, and what each of them says. */
#ifndef EXPORT_METRICS_H
#define EXPORT_METRICS_H

#include "export_data.h"

/* All families, the empty ones too, so that the text names every metric. */
void export_render(const struct export_data *data, enum text_format format,
		   FILE *to);

/* --- export_put.c: families that do not fit a getter ----------------- */

void put_build(struct text *text, const struct export_data *data);
void put_machine(struct text *text, const struct export_data *data);
void put_frequency(struct text *text, const struct export_data *data);
void put_source_info(struct text *text, const struct export_data *data);
void put_source_states(struct text *text, const struct export_data *data);
void put_disruptions(struct text *text, const struct export_data *data);
void put_events(struct text *text, const struct export_data *data);
void put_reads(struct text *text, const struct export_data *data);
void put_service_info(struct text *text, const struct export_data *data);
void put_service_states(struct text *text, const struct export_data *data);
void put_service_reasons(struct text *text, const struct export_data *data);
void put_corrections(struct text *text, const struct export_data *data);
void put_samples(struct text *text, const struct export_data *data);
void put_printed_bound(struct text *text, const struct export_data *data);
void put_connected(struct text *text, const struct export_data *data);
void put_delivered(struct text *text, const struct export_data *data);
void put_failed(struct text *text, const struct export_data *data);
void put_serve_info(struct text *text, const struct export_data *data);
void put_serve_status(struct text *text, const struct export_data *data);
void put_publications(struct text *text, const struct export_data *data);

#endif
