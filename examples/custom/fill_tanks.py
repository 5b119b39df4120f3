import time

if 'custom' not in globals():
    from mage_ai.data_preparation.decorators import custom


@custom
def fill_tanks(*args, **kwargs):
    """Fills the tanks in ten steps, in the time of the countdown. What it prints is seen as it is printed."""
    seconds = float(kwargs.get('seconds', 10))
    for percent in range(10, 101, 10):
        time.sleep(seconds / 10)
        print(f'Tanks: {percent} %')
    return {'litres': 1_500}
