/* SPDX-License-Identifier: MIT */
/**
 * @file paraclock.h
 * The clocks that hypervisors give their guests, behind one API.
 *
 * Includes what a guest needs: clock.h, events.h, interval.h, offset.h,
 * system.h and timescale.h. Include the others by name: backend.h (a backend or
 * an env of your own); host.h, timekeeper.h and relay.h (the host's side,
 * libparaclock-host); sim.h and sim_script.h (a simulated host,
 * libparaclock-sim). Start with clock.h.
 */
#ifndef PARACLOCK_PARACLOCK_H
#define PARACLOCK_PARACLOCK_H

#include <paraclock/clock.h>
#include <paraclock/events.h>
#include <paraclock/interval.h>
#include <paraclock/offset.h>
#include <paraclock/system.h>
#include <paraclock/timescale.h>

#endif
