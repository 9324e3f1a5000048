"""Looking after a node: `govcode status`, `govcode audit`."""

from datetime import UTC, datetime

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


@click.command()
@caller_options
@json_option
@explained
def status(profile: CallerProfile, as_json: bool) -> None:
    """Show a node's condition to its operators (节点状态)."""
    from govcode.operations.v1 import operations_service_pb2 as pb

    with profile.connect() as client:
        answer = client.operations.GetNodeStatus(pb.GetNodeStatusRequest()).status
    if as_json:
        print_json(message_dict(answer))
        return
    facts = {
        "condition 运行": enum_word(answer, "condition"),
        "impaired 异常": ", ".join(answer.impairments) or "-",
        "software 版本": answer.software_version,
        "running since 启动": local_time(answer.start_time),
        "keystore 密钥库": answer.keystore,
        "trust bundle 信任包": f"version {answer.bundle_version}, {answer.bundle_age_seconds} s old",
        "calls 调用": f"{answer.calls_per_second:.1f}/s, p99 {answer.p99_ms:.1f} ms, {answer.fault_ratio:.2%} faults",
        "waiting for the store 待写入": str(answer.store_queue),
    }
    print_table(f"node {answer.node_id} 节点状态", ("", ""), facts.items())


@click.group()
def audit() -> None:
    """Read the audit trail (审计)."""


@audit.command("list")
@caller_options
@click.option("--action", default="", help="Only this action, such as CODE_SCANNED.")
@click.option("--serial", default="", help="Only this business serial.")
@click.option("--since", type=click.DateTime(), help="Only events from this local time on.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@json_option
@explained
def list_events(
    profile: CallerProfile, action: str, serial: str, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List audit events, oldest first (审计记录).

    The caller must be an audit operator.
    """
    from govcode.security.v1 import audit_service_pb2 as pb

    request = pb.ListAuditEventsRequest(action=action, biz_serial=serial, page_size=limit)
    if since is not None:
        request.from_time.FromDatetime(since.astimezone(UTC))
    with profile.connect() as client:
        answer = client.audit.ListAuditEvents(request)
    events = answer.events
    if as_json:
        print_json([message_dict(event) for event in events])
        return
    rows = (
        (local_time(event.create_time), f"{event.actor_class} {event.actor}", event.action, event.result, event.object)
        for event in events
    )
    print_table("audit trail 审计记录", ("time", "who", "action", "result", "object"), rows)
    if answer.next_page_token:
        click.echo("there are later events: raise --limit, or give --since, --action or --serial", err=True)
