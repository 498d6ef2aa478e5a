# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES pclk_backend_hyperv)
list(APPEND PARACLOCK_CORE_TABLES pclk_backend_hyperv)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/hyperv/hyperv.c
  backends/hyperv/hyperv_read.c)
list(APPEND PARACLOCK_HOST_SOURCES
  backends/hyperv/hyperv_write.c
  backends/hyperv/reenlightenment.c)
