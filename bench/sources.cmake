# SPDX-License-Identifier: MIT
# paraclock bench: its entry point is cmd_bench(), declared in tools/tools.h.
# alloc_count.c replaces malloc() and its kin in the program that links it.
list(APPEND PARACLOCK_BENCH_SOURCES
  ${PROJECT_SOURCE_DIR}/bench/alloc_count.c
  ${PROJECT_SOURCE_DIR}/bench/command.c
  ${PROJECT_SOURCE_DIR}/bench/report_json.c
  ${PROJECT_SOURCE_DIR}/bench/pages.c
  ${PROJECT_SOURCE_DIR}/bench/subjects.c
  ${PROJECT_SOURCE_DIR}/bench/sync.c
  ${PROJECT_SOURCE_DIR}/bench/syscalls.c
  ${PROJECT_SOURCE_DIR}/bench/report_table.c
  ${PROJECT_SOURCE_DIR}/bench/threads.c
  ${PROJECT_SOURCE_DIR}/bench/timing.c)
