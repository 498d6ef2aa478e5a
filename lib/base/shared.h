/* SPDX-License-Identifier: MIT */
/*
 * Marks the internals of libparaclock that libparaclock-host and
 * libparaclock-sim use. The shared library exports them in the version node
 * PARACLOCK_PRIVATE: all three must be of the same release, and nobody else may
 * use that node.
 */
#ifndef SHARED_H
#define SHARED_H

#define PCLK_SHARED __attribute__((visibility("default")))

#endif
