"""Reads time slots that people wrote."""

from __future__ import annotations

from data_classes import TimeSlot
from meeting_agent.common.text import identifier


def named_slot(text: str) -> TimeSlot:
    """The slot of a text such as "day2_morning" or "Day2 Morning". Raises ValueError that lists all slots."""
    try:
        return TimeSlot(identifier(text))
    except ValueError:
        raise ValueError(f"no slot: give one of {', '.join(slot.value for slot in TimeSlot)}") from None
