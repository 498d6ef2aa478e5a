from typing import Any
class _FFI:
    CData: type
ffi: Any
lib: Any
