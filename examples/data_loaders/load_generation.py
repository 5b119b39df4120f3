import csv
import os

from mage_ai.settings.repo import get_repo_path

if 'data_loader' not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def load_generation(*args, **kwargs):
    """Electricity by year and source, in thousand megawatt-hours. Both branches below read this one output."""
    with open(os.path.join(get_repo_path(), 'data', 'iowa-electricity.csv'), newline='') as file:
        rows = [
            {'year': int(row['year'][:4]), 'source': row['source'], 'generation': int(row['net_generation'])}
            for row in csv.DictReader(file)
        ]
    return [rows]  # One output that is a list: see load_weather.py.
