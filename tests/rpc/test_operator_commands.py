"""`govcode registry` and `govcode authorization` against a real node: what a bureau does without writing code."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from click.testing import CliRunner, Result
from govcode.business.v1 import registry_pb2 as registryv1
from govcode_node.cli import main
from govcode_node.commands.holders import HolderBackEnd, SessionShelf, find_holder
from govcode_node.commands.profiles import CallerProfile
from govcode_node.demo.plan import CHECKOUT
from govcode_node.domain.identities import CallerClass
from kit.federation import WUHAN, open_federation
from kit.nodes import RunningNode
from kit.pki import kit_pki
from kit.players import PEOPLE_FILE

HOLDER = "张样例"
FULL = CHECKOUT / "deploy" / "config" / "registry.full.toml"
HOLDER_APP = """
[[organisation]]
name = "武汉数据中心（样例）"
uscc = "11420100MA9TEXT01Y"
purpose = "面向公众提供政务服务码"
contact = "010-00000000"
[[organisation.application]]
app_id = "holder-app"
kind = "HOLDER"
name = "政务服务 APP"
"""


class Office:
    """A node, and the commands of its operators and applications."""

    def __init__(self, node: RunningNode, folder: Path) -> None:
        self.node = node
        self.folder = folder

    def profile(self, caller_class: CallerClass, name: str) -> Path:
        """The profile of a caller, written once."""
        path = self.folder / f"{name}.toml"
        if not path.exists():
            issued = kit_pki().issue(caller_class, name, region=WUHAN)
            for suffix, content in (("pem", issued.certificate_pem), ("key", issued.key_pem)):
                (self.folder / f"{name}.{suffix}").write_bytes(content)
            (self.folder / "roots.pem").write_bytes(kit_pki().roots_pem)
            CallerProfile(
                node=self.node.app.address,
                certificate=self.folder / f"{name}.pem",
                key=self.folder / f"{name}.key",
                roots=self.folder / "roots.pem",
                server_name=f"{WUHAN}.node.federation.govcode",
                holders_file=PEOPLE_FILE,
                sessions_dir=self.folder / "sessions",
            ).write(path)
        return path

    async def govcode(self, *arguments: str | Path, operator: str = "business-1", app: str = "") -> Result:
        """Run a command beside the node's event loop."""
        profile = self.profile(CallerClass.APP, app) if app else self.profile(CallerClass.OPERATOR, operator)
        words = [*(str(argument) for argument in arguments), "--profile", str(profile)]
        return await asyncio.to_thread(CliRunner().invoke, main, words)

    async def apply(self, text: str) -> dict[str, str]:
        """Apply a file and say what became of each kind and name."""
        path = self.folder / "registry.toml"
        path.write_text(text, encoding="utf-8")
        done = await self.govcode("registry", "apply", path, "--json")
        return {f"{one['kind']} {one['name']}": one["done"] for one in json.loads(done.stdout)}

    async def listed(self, kind: str, *, operator: str = "business-1") -> list[dict[str, Any]]:
        """List what is registered."""
        shown = await self.govcode("registry", "list", kind, "--json", operator=operator)
        assert shown.exit_code == 0, shown.output
        entries: list[dict[str, Any]] = json.loads(shown.stdout)
        return entries


@pytest_asyncio.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with open_federation(tmp_path / "federation", WUHAN) as federation:
        yield Office(federation[WUHAN], tmp_path)


def with_key(folder: Path) -> str:
    made = CliRunner().invoke(main, ["registry", "make-key", str(folder / "counter.sm2")])
    assert made.exit_code == 0, made.output
    return FULL.read_text(encoding="utf-8").replace(
        '# encryption_key = "04…"', f'encryption_key = "{made.output.strip()}"'
    )


