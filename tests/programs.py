"""Programs of the system that some tests need: where they are, and the Debian package of each."""

import os
import shutil
from types import MappingProxyType
from typing import Final

DEBIAN_PACKAGES: Final = MappingProxyType(
    {
        "mariadb-install-db": "mariadb-server",
        "mariadbd": "mariadb-server",
        "prometheus": "prometheus",
        "promtool": "prometheus",
        "systemd-analyze": "systemd",
    }
)
"""What `pytest.mark.programs` may name; `.ci/packages.txt` lists the packages."""


def find_program(name: str) -> str:
    """Return its path; Debian keeps servers where users' PATH may not look.

    Raises `FileNotFoundError`, which names the package to install.
    """
    package = DEBIAN_PACKAGES[name]
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise FileNotFoundError(f"{name} is missing: apt-get install {package}")
    return found
