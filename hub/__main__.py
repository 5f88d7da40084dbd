"""Run the command line: `python -m hub`."""

from hub.cli import hub

if __name__ == "__main__":
    hub(prog_name="hub")
