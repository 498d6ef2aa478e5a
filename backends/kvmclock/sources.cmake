# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES paraclock_backend_kvmclock)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/kvmclock/kvmclock.c
  backends/kvmclock/pvclock_read.c)
