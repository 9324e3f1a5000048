"""It makes the development certificates: `python certs/issue_dev_certs.py [--force] [--directory DIR]`."""

import argparse
from pathlib import Path

from govcode_node.pki import DevelopmentPki, load_plan

HERE = Path(__file__).resolve().parent


def main() -> None:
    """It issues every identity of identities.toml and says where the certificates are."""
    parser = argparse.ArgumentParser(description="Issue the development certificates (开发证书签发).")
    parser.add_argument("--directory", type=Path, default=HERE / "dev", help="where they go (default: certs/dev)")
    parser.add_argument("--identities", type=Path, default=HERE / "identities.toml", help="the table of identities")
    parser.add_argument("--force", action="store_true", help="make all of them anew, authorities included")
    options = parser.parse_args()
    pki = DevelopmentPki(options.directory, force=options.force)
    issued = pki.issue_all(load_plan(options.identities))
    print(f"{len(issued)} certificates under {options.directory}; roots in {pki.roots_path}")  # noqa: T201


if __name__ == "__main__":
    main()
