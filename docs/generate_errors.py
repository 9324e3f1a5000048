"""It writes docs/errors.md: every error reason for client authors and operators. Run it by ``make docs``.

Reasons, meanings and numbers come from the contract, the sentences for people from the node, so the page cannot say
anything else than the program does.
"""

import argparse
import re
import sys
from pathlib import Path

from govcode.error.v1.error_reason_pb2 import ErrorReason
from govcode_node.rpc.error_texts import ERROR_TEXTS

ROOT = Path(__file__).resolve().parent.parent
PROTO = ROOT / "protos" / "govcode" / "error" / "v1" / "error_reason.proto"

HEAD = """# Errors 错误原因

Written by `make docs`; do not edit.

A failed call carries `google.rpc.ErrorInfo` with one of these reasons, in the domain `govcode`; wrong fields are named
in `BadRequest`, waiting in `RetryInfo`, the call in `RequestInfo`, and the sentence for people in `LocalizedMessage`. A
verdict on a code is no error: see `Outcome` in the contract.

*Who acts*: developer of the caller, operator, holder, or the node itself, which wants nothing but time. *Again*:
whether the same request may succeed later without anybody changing it.

*Advice* and 建议 are that sentence, in the language that the caller wishes by `accept-language`, or in both.

| No. | Reason | Meaning | Who acts | Again | Advice | 建议 |
|---|---|---|---|---|---|---|
"""


def meanings() -> dict[str, str]:
    """It reads the comment above each value of the contract's enumeration, without its example."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in PROTO.read_text(encoding="utf-8").splitlines():
        text = line.strip()
        if text.startswith("//"):
            comment.append(text.removeprefix("//").strip())
            continue
        if match := re.match(r"(ERROR_REASON_\w+) = ", text):
            before_example = comment[: comment.index("")] if "" in comment else comment
            found[match.group(1)] = " ".join(before_example)
        comment = []
    return found


def render() -> str:
    """It makes the page."""
    said = meanings()
    rows = []
    for name, number in ErrorReason.items():
        reason = name.removeprefix("ERROR_REASON_")
        if reason == "UNSPECIFIED":
            continue
        text = ERROR_TEXTS[reason]
        meaning = said[name].replace("|", "\\|")
        again = "yes" if text.retryable else "no"
        rows.append(f"| {number} | `{reason}` | {meaning} | {text.actor.value} | {again} | {text.en} | {text.zh} |\n")
    return HEAD + "".join(rows)


def main() -> int:
    """It writes the page; with ``--check`` it only tells whether the page is as it should be."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page would change")
    arguments = parser.parse_args()
    page = ROOT / "docs" / "errors.md"
    text = render()
    if not arguments.check:
        page.write_text(text, encoding="utf-8")
        return 0
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/errors.md is not up to date; run: make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
