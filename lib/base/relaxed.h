/* SPDX-License-Identifier: MIT */
/* Loads and stores that another thread or the host may race with, where a
 * fence elsewhere gives the order. */
#ifndef RELAXED_H
#define RELAXED_H

#define LOAD(x)	      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELAXED)

#endif
