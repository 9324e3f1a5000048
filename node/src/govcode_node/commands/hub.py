"""The national hub as its operators see it: `govcode hub`."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from govcode_node.commands.profiles import CallerProfile
from govcode_node.commands.screen import (
    caller_options,
    enum_word,
    explained,
    json_option,
    local_time,
    message_dict,
    print_json,
    print_table,
)

if TYPE_CHECKING:
    from govcode.hub.v1.node_pb2 import NodeView
    from govcode_client import Client


@click.group()
def hub() -> None:
    """Watch and admit nodes, at the hub (国家枢纽)."""


@hub.command()
@caller_options
@json_option
@explained
def nodes(profile: CallerProfile, as_json: bool) -> None:
    """Show all nodes with their condition (节点运行状态)."""
    with profile.connect() as client:
        views = list_views(client)
    if as_json:
        print_json([message_dict(view) for view in views])
        return
    print_views(views)


@hub.command()
@click.argument("node_id")
@click.option("--key-id", required=True, help="Id of the node's NODE_SIGN key, as its operators told it.")
@click.option("--prefix", "prefixes", required=True, multiple=True, help="Region prefix that it will be home to.")
@caller_options
@explained
def approve(profile: CallerProfile, node_id: str, key_id: str, prefixes: tuple[str, ...]) -> None:
    """Admit a node that waits (批准接入).

    The caller must be a security operator.

    Compare the key id with what the node's operators tell by another way: `govcode pki keys` shows it to them.
    """
    from govcode.hub.v1 import hub_service_pb2 as pb

    with profile.connect() as client:
        answer = client.hub.ApproveNode(
            pb.ApproveNodeRequest(node_id=node_id, signing_key_id=key_id, prefixes=prefixes)
        )
    click.echo(f"{node_id} is {enum_word(answer.node.trust, 'state')}; trust bundle {answer.bundle_version}")


@hub.command()
@click.argument("node_id")
@click.option("--reason", required=True, help="Why; goes into the audit trail.")
@caller_options
@explained
def suspend(profile: CallerProfile, node_id: str, reason: str) -> None:
    """Stop a node (暂停节点): its peers refuse it from the next trust bundle on.

    The caller must be a security operator.
    """
    from govcode.hub.v1 import hub_service_pb2 as pb

    with profile.connect() as client:
        answer = client.hub.SuspendNode(pb.SuspendNodeRequest(node_id=node_id, reason=reason))
    click.echo(f"{node_id} is {enum_word(answer.node.trust, 'state')}; trust bundle {answer.bundle_version}")


def list_views(client: "Client") -> list["NodeView"]:
    """It fetches the hub's view of all nodes.

    Raises:
        ClientError: The hub refuses.
    """
    from govcode.hub.v1 import hub_service_pb2 as pb

    views: list[NodeView] = []
    token = ""
    while True:
        page = client.hub.ListNodeStatuses(pb.ListNodeStatusesRequest(page_token=token))
        views += page.nodes
        token = page.next_page_token
        if not token:
            return views


def print_views(views: Iterable["NodeView"]) -> None:
    """It prints the table of nodes."""
    today = datetime.now().astimezone().strftime("%Y-%m-%d ")
    rows = (
        (
            view.node_id,
            f"{view.name_zh} {view.name_en}",
            enum_word(view, "state"),
            ": ".join(filter(None, (enum_word(view, "condition"), ", ".join(view.status.impairments)))),
            local_time(view.last_report_time).removeprefix(today),
            str(view.codes_issued),
            str(view.scans),
            str(view.cross_region_scans),
        )
        for view in views
    )
    name, condition = "name\n名称", "condition\n运行"
    counts = ("codes\n制码", "scans\n扫码", "cross\n跨区域")
    columns = ("node\n节点", name, "state\n状态", condition, "report\n上报", *counts)
    title = "nodes of the federation 节点运行状态 (counts are told once a minute 计数每分钟上报一次)"
    print_table(title, columns, rows, giving_way=(name, condition))
