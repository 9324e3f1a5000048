"""What a demo shows: progress, the steps as they are played, the hub's table, and commands to paste."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from govcode_node.symbols import render_terminal

if TYPE_CHECKING:
    from govcode_node.demo.federation import Federation
    from govcode_node.demo.findings import Played


class Screen:
    """It writes for people; without a terminal in plain lines."""

    def __init__(self) -> None:
        """It writes to standard output."""
        # A log file has no width of its own; 80 columns would break the lines of steps.
        self._console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)

    def line(self, text: str) -> None:
        """It writes a line."""
        self._console.print(Text(text))

    def progress(self, text: str) -> None:
        """It writes a line about the set-up."""
        self._console.print(Text(f"  · {text}", style="dim"))

    def ready(self, federation: "Federation", seconds: float) -> None:
        """It says that the federation stands."""
        places = ", ".join(f"{node.node_id} {node.zh}" for node in federation.plan.node)
        self._console.print(Text(f"\n{places}: up after {seconds:.1f} s\n", style="bold"))

    def show(self, played: "Played") -> None:
        """It writes what came of a step."""
        step, finding = played.step, played.finding
        line = Text()  # without a style of its own, which all that is appended would inherit
        line.append("✓ " if played.ok else "✗ ", style="green" if played.ok else "bold red")
        line.append(f"{step.clause:4} ", style="cyan")
        line.append(step.title)
        line.append(f"  [{step.who}", style="dim")
        if finding.decided_by:
            did = "delivered" if finding.outcome == "DELIVERED" else "decided"
            line.append(f" → {did} by {finding.decided_by}", style="dim")
        line.append("]  ", style="dim")
        line.append(finding.outcome, style="bold green" if finding.decision in ("", "ACCEPT") else "bold yellow")
        if finding.decision:
            line.append(f" {finding.decision}")
        line.append(f"  {played.milliseconds:.0f} ms", style="dim")
        self._console.print(line, soft_wrap=True)
        if finding.note:
            for line_below in finding.note.splitlines():
                self._console.print(Text(f"       {line_below}", style="dim"), soft_wrap=True)
        for fault in played.faults:
            self._console.print(Text(f"       {fault}", style="red"), soft_wrap=True)
        if step.draw and finding.code_text:
            self._symbol(finding.code_text)
        if finding.views:
            from govcode_node.commands.hub import print_views

            print_views(finding.views)

    def end(self, played: "Sequence[Played]", summary: Path, seconds: float) -> None:
        """It writes how it all came out."""
        good = sum(one.ok for one in played)
        style = "bold green" if good == len(played) else "bold red"
        self._console.print(
            Text(f"\n{good} of {len(played)} steps as expected, {seconds:.0f} s; {_short(summary)}", style=style)
        )

    def manual(self, federation: "Federation", profiles: Mapping[str, Path]) -> None:
        """It writes addresses, files and commands for a federation that stays up."""
        self._console.print(
            Text("\nThe federation is up. Ctrl-C ends it. 联邦已启动，按 Ctrl-C 停止。\n", style="bold")
        )
        for node in federation.plan.node:
            place = _short(profiles[node.node_id])
            self.line(f"  {node.node_id} {node.zh}  {federation.address(node.node_id)}  profiles in {place}/")
        self.line(
            f"  certificates in {_short(federation.folder / 'certs')}/, logs in {_short(federation.folder)}/*/node.log"
        )
        wuhan, shanghai = (quote(_short(profiles[node_id])) for node_id in ("420100", "310000"))
        hub = quote(_short(profiles[federation.plan.hub.node_id]))
        self._console.print(Text("\nIn another terminal, in this folder 在另一终端的同一目录：\n", style="bold"))
        for command in (
            f"CODE=$(.venv/bin/govcode code present --profile {wuhan}/holder.toml --as 张样例 --one-time --no-qr)",
            f'.venv/bin/govcode code scan --profile {shanghai}/counter.toml "$CODE"',
            f'.venv/bin/govcode code scan --profile {shanghai}/counter.toml "$CODE"     # once more: CONSUMED',
            '.venv/bin/govcode code decode "$CODE"',
            '.venv/bin/govcode code render "$CODE"',
            f".venv/bin/govcode registry list matters --profile {shanghai}/business.toml",
            f".venv/bin/govcode hub nodes --profile {hub}/audit.toml",
            f".venv/bin/govcode status --profile {wuhan}/audit.toml",
            f".venv/bin/govcode audit list --profile {wuhan}/audit.toml",
        ):
            self._console.print(f"  {command}", soft_wrap=True, markup=False)
        self._console.print()

    def _symbol(self, text: str) -> None:
        # Without a terminal the colours of a symbol would be noise in a log.
        if sys.stdout.isatty():
            self._console.file.write(render_terminal(text))
        self._console.print(Text(f"       {text}", style="dim"), soft_wrap=True)


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
