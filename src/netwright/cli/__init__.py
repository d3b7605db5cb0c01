"""The command line: one module per command, loaded when it is called; one-line errors with a way out."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import warnings
from typing import Any

import click
from click.shell_completion import CompletionItem

from netwright.errors import FailedError, NetwrightError, did_you_mean
from netwright.version import VERSION

COMMANDS = {  # name -> what --help says of it
    "list": "The networks of the zoo, with params and macs.",
    "cost": "What a network costs: counts, memory, predicted latency.",
    "compare": "What several networks cost, side by side.",
    "scale": "A network made larger or smaller: by a factor, or to a budget.",
    "draw": "A picture of a network: SVG, or DOT text.",
    "bench": "Measure how fast a network runs here, and in which runtime.",
    "calibrate": "Measure this machine once, so that latency can be predicted.",
    "space": "Test a design space, describe it, and draw networks from it under a budget.",
    "data": "What is in a data set, and what is wrong with it.",
    "train": "Train a network on pictures.",
    "eval": "Evaluate a trained network on pictures.",
    "predict": "Say what is on a picture.",
    "export": "Write a trained network as ONNX.",
    "search": "Try designs of a space on pictures, on one machine or many.",
    "report": "One page to send on: of a run, a study, studies side by side, or networks.",
    "claims": "The lecture notes' statements as experiments with computed verdicts.",
    "lab": "Watch optimizers on known landscapes; the figures of the lecture notes.",
    "ui": "The workbench: a local page to design, watch and try networks.",
    "design": "From pictures and a budget to a trained, exported network.",
    "completion": "The script by which a shell completes all this.",
}
_MEASURING = ("bench", "calibrate")  # torch as it comes: where threads wait passively, small layers take twice as long


class _Commands(click.Group):
    """Finds a command's module when it is called, so that `cost` need not wait for torch."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # a shell asks what may follow: nothing, and without a word
                return None
            raise click.UsageError(f"no such command {cmd_name!r}{did_you_mean(cmd_name, COMMANDS) or '; see netwright --help'}")
        command: click.Command = importlib.import_module(f"netwright.cli.{cmd_name}_command").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[Any]]:
        named = [CompletionItem(name, help=told) for name, told in COMMANDS.items() if name.startswith(incomplete)]
        return named + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(VERSION, message="netwright %(version)s")
def cli() -> None:
    """Budget in, trained network out: designs, costs, searches and trains convolutional image classifiers.

    \b
    netwright design photos/ --max-macs 30M -o photos-30M     the main job
    netwright cost resnet50                                   what a network costs

    --debug with any command shows the traceback of an error.
    """


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code: 0, 2 for the user's mistake, 1 for a failure, 130 for Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"] or ["--help"]
    # threads that spin for milliseconds while they wait starve each other where another process is busy; those that sleep at once
    # train a quarter slower: a fraction of a millisecond it is. Read when torch is loaded.
    if words[0] not in _MEASURING and "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # a GPU's matrix products give the same bits every time
    warnings.showwarning = _warn  # type: ignore[assignment]
    try:
        cli.main(words, prog_name="netwright", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader (head, less) has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (KeyboardInterrupt, click.Abort):
        return _complain(f"stopped; run the same command again to go on: {shlex.join(['netwright', *words])}", 130)
    except click.ClickException as error:
        return _complain(_said(error), 2)
    except NetwrightError as error:
        if debug:
            raise
        return _complain(str(error), 1 if isinstance(error, FailedError) else 2)
    except Exception as error:
        if debug:
            raise
        return _complain(f"failed: {type(error).__name__}: {error} (--debug shows where)", 1)
    return 0


def _said(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption):
        known = [name for p in (error.ctx.command.params if error.ctx else []) for name in p.opts]
        message = f"no such option {error.option_name}{did_you_mean(error.option_name, known, limit=1)}"
    return message


def _warn(message: Warning | str, *_: object) -> None:
    print(f"netwright: warning: {message}", file=sys.stderr)


def _complain(message: str, code: int) -> int:
    print(f"netwright: {' '.join(message.split())}", file=sys.stderr)
    return code


def entry() -> None:
    """What the `netwright` script calls."""
    sys.exit(main())
