# SPDX-License-Identifier: MIT
"""The type of C values: what is in them only cffi knows."""

from typing import Any, TypeAlias

CData: TypeAlias = Any
