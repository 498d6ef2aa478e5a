#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Write the seeds of the fuzz targets: make_corpus.py [DIRECTORY]."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(HERE, "..", "oracle"))
# pylint: disable=wrong-import-position
from seeds_of_pages import (  # noqa: E402
    pvclock_seeds, hyperv_seeds, vmclock_seeds, maps_seeds, fdt_seeds,
    memory_seeds)
from seeds_of_hosts import (  # noqa: E402
    timekeeper_seeds, writer_seeds, relay_seeds, follow_seeds, stat_seeds,
    history_seeds, coupling_seeds)
from seeds_of_texts import (  # noqa: E402
    leap_list_seeds, clocks_seeds, uevent_seeds, kernel_log_seeds,
    iomem_seeds, agent_seeds, export_seeds, record_seeds)


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")
    for target, seeds in (("fuzz_pvclock", pvclock_seeds()),
                          ("fuzz_hyperv", hyperv_seeds()),
                          ("fuzz_vmclock", vmclock_seeds()),
                          ("fuzz_maps", maps_seeds()),
                          ("fuzz_fdt", fdt_seeds()),
                          ("fuzz_leap_list", leap_list_seeds()),
                          ("fuzz_clocks", clocks_seeds()),
                          ("fuzz_uevent", uevent_seeds()),
                          ("fuzz_kernel_log", kernel_log_seeds()),
                          ("fuzz_iomem", iomem_seeds()),
                          ("fuzz_memory", memory_seeds()),
                          ("fuzz_timekeeper", timekeeper_seeds()),
                          ("fuzz_writer", writer_seeds()),
                          ("fuzz_relay", relay_seeds()),
                          ("fuzz_follow", follow_seeds()),
                          ("fuzz_stat", stat_seeds()),
                          ("fuzz_history", history_seeds()),
                          ("fuzz_coupling", coupling_seeds()),
                          ("fuzz_agent", agent_seeds()),
                          ("fuzz_record", record_seeds()),
                          ("fuzz_export", export_seeds())):
        directory = os.path.join(top, target)
        os.makedirs(directory, exist_ok=True)
        for name, data in seeds.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main()