async def test_the_explained_file_onboards_a_counter_and_may_be_applied_again(office: Office) -> None:
    text = with_key(office.folder)
    before = {one["scene_no"] for one in await office.listed("scenes")}
    first = await office.apply(text)
    assert first == {
        "scene 1": "new version" if 1 in before else "registered",
        "licence type residence-permit": "registered",
        "organisation 12420100MA9TEXT02N": "registered",
        "application district-counter": "registered",
        "scanner district-scanner-1": "registered",
        "matter district-counter/SETTLE-01": "registered",
        "key district-counter": "registered",
    }
    assert set((await office.apply(text)).values()) == {"unchanged"}
    counter = next(one for one in await office.listed("applications") if one["app_id"] == "district-counter")
    assert counter["state"] == "REGISTRATION_STATE_ENABLED"
    matter = next(one for one in await office.listed("matters", operator="audit-1"))
    assert (matter["matter_code"], matter["version"]) == ("SETTLE-01", 1)
    assert matter["items"] == [
        {"license_type": "residence-permit", "field_names": ["name", "address"], "document": True}
    ]


async def test_what_has_versions_gets_a_new_one_and_what_has_none_is_left_and_told(office: Office) -> None:
    text = FULL.read_text(encoding="utf-8")
    await office.apply(text)
    changed = text.replace("max_uses = 3", "max_uses = 2").replace("样例区窗口系统", "另一个名字")
    done = await office.apply(changed)
    assert done["matter district-counter/SETTLE-01"] == "new version"
    assert done["application district-counter"] == "differs"
    shown = await office.govcode("registry", "apply", office.folder / "registry.toml")
    assert (shown.exit_code, "differs" in shown.output, "advice: " in shown.output) == (1, True, True)
    names = {one["app_id"]: one["name"] for one in await office.listed("applications")}
    assert names["district-counter"] == "样例区窗口系统"


async def test_a_new_version_tells_what_it_changes_and_a_dry_run_tells_it_without_registering(office: Office) -> None:
    text = with_key(office.folder)
    path = office.folder / "registry.toml"
    path.write_text(text, encoding="utf-8")
    empty = await office.govcode("registry", "apply", path, "--dry-run")
    assert (empty.exit_code, "nothing was registered" in empty.output) == (0, True), empty.output
    assert "district-counter" not in str(await office.listed("matters"))
    assert "district-counter" not in str(await office.listed("applications"))
    await office.apply(text)
    changed = (
        text.replace("max_uses = 3", "max_uses = 2")
        .replace('["name", "address"]', '["name", "permit_number"]')
        .replace("document_sensitive = true", "document_sensitive = false")
        .replace(', address = "居住地址"', ', until = "有效期"')
    )
    path.write_text(changed, encoding="utf-8")
    lines = [
        "- items[residence-permit].field_names[address]",
        "+ items[residence-permit].field_names[permit_number]",
        "~ max_uses: 3 → 2",
        "~ document_sensitive: true → false",
        "- fields[address]",
        "+ fields[until]",
    ]
    for mode in (["--dry-run"], []):
        shown = await office.govcode("registry", "apply", path, *mode)
        assert shown.exit_code == 0, shown.output
        told = [line.strip() for line in shown.output.splitlines() if line.startswith(" " * 12)]
        assert sorted(told) == sorted(lines)
        matter = next(one for one in await office.listed("matters") if one["app_id"] == "district-counter")
        assert matter["version"] == (1 if mode else 2)


async def test_what_an_operator_stopped_is_not_started_again_by_a_file(office: Office) -> None:
    text = FULL.read_text(encoding="utf-8")
    await office.apply(text)
    await office.node.operator.move_application("district-counter", registryv1.REGISTRATION_STATE_SUSPENDED)
    assert (await office.apply(text))["application district-counter"] == "stopped"
    counter = next(one for one in await office.listed("applications") if one["app_id"] == "district-counter")
    assert counter["state"] == "REGISTRATION_STATE_SUSPENDED"


async def test_every_kind_is_listed_as_a_table_too(office: Office) -> None:
    await office.apply(FULL.read_text(encoding="utf-8"))
    for kind, word in {
        "scenes": "COUNTER",
        "types": "document",
        "organisations": "12420100MA9TEXT02N",
        "applications": "district-counter",
        "scanners": "district-scanner-1",
        "matters": "residence-permit: name, address, document",
    }.items():
        shown = await office.govcode("registry", "list", kind)
        assert shown.exit_code == 0, shown.output
        assert word in shown.output


