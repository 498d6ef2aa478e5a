/* SPDX-License-Identifier: MIT */
/* Whoever keep tells: the log, the state file, --exec, systemd. */
#ifndef KEEP_TELL_H
#define KEEP_TELL_H

#include "keep_service.h"

/* A file in keep's folder; returns buf. */
const char *keep_path(const struct keep *keep, const char *name, char *buf,
		      size_t size);
/* For people: why the clock is not right. */
const char *keep_reason(const struct keep *keep);

void keep_write_state(struct keep *keep, const struct keep_news *news);
/* keep_ops.tell; takes a struct keep. */
void keep_tell(void *keep, const struct keep_news *news);

#endif
