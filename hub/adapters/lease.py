"""The lease of a slot: a lock on its state folder, so that two processes never own it at once."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from hub.errors import FencedError
from hub.io.paths import open_folder, own_folder

if TYPE_CHECKING:
    from pathlib import Path


class FolderLease:
    """Holds an exclusive lock on `<folder>/lease`; the kernel drops it when the process dies."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file: int | None = None

    def take(self) -> None:
        """Take the lock. Raises `FencedError` while another process holds it."""
        if self._file is not None:
            return
        own_folder(self._folder)
        with open_folder(self._folder) as folder:
            handle = folder.keep("lease")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            message = (
                f"状态目录 {self._folder} 正被另一进程使用\n"
                f"the state folder {self._folder} is in use by another process\n"
                "处理办法：先停止该进程 / Remedy: stop that process first"
            )
            raise FencedError(message) from error
        self._file = handle

    def release(self) -> None:
        """Give the lock back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
