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
    try:
        moment = datetime.fromisoformat(text[:-1] + '+00:00' if text.endswith(('Z', 'z')) else text)
    except ValueError:
        return text
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    if zone is None:
        return moment.astimezone(timezone.utc).replace(tzinfo=None)
    from zoneinfo import ZoneInfo

    return moment.astimezone(ZoneInfo(zone))
