"""What the scripts are given that they cannot use: one `Case` each, by script."""

from __future__ import annotations

from meeting_agent.reliability.bad_input_cases.case import Case
from meeting_agent.reliability.bad_input_cases.rlft import rlft_cases
from meeting_agent.reliability.bad_input_cases.sft import sft_cases
from meeting_agent.reliability.bad_input_cases.traces import traces_cases


def all_cases() -> list[Case]:
    return sft_cases() + traces_cases() + rlft_cases()
