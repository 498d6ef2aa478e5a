/* SPDX-License-Identifier: MIT */
/* What a keeper tells, for people and for programs. */
#ifndef NEWS_H
#define NEWS_H

#include "json.h"
#include "keeper.h"

/* One line in the log. */
void news_log(const struct keep_news *news);
/* The members of one JSON object, of an event. */
void news_put_json(struct json *json, const struct keep_news *news);

/* offset_ns, bound_ns and has_bound; null if there is no measurement. */
void news_put_measurement(struct json *json, const struct measurement *m);
void news_put_cause(struct json *json, const struct keep_cause *cause);

#endif
