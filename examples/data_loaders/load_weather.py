import csv
import os

from mage_ai.settings.repo import get_repo_path

if 'data_loader' not in globals():
    from mage_ai.data_preparation.decorators import data_loader
if 'test' not in globals():
    from mage_ai.data_preparation.decorators import test


@data_loader
def load_weather(*args, **kwargs):
    """Reads the weather as it stands in the file: one dict of texts per day."""
    path = os.path.join(get_repo_path(), 'data', 'seattle-weather.csv')
    with open(path, newline='') as file:
        rows = list(csv.DictReader(file))
    kwargs['logger'].info(f'Read {len(rows)} days from {os.path.basename(path)}')

    # A returned list means several outputs. The rows are one, so they are handed on as a list of one.
    return [rows]


@test
def test_every_day_is_there(rows, *args):
    assert len(rows) == 1461, f'four years have 1461 days, not {len(rows)}'
    assert len({row['date'] for row in rows}) == len(rows), 'a day stands twice in the file'
