"""Time slots as people write them."""

from __future__ import annotations

from data_classes import TimeSlot
from meeting_agent.common.text import identifier


def named_slot(text: str) -> TimeSlot:
    """The slot that is written as "day2_morning" or "Day2 Morning"; raises ValueError, with all names, for others."""
    try:
        return TimeSlot(identifier(text))
    except ValueError:
        raise ValueError(f"no slot: give one of {', '.join(slot.value for slot in TimeSlot)}") from None
