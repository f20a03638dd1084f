"""Queries with each filter of a list and each pair of filters, with values of all frequencies."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

# Query parameters that are not filters.
_PAGING: Final = frozenset({"limit", "cursor", "offset", "order"})

# Values by their name: what share of the records match, and where in the list they are.
Values = Mapping[str, str]


def combinations(
    query: type[msgspec.Struct], values: Mapping[str, Values]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Iterate over labels and parameters of all single filters, then of all pairs of filters.

    `values`: for each query parameter, values by name. Raises ValueError if a declared filter has
    no values.
    """
    declared = {field.encode_name for field in msgspec.structs.fields(query)} - _PAGING
    if declared != values.keys():
        raise ValueError(f"{query.__name__}: {sorted(declared ^ values.keys())}")
    for size in (1, 2):
        for names in itertools.combinations(values, size):
            for chosen in itertools.product(*(values[name].items() for name in names)):
                label = " ".join(
                    f"{name}={frequency}"
                    for name, (frequency, _) in zip(names, chosen, strict=True)
                )
                params = zip(names, (value for _, value in chosen), strict=True)
                yield label, dict(params)