async def test_a_file_with_faults_and_a_caller_without_the_role_change_nothing(office: Office) -> None:
    path = office.folder / "registry.toml"
    for text, fault in {
        "": "registers nothing",
        '[[scene]]\nscene_no = 1\nname = "x"\nscene_class = "PARTY"\n': "'PARTY' is none of GENERAL",
        '[[scene]]\nscene_no = 1\nnam = "x"\nscene_class = "GATE"\n': "scene[0].nam: unknown option; did you mean name",
        '[[scene]]\nscene_no = 1\nscene_class = "GATE"\n': "scene[0].name: is required",
    }.items():
        path.write_text(text, encoding="utf-8")
        shown = await office.govcode("registry", "apply", path)
        assert (shown.exit_code, fault in shown.output) == (1, True), shown.output
    before = await office.listed("organisations")
    path.write_text(HOLDER_APP, encoding="utf-8")
    refused = await office.govcode("registry", "apply", path, operator="audit-1")
    assert refused.exit_code == 1
    assert "CALLER_NOT_ALLOWED" in refused.output
    assert await office.listed("organisations") == before


def test_a_key_is_never_written_over_a_key(tmp_path: Path) -> None:
    path = tmp_path / "counter.sm2"
    first = CliRunner().invoke(main, ["registry", "make-key", str(path)])
    assert (first.exit_code, len(first.output.strip()), path.stat().st_mode & 0o777) == (0, 130, 0o600)
    content = path.read_bytes()
    again = CliRunner().invoke(main, ["registry", "make-key", str(path)])
    assert (again.exit_code, path.read_bytes()) == (1, content)


async def test_a_scanned_matter_code_is_listed_shown_and_exported(office: Office) -> None:
    await office.apply(FULL.read_text(encoding="utf-8"))
    made = await office.govcode(
        "registry",
        "make-code",
        "district-counter",
        "SETTLE-01",
        "--name",
        "窗口",
        "--output",
        office.folder / "code.svg",
    )
    assert made.exit_code == 0, made.output
    assert (office.folder / "code.svg").read_text(encoding="utf-8").lstrip().startswith("<")
    app = office.profile(CallerClass.APP, "holder-app")

    def scan() -> str:
        with CallerProfile.load(app).connect() as client:
            shelf = SessionShelf(office.folder / "sessions")
            session = shelf.session(find_holder(PEOPLE_FILE, HOLDER), HolderBackEnd(client))
            scanned = client.codes.scan_scene_code(session_token=session.token, code_text=made.output.strip())
            return scanned.authorization.authorization_id

    holder: dict[str, Any] = {"app": "holder-app"}
    for command in ("list", "uses"):
        shown = await office.govcode("authorization", command, "--as", HOLDER, **holder)
        assert (shown.exit_code, shown.output.strip()) == (0, "none / 无"), shown.output
    authorization_id = await asyncio.to_thread(scan)
    listed = await office.govcode("authorization", "list", "--as", HOLDER, "--json", **holder)
    assert [one["authorization_id"] for one in json.loads(listed.stdout)] == [authorization_id]
    assert authorization_id in (await office.govcode("authorization", "list", "--as", HOLDER, **holder)).output
    shown = await office.govcode("authorization", "show", authorization_id, "--as", HOLDER, **holder)
    assert "PENDING" in shown.output
    assert "接收方：样例区政务服务中心" in shown.output
    uses = await office.govcode("authorization", "uses", "--as", HOLDER, "--json", **holder)
    assert json.loads(uses.stdout) == []
    path = office.folder / "export.json"
    exported = await office.govcode("authorization", "export", authorization_id, "--output", path, operator="audit-1")
    assert exported.exit_code == 0, exported.output
    assert path.stat().st_mode & 0o777 == 0o600
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["consent_request"]["payload_type"] == "govcode.authorization.v1.ConsentRequest"
    assert {"trust_bundle"} <= content.keys()
    mine = await office.govcode("authorization", "export", authorization_id, "--as", HOLDER, **holder)
    assert json.loads(mine.stdout)["consent_request"] == content["consent_request"]
