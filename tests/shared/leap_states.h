/* SPDX-License-Identifier: MIT */
/* Leap states, short enough for a table. */
#ifndef LEAP_STATES_H
#define LEAP_STATES_H

#include <paraclock/paraclock.h>

#define NONE	 PARACLOCK_LEAP_NONE
#define PRE_POS	 PARACLOCK_LEAP_PRE_POS
#define PRE_NEG	 PARACLOCK_LEAP_PRE_NEG
#define POS	 PARACLOCK_LEAP_POS
#define POST_POS PARACLOCK_LEAP_POST_POS
#define POST_NEG PARACLOCK_LEAP_POST_NEG
#define UNKNOWN	 PARACLOCK_LEAP_UNKNOWN

#endif
