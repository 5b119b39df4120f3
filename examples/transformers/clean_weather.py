if 'transformer' not in globals():
    from mage_ai.data_preparation.decorators import transformer
if 'test' not in globals():
    from mage_ai.data_preparation.decorators import test


@transformer
def clean_weather(rows, *args, **kwargs):
    """Turns texts into numbers and leaves out the days before `first_year`."""
    first_year = int(kwargs.get('first_year', 2012))
    days = [
        {
            'date': row['date'],
            'rain_mm': float(row['precipitation']),
            'warmest': float(row['temp_max']),
            'coldest': float(row['temp_min']),
            'weather': row['weather'],
        }
        for row in rows
        if int(row['date'][:4]) >= first_year
    ]
    print(f'{len(days)} of {len(rows)} days are from {first_year} on')
    return [days]


@test
def test_something_is_left(days, *args):
    assert days, 'no day is left: is first_year beyond the data?'


@test
def test_temperatures_make_sense(days, *args):
    wrong = [day['date'] for day in days if day['coldest'] > day['warmest']]
    assert not wrong, f'the coldest hour was warmer than the warmest on {wrong}'
