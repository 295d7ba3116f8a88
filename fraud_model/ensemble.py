"""Several boosters as one: the trees of all members, each leaf divided by their number.

The raw score of the whole is then the mean of the members' raw scores, and TreeSHAP values of the whole are the means
of theirs. Whatever stores, serves or explains one booster does the same with an ensemble.
"""

import re
from collections.abc import Sequence

import lightgbm as lgb

_SIZES = re.compile(rb"^tree_sizes=(.*)$", re.MULTILINE)
_VALUES = re.compile(rb"^(leaf_value|internal_value)=(.*)$", re.MULTILINE)
_NUMBER = re.compile(rb"^Tree=\d+")


def average_boosters(members: Sequence[lgb.Booster]) -> lgb.Booster:
    """One booster whose raw score is the mean of the members'.

    Args:
        members: Boosters of the same features and objective, at least one.
    """
    if len(members) == 1:
        return members[0]
    trees: list[bytes] = []
    for member in members:
        trees += [_scaled(tree, len(members)) for tree in _parts(member)[1]]
    head, _, tail = _parts(members[0])
    trees = [_NUMBER.sub(b"Tree=%d" % number, tree) for number, tree in enumerate(trees)]
    sizes = b"tree_sizes=" + b" ".join(b"%d" % len(tree) for tree in trees)
    text = _SIZES.sub(sizes, head) + b"".join(trees) + tail
    return lgb.Booster(model_str=text.decode())


def _parts(booster: lgb.Booster) -> tuple[bytes, list[bytes], bytes]:
    """A booster's text: what precedes the trees, each tree, and what follows them."""
    text = booster.model_to_string(num_iteration=-1).encode()
    found = _SIZES.search(text)
    assert found is not None, "LightGBM writes the size of each tree"
    start = text.index(b"Tree=0")
    head, trees = text[:start], []
    for size in map(int, found.group(1).split()):
        trees.append(text[start : start + size])
        start += size
    return head, trees, text[start:]


def _scaled(tree: bytes, members: int) -> bytes:
    def divided(found: "re.Match[bytes]") -> bytes:
        values = " ".join(repr(float(value) / members) for value in found.group(2).split())
        return found.group(1) + b"=" + values.encode()

    return _VALUES.sub(divided, tree)
