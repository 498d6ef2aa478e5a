/* SPDX-License-Identifier: MIT */
/* The screen of 'paraclock watch'. */
#ifndef SCREEN_H
#define SCREEN_H

#include "track.h"

struct screen;

/* NULL: stdout is not a terminal that can be drawn on. */
struct screen *screen_open(void);
void screen_show(const struct track *track);
/* Handle the keys that were pressed; true: the user quits. */
bool screen_keys(const struct track *track);
/* Restore the terminal; NULL is fine. */
void screen_close(struct screen *screen);

#endif
