"""`govcode`: the command line of a node, its operators and developers.

The commands' modules are loaded when they are asked for: `govcode serve` must not wait for what `govcode code` needs.
"""

from importlib import import_module
from typing import Any, Final

import click

from govcode_node import __version__
from govcode_node.commands.screen import forgiving_output

_COMMANDS: Final = {
    "serve": ("commands.serving", "serve"),
    "check-config": ("commands.serving", "check_config"),
    "migrate": ("commands.serving", "migrate"),
    "pki": ("commands.pki", "pki"),
    "code": ("commands.code", "code"),
    "registry": ("commands.registry", "registry"),
    "authorization": ("commands.authorization", "authorization"),
    "hub": ("commands.hub", "hub"),
    "status": ("commands.operations", "status"),
    "audit": ("commands.operations", "audit"),
    "demo": ("demo.command", "demo"),
    "sandbox": ("sandbox.command", "sandbox"),
}
"""Each command with its module and its name there, in the order of the help."""


class _LazyGroup(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        forgiving_output()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"govcode_node.{module}"), name)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="govcode")
def main() -> None:
    """政务服务码 node: run it, look after it, and act as its callers do (节点运行、维护与调用).

    A first tour needs no options: `make demo` in a checkout. `make run` keeps a federation up and prints commands to
    paste. Exit codes: 0 done, 1 not possible (reason and advice on stderr), 2 wrong command line.
    """


if __name__ == "__main__":
    main()
