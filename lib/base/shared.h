/* SPDX-License-Identifier: MIT */
/*
 * What libparaclock-host uses of libparaclock's internals. The shared library
 * exports it in the version node PARACLOCK_PRIVATE: both must be of the same
 * release, and nobody else may use it.
 */
#ifndef SHARED_H
#define SHARED_H

#define PCLK_SHARED __attribute__((visibility("default")))

#endif
