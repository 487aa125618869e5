"""``handsel process``."""


def check_all() -> int:
    """Load every process definition; 1 if one is wrong."""
    from handsel.deals.orders.processes import processes
    from handsel.deals.process.definition import ProcessInvalid

    try:
        loaded = processes()
    except ProcessInvalid as error:
        print(f"wrong: {error}")
        return 1
    for name, version in sorted(loaded):
        print(f"ok: {name} v{version}")
    return 0
