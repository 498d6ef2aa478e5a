/* SPDX-License-Identifier: MIT */
#ifndef CLOCK_REGISTRY_H
#define CLOCK_REGISTRY_H

#include <stddef.h>

#include <paraclock/backend.h>

/* The compiled-in backends, NULL at the end; generated. */
extern const struct paraclock_backend *const pclk_backends[];

/* Those of PARACLOCK_DEVICE_MEMORY, NULL at the end; each shows the page of the
 * compiled-in backend of the same name. */
extern const struct paraclock_backend *const pclk_memory_backends[];

#endif
