/* SPDX-License-Identifier: MIT */
/**
 * @file paraclock.h
 * The clocks that hypervisors give their guests, behind one API.
 *
 * Includes every other public header. Start with clock.h.
 */
#ifndef PARACLOCK_PARACLOCK_H
#define PARACLOCK_PARACLOCK_H

#include <paraclock/backend.h>
#include <paraclock/check.h>
#include <paraclock/clock.h>
#include <paraclock/coupling.h>
#include <paraclock/crosststamp.h>
#include <paraclock/disruption.h>
#include <paraclock/host.h>
#include <paraclock/machine.h>
#include <paraclock/timescale.h>

#endif
