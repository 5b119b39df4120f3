if 'custom' not in globals():
    from mage_ai.data_preparation.decorators import custom


@custom
def join_energy(shares, growths, *args, **kwargs):
    """Starts when both branches are done, and gets what each of them gave, in the order of `upstream_blocks`."""
    milestone = float(kwargs.get('milestone_percent', 25))
    reached = [year for year, share in shares.items() if share >= milestone]
    fastest = max(growths, key=lambda growth: growth['factor'])
    kwargs['logger'].info(f"{fastest['source']} grew most, by a factor of {fastest['factor']}")
    return {
        'milestone_percent': milestone,
        'milestone_year': int(reached[0]) if reached else None,
        'fastest_source': fastest['source'],
        'growth_factor': fastest['factor'],
        'share_by_year': shares,
    }
