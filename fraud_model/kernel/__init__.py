"""The loops behind the window features, compiled, one concept a file; `fraud_model.windows` puts them together.

All of them work on a block: the payments of some entities (payers, or payees), entity after entity, each in order of
time. A place is a position in the block. Features are asked for at `wanted` places, and are read off what lies between
two places: from the first payment of a window up to, and without, the first payment at the very time of the one asked
for. History is therefore strictly before, and the order of rows within a second cannot matter.
"""
