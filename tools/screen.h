/* SPDX-License-Identifier: MIT */
/* The one screen of 'paraclock watch'. */
#ifndef SCREEN_H
#define SCREEN_H

#include "track.h"

struct screen;

/* NULL: not on this terminal. */
struct screen *screen_open(void);
void screen_show(const struct track *track);
/* Handle the keys that were pressed: true, if one of them is to quit. */
bool screen_keys(const struct track *track);
/* The terminal is as before; NULL is fine. */
void screen_close(struct screen *screen);

/* "12:00:01Z 11:59:07Z": when the last disruptions were noticed. */
void format_times(const struct track *track, char *buf, size_t size);

#endif
