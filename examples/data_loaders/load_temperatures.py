import csv
import os

from mage_ai.settings.repo import get_repo_path

if 'data_loader' not in globals():
    from mage_ai.data_preparation.decorators import data_loader


@data_loader
def load_temperatures(*args, **kwargs):
    """How far each year was from the mean of 1951 to 1980, in °C."""
    with open(os.path.join(get_repo_path(), 'data', 'global-temp.csv'), newline='') as file:
        return {row['year']: float(row['temp']) for row in csv.DictReader(file)}
