"""The pool of random bytes: what it gives out is new, watched, and nobody else's."""

import os
import threading
from itertools import count

import pytest
from govcode_node.crypto.randomness import RandomPool, RandomSource
from govcode_node.domain.keys import RandomSourceError


def test_pooled_bytes_are_given_out_once_and_in_few_draws() -> None:
    draws: list[int] = []

    def draw(size: int) -> bytes:
        draws.append(size)
        return os.urandom(size)

    pool = RandomPool(RandomSource(draw))
    given = [pool(12) for _ in range(1000)]

    assert {len(each) for each in given} == {12}
    assert len(set(given)) == 1000
    assert len(draws) == 3


def test_what_is_as_long_as_a_private_part_comes_from_the_source_itself() -> None:
    draws: list[int] = []

    def draw(size: int) -> bytes:
        draws.append(size)
        return os.urandom(size)

    assert len(RandomPool(draw)(64)) == 64
    assert draws == [64]


def test_a_source_that_gives_the_same_block_again_is_refused() -> None:
    block = os.urandom(4096)
    pool = RandomPool(RandomSource(lambda size: block[:size]))

    with pytest.raises(RandomSourceError):
        [pool(16) for _ in range(300)]


def test_a_source_that_repeats_itself_inside_a_block_is_refused() -> None:
    pool = RandomPool(RandomSource(lambda size: (b"0123456789abcdef" * size)[:size]))

    with pytest.raises(RandomSourceError):
        [pool(16) for _ in range(3)]


def test_a_source_that_comes_up_short_is_refused() -> None:
    with pytest.raises(RandomSourceError):
        RandomPool(RandomSource(lambda size: bytes(range(8))))(12)


def test_threads_share_no_bytes() -> None:
    pool = RandomPool(RandomSource())
    given: list[bytes] = []

    def draw() -> None:
        given.extend([pool(16) for _ in range(2000)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(given)) == 8000


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_shares_no_bytes_with_its_parent() -> None:
    numbers = count(1)
    pool = RandomPool(lambda size: next(numbers).to_bytes(2, "big") * (size // 2))
    pool(8)  # of block 1, of which most is left
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(send, pool._take(8))
        os._exit(0)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        childs = stream.read()
    os.waitpid(child, 0)

    assert childs == (2).to_bytes(2, "big") * 4
    assert pool._take(8) == (1).to_bytes(2, "big") * 4
