# SPDX-License-Identifier: MIT
"""Finds the programs of others that tests run: this machine's, else those that
scripts/programs fetched."""
import os
import pathlib
import shutil

PACKAGES = {
    "chronyc": "chrony",
    "chronyd": "chrony",
    "ntpd": "ntpsec",
    "prometheus-node-exporter": "prometheus-node-exporter",
    "promtool": "promtool (Debian 12: prometheus)",
}
# A user's PATH lacks the daemons' folders.
FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"


class Absent(Exception):
    """Says which package is missing."""


def find(name):
    """The path of a program."""
    cache = os.environ.get("XDG_CACHE_HOME") or \
        os.path.join(os.path.expanduser("~"), ".cache")
    folders = (os.environ.get("PATH", os.defpath), FOLDERS,
               str(pathlib.Path(cache) / "paraclock/programs/bin"))
    path = shutil.which(name, path=":".join(folders))
    if not path:
        raise Absent(f"no {name} here: install Debian's {PACKAGES[name]}, or "
                     "run scripts/programs")
    return path
