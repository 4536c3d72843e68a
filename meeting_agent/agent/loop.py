"""The agent loop: one npcpy agent that observes, thinks and acts until it stops calling tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from meeting_agent.agent.answer_tally import Notes
from meeting_agent.agent.environment import Tool
from meeting_agent.agent.tool_calls import answer_call, tool_schemas
from meeting_agent.inference.turns import one_call_a_turn

if TYPE_CHECKING:
    from meeting_agent.servers.answers import Answer

MAX_ITERATIONS = 8
MAX_ANSWER_TOKENS = 160
# The timeout for `MAX_ANSWER_TOKENS`. Longer answers get proportionally more time. litellm's OpenAI client retries
# twice with exponential back-off.
SERVER_TIMEOUT_SECONDS = 60.0


class AgentLoop:
    """One npcpy agent that observes, thinks and acts until it stops calling tools."""

    def __init__(
        self,
        name: str,
        system_prompt: str,
        tools: Sequence[Tool],
        model: str,
        provider: str,
        api_url: str | None = None,
        temperature: float = 0.0,
        max_answer_tokens: int = MAX_ANSWER_TOKENS,
        notes: Notes | None = None,
    ):
        """`notes` collects what does not go into trajectories, such as a server's error messages."""
        from npcpy.npc_compiler import NPC

        self.npc = NPC(
            name=name,
            primary_directive=system_prompt,
            tools=list(tools),
            model=model,
            provider=provider,
            api_url=api_url,
            plain_system_message=True,
        )
        self.schemas = tool_schemas(tools)
        self.temperature, self.max_answer_tokens = temperature, max_answer_tokens
        self.notes = notes or Notes()
        self.on_server = provider == "openai"
        self.splits_turns = False  # whether the server has refused turns of several calls
        if self.on_server:
            from meeting_agent.servers.client import use_plain_answers

            use_plain_answers()

    def run(
        self,
        user_prompt: str,
        headers: dict[str, str] | None = None,
        on_message: Callable[[dict], object] = bool,
        so_far: Sequence[dict] = (),
    ) -> dict:
        """Runs the agent on one scenario. Errors of the model, the server or a tool are never raised.

        `headers` are sent with every request; `meeting_agent/inference/provider.py` lists those that the engine reads.
        `on_message` is called with every new message of the agent and its tools. Its exceptions, RunStopped and Ctrl-C
        are raised. The agent goes on after the messages in `so_far`, which follow the question; their calls count.
        Returns `messages` (OpenAI chat format), `tools_used`, `total_iterations`, `completed_naturally` and `tokens`.
        Adds `failure`, the kind of error, if the server failed and retries did not help. Adds `cut_by`, "length" or
        "content_filter", if the server's last answer is incomplete.
        """
        from meeting_agent.servers.answers import with_own_ids

        messages = [*self.opening(user_prompt), *so_far]
        tools_used = [call["function"]["name"] for message in so_far for call in message.get("tool_calls") or []]
        completed, tokens, iterations = False, 0, 0
        trouble: dict[str, str] = {}
        while iterations < MAX_ITERATIONS:
            iterations += 1
            try:
                messages, answer = self.ask_again_in_single_calls(messages, headers)
            except Exception as error:  # litellm raises a dozen classes for server errors and passes on others
                trouble = {"failure": self.notes.failed(error)}
                break
            tokens += answer.tokens
            messages.append({"role": "assistant", "content": answer.content})
            if not answer.calls:
                on_message(messages[-1])
                self.notes.ended(answer.cut_by, answer.thought)
                # In process an answer at the token limit still counts as complete. The reference run depends on this.
                completed = answer.cut_by is None or not self.on_server
                trouble = {"cut_by": answer.cut_by} if answer.cut_by and not completed else {}
                break
            messages[-1]["tool_calls"] = with_own_ids(answer.calls, messages)
            on_message(messages[-1])
            for call in messages[-1]["tool_calls"]:
                tools_used.append(call["function"]["name"])
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": self.call_tool(call)})
                on_message(messages[-1])
        return {
            "messages": messages,
            "tools_used": tools_used,
            "total_iterations": iterations,
            "completed_naturally": completed,
            "tokens": tokens,
        } | trouble

    def opening(self, user_prompt: str) -> list[dict[str, Any]]:
        """The messages before the agent's first turn."""
        return [
            {"role": "system", "content": self.npc.primary_directive},
            {"role": "user", "content": user_prompt},
        ]

    def ask(self, messages: list[dict], headers: dict[str, str] | None = None) -> Answer:
        """The agent's next turn. Raises the exceptions of npcpy and litellm if the server fails."""
        from npcpy.llm_funcs import get_llm_response

        from meeting_agent.servers.answers import read_answer

        key = None
        if self.on_server:
            from meeting_agent.servers.client import placeholder_key

            key = placeholder_key()
        # The NPC's own method calls this too, but makes the tool schemas again at every turn.
        response = get_llm_response(
            None,
            npc=self.npc,
            tools=self.schemas,
            tool_map=self.npc.tool_map,
            tool_choice="auto",
            messages=messages,
            auto_process_tool_calls=False,
            temperature=self.temperature,
            max_tokens=self.max_answer_tokens,
            timeout=SERVER_TIMEOUT_SECONDS * max(1.0, self.max_answer_tokens / MAX_ANSWER_TOKENS),
            extra_headers=headers,
            api_key=key,
        )
        return read_answer(response["raw_response"], self.npc.tool_map if self.on_server else ())

    def ask_again_in_single_calls(self, messages: list[dict], headers: dict | None) -> tuple[list[dict], Answer]:
        """Calls `ask`. If the server refuses turns with several tool calls, asks again with one call per turn.

        Returns the messages in the form that the server accepted, and the answer.
        """
        if self.splits_turns:
            messages = one_call_a_turn(messages)
        try:
            return messages, self.ask(messages, headers)
        except Exception as error:
            from meeting_agent.servers.errors import failure_of, refuses_the_conversation

            apart = one_call_a_turn(messages)
            if apart is messages or not refuses_the_conversation(failure_of(error)):
                raise
        answer = self.ask(apart, headers)
        self.splits_turns = True
        return apart, answer

    def call_tool(self, call: dict) -> str:
        """The tool's result as JSON, or an error message that the agent can act on."""
        return answer_call(self.npc.tool_map, call)
