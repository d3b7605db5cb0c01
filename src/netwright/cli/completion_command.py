"""`netwright completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """The script that makes SHELL complete commands, options, networks, spaces and files after netwright.

    \b
    Example: netwright completion bash > ~/.local/share/bash-completion/completions/netwright
             netwright completion zsh > "${fpath[1]}/_netwright"
             netwright completion fish > ~/.config/fish/completions/netwright.fish
    """
    root = click.get_current_context().find_root()
    made = get_completion_class(shell)
    assert made is not None
    click.echo(made(root.command, {}, "netwright", "_NETWRIGHT_COMPLETE").source())
