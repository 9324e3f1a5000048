"""The folder of a sandbox belongs to one sandbox at a time."""

from click.testing import CliRunner
from govcode_node.sandbox.command import sandbox as command
from kit.sandbox import SandboxCaller


def test_a_second_sandbox_leaves_the_credentials_of_the_first_alone(sandbox: SandboxCaller) -> None:
    before = sandbox.path.read_bytes()
    refused = CliRunner().invoke(command, ["--folder", str(sandbox.path.parent)])
    assert refused.exit_code == 1
    assert "another sandbox runs" in refused.output
    assert sandbox.path.read_bytes() == before
