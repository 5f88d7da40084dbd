"""Command lines as the hub itself reads them."""

import click

from hub.cli import hub


def parsed(arguments: list[str]) -> tuple[list[str], dict[str, object]]:
    """The command's names and its parameters; click refuses what it does not know."""
    names: list[str] = []
    command: click.Command = hub
    context = click.Context(hub)
    while isinstance(command, click.Group) and not arguments[0].startswith("-"):
        names.append(arguments[0])
        found = command.get_command(context, arguments[0])
        assert found is not None, arguments
        command, arguments = found, arguments[1:]
    return names, command.make_context(names[-1], list(arguments)).params
