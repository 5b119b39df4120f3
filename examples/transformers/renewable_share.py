from collections import defaultdict

if 'transformer' not in globals():
    from mage_ai.data_preparation.decorators import transformer
if 'test' not in globals():
    from mage_ai.data_preparation.decorators import test


@transformer
def renewable_share(rows, *args, **kwargs):
    """What part of each year's electricity came from renewables, in percent."""
    total, renewable = defaultdict(int), defaultdict(int)
    for row in rows:
        total[row['year']] += row['generation']
        if row['source'] == 'Renewables':
            renewable[row['year']] += row['generation']
    shares = {str(year): round(100 * renewable[year] / total[year], 1) for year in sorted(total)}
    print('Renewables in the last year: %s %%' % list(shares.values())[-1])
    return shares


@test
def test_shares_are_percentages(shares, *args):
    assert all(0 <= share <= 100 for share in shares.values())
