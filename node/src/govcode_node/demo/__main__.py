"""`python -m govcode_node.demo`: what `make demo` and `make run` call."""

from govcode_node.demo.command import demo

if __name__ == "__main__":
    demo()
