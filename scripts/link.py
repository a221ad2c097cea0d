"""Make this checkout runnable from its environment: `import wsapp` works, and the program stands at .venv/bin/wsapp.

The same as an editable install, without building anything and so without packages that no lock file names.
"""

import shlex
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# -P: the folder that the program happens to be started in must not be searched for modules.
PROGRAM = """#!/bin/sh
exec {python} -P -m wsapp "$@"
"""


def main() -> None:
    """Write the path file and the program."""
    site_packages = Path(sysconfig.get_path("purelib"))
    (site_packages / "wsapp.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    program = Path(sys.executable).parent / "wsapp"
    program.write_text(PROGRAM.format(python=shlex.quote(sys.executable)), encoding="utf-8")
    program.chmod(0o755)


if __name__ == "__main__":
    main()
