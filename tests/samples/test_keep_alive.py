"""The samples' channels on a path that goes dead while nothing is asked: a ping at 20 s, given up within 40 s (N-53).

Real time, since the pings are those of grpc-js and grpc-java; both samples wait together. Go has a test of its own.
"""

import json
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kit.readmes import need_tools

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = ROOT / "clients"

NODE = """
import { Sandbox } from './lib/index.js';
await new Sandbox().app('holder_app').codes.BeginIdentification({ subject_kind: 'SUBJECT_KIND_PERSON' });
console.log('called');
setTimeout(() => {}, 120_000);
"""
JAVA = """
import cn.govcode.code.v1.BeginIdentificationRequest;
import cn.govcode.common.v1.SubjectKind;
import cn.govcode.sample.Sandbox;

public class Hold {
    public static void main(String[] arguments) throws Exception {
        SubjectKind kind = SubjectKind.SUBJECT_KIND_PERSON;
        Sandbox.read().app("holder_app").codes()
                .beginIdentification(BeginIdentificationRequest.newBuilder().setSubjectKind(kind).build());
        System.out.println("called");
        Thread.sleep(120_000);
    }
}
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@dataclass
class FrailPath:
    """A path between a client and a node that can go dead: nothing is closed, nothing passes any more.

    Attributes:
        heard: Seconds after its death at which the client still sent something.
        ended: Seconds after its death at which the client gave the connection up; None while it has not.
    """

    target: tuple[str, int]
    heard: list[float] = field(default_factory=list)
    ended: float | None = None
    _died: float = 0.0

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def carry(self, until: subprocess.Popen[str]) -> None:
        """Carry bytes both ways until the client says that it has called."""
        self._client, _ = self._listener.accept()
        self._node = socket.create_connection(self.target)
        ways = {self._client: self._node, self._node: self._client}
        assert until.stdout is not None
        with selectors.DefaultSelector() as selector:
            for source in (*ways, until.stdout):
                selector.register(source, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(timeout=60):
                    if key.fileobj is until.stdout:
                        assert until.stdout.readline() == "called\n"
                        self._died = time.monotonic()
                        return
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    ways[source].sendall(source.recv(65536))

    def listen_dead(self, *, seconds: float) -> None:
        """Read what the client sends into the void, until it gives up or the time is over."""
        while (left := self._died + seconds - time.monotonic()) > 0:
            self._client.settimeout(left)
            try:
                data = self._client.recv(65536)
            except TimeoutError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self.ended = time.monotonic() - self._died
                return
            self.heard.append(time.monotonic() - self._died)

    def close(self) -> None:
        for opened in (self._listener, self._client, self._node):
            opened.close()


@contextmanager
def caller(command: list[str], folder: Path, sandbox: Path) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"GOVCODE_SANDBOX": str(sandbox)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.req("N-53")
def test_a_path_that_goes_dead_without_calls_is_seen_within_forty_seconds(sandbox_file: Path, tmp_path: Path) -> None:
    need_tools("node", "npm", "javac", "mvn")
    subprocess.run(["npm", "ci", "--silent"], cwd=CLIENTS / "nodejs", check=True, timeout=300)
    build = ["mvn", "--quiet", "--batch-mode", "-DskipTests", "package"]
    subprocess.run(build, cwd=CLIENTS / "java", check=True, timeout=600)
    (tmp_path / "Hold.java").write_text(JAVA, encoding="utf-8")
    commands = {
        # The slower starter first.
        "java": ["java", "-cp", "target/govcode-sample.jar:target/lib/*", str(tmp_path / "Hold.java")],
        "nodejs": ["node", "--input-type=module", "--eval", NODE],
    }
    facts = json.loads(sandbox_file.read_text(encoding="utf-8"))
    host, _, port = facts["target"].rpartition(":")
    with ExitStack() as stack:
        paths = {}
        for key, command in commands.items():
            path = paths[key] = FrailPath((host, int(port)))
            bent = tmp_path / f"{key}.json"
            bent.write_text(json.dumps(facts | {"target": f"127.0.0.1:{path.port}"}), encoding="utf-8")
            process = stack.enter_context(caller(command, CLIENTS / key, bent))
            path.carry(process)
            stack.callback(path.close)
        for path in paths.values():
            path.listen_dead(seconds=45)
    for key, path in paths.items():
        # The ping of the client is heard, unanswered, and the connection given up.
        assert path.ended is not None, key
        assert 20 <= path.ended <= 40, (key, path.ended)
        assert path.heard, key
