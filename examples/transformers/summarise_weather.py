from collections import defaultdict
from statistics import mean

if 'transformer' not in globals():
    from mage_ai.data_preparation.decorators import transformer
if 'test' not in globals():
    from mage_ai.data_preparation.decorators import test


@transformer
def summarise_weather(days, *args, **kwargs):
    """Sums the days up by month of the year: how warm, how wet, how many wet days."""
    wet_day_mm = float(kwargs.get('wet_day_mm', 1.0))
    by_month = defaultdict(list)
    for day in days:
        by_month[day['date'][5:7]].append(day)

    months = []
    for month, its_days in sorted(by_month.items()):
        wet = [day for day in its_days if day['rain_mm'] >= wet_day_mm]
        months.append({
            'month': int(month),
            'days': len(its_days),
            'warmest_mean': round(mean(day['warmest'] for day in its_days), 1),
            'rain_mm_per_day': round(mean(day['rain_mm'] for day in its_days), 2),
            'wet_days_percent': round(100 * len(wet) / len(its_days)),
        })
    wettest = max(months, key=lambda month: month['rain_mm_per_day'])
    kwargs['logger'].info('Wettest month of the year: %s' % wettest['month'])
    return {'months': months, 'wettest_month': wettest['month'], 'days': len(days)}


@test
def test_months_add_up(summary, *args):
    assert sum(month['days'] for month in summary['months']) == summary['days'], 'some days are in no month'
