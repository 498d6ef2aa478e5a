/* SPDX-License-Identifier: MIT */
#ifndef CLOCK_REGISTRY_H
#define CLOCK_REGISTRY_H

#include <stddef.h>

#include <paraclock/backend.h>

/* The compiled-in backends, NULL at the end; generated. */
extern const struct paraclock_backend *const pclk_backends[];

#endif
