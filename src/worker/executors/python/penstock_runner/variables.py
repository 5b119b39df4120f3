"""The run's variables as Python values: instants become datetimes."""

from datetime import datetime, timezone

INSTANTS = (
    'execution_date',
    'interval_start_datetime',
    'interval_end_datetime',
    'interval_start_datetime_previous',
    'interval_end_datetime_previous',
)


def python_values(variables, zone):
    """Instants naive in UTC, as existing projects expect; aware and in `zone` when the trigger set one."""
    return {
        name: _instant(value, zone) if name in INSTANTS and isinstance(value, str) else value
        for name, value in variables.items()
    }


def _instant(text, zone):
    is_utc = text[-1:] in 'Zz'
    try:
        moment = datetime.fromisoformat(text[:-1] if is_utc else text)
    except ValueError:
        return text
    if is_utc and zone is None and moment.tzinfo is None:
        return moment
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if zone is None:
        return moment.astimezone(timezone.utc).replace(tzinfo=None)
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone))
