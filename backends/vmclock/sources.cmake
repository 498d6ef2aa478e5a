# SPDX-License-Identifier: MIT
list(APPEND PARACLOCK_TABLES pclk_backend_vmclock pclk_backend_served)
list(APPEND PARACLOCK_CORE_TABLES pclk_backend_vmclock)
list(APPEND PARACLOCK_MEMORY_TABLES pclk_backend_vmclock_memory)
list(APPEND PARACLOCK_BACKEND_SOURCES
  backends/vmclock/boot_id.c
  backends/vmclock/leap.c
  backends/vmclock/vmclock.c
  backends/vmclock/vmclock_memory.c
  backends/vmclock/vmclock_read.c)
# Ring 0 has no files.
list(APPEND PARACLOCK_LINUX_BACKEND_SOURCES
  backends/vmclock/served.c)
list(APPEND PARACLOCK_HOST_SOURCES
  backends/vmclock/vmclock_write.c)
