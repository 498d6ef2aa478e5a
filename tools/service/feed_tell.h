/* SPDX-License-Identifier: MIT */
/* Whoever feed tells: the log, feed.json, stdout, systemd. */
#ifndef FEED_TELL_H
#define FEED_TELL_H

#include "feed_service.h"

/* For scripts; null if nothing is in the way. For people: a sentence. */
const char *feed_state_name(enum feed_state state);
const char *feed_why_name(const struct feed *feed);
void feed_describe(const struct feed *feed, char *buf, size_t size);

/* Enter a state: a change is logged and told. */
void feed_enter(struct feed *feed, enum feed_state state, enum feed_why why);
void feed_tell_disruption(struct feed *feed);
void feed_tell_leap(struct feed *feed, uint8_t leap);
/* What chrony.conf is taken to state, if the user has not said it. */
void feed_tell_delay(const struct feed *feed);

void feed_write_state(struct feed *feed);
void feed_remove_state(const struct feed *feed);

#endif
