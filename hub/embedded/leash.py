"""Run a program that dies with its parent.

Use: `python -I leash.py PARENT SIGNAL UID GID PROGRAM ARGUMENTS…`.

A test or a demo that is itself killed cannot stop what it started. Linux can: PR_SET_PDEATHSIG
names the signal a process gets when its parent dies (prctl(2)). It must be set inside the child,
after the user was dropped (that clears it), hence this small program which then becomes PROGRAM.
SIGNAL 0 leaves the program running; UID -1 keeps the user. Other systems have no such leash.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
KEEP_USER = -1


def main(arguments: list[str]) -> None:
    """Drop the user, tie the process to its parent, become the program; never returns."""
    parent, signal, uid, gid = (int(text) for text in arguments[:4])
    program = arguments[4:]
    if uid != KEEP_USER:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if signal and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("leash: the parent died first")
    os.execv(program[0], program)  # noqa: S606 - no shell on purpose; the hub names the program


if __name__ == "__main__":
    main(sys.argv[1:])
