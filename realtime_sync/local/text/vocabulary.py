"""Which requests of text are right: the shapes of their bodies, the service's and no others.

Written apart from the client's side, so that a mistake there is not repeated here.
"""

from __future__ import annotations

from realtime_sync.local.shapes import (
    Shape,
    anything,
    array,
    by_type,
    choice,
    flag,
    integer,
    metadata,
    nullable,
    number,
    record,
    tagged,
    text,
)

__all__ = [
    "ASSISTANT",
    "ASSISTANT_UPDATE",
    "COMPLETION",
    "INPUT_ITEMS",
    "METADATA_UPDATE",
    "RESPONSE",
    "RUN",
    "THREAD",
    "THREAD_AND_RUN",
    "THREAD_MESSAGE",
    "THREAD_UPDATE",
    "TOOL_OUTPUTS",
]

# /chat/completions

_IMAGE = record({"url": text(), "detail": choice("auto", "low", "high")}, ("url",))
_PARTS: dict[str, Shape] = {
    "text": record({"type": text(), "text": text()}, ("text",)),
    "refusal": record({"type": text(), "refusal": text()}, ("refusal",)),
    "image_url": record({"type": text(), "image_url": _IMAGE}, ("image_url",)),
    "input_audio": record({"type": text(), "input_audio": anything}, ("input_audio",)),
    "file": record({"type": text(), "file": anything}, ("file",)),
}


def _content(*kinds: str) -> Shape:
    parts = {kind: _PARTS[kind] for kind in kinds}
    return by_type({str: anything, list: array(tagged("type", parts), least=1)})


_CALLED = record({"name": text(), "arguments": text()}, ("name", "arguments"))
_CALL = record(
    {"id": text(), "type": choice("function"), "function": _CALLED}, ("id", "type", "function")
)
_SPOKEN: dict[str, Shape] = {"role": text(), "name": text(), "content": _content("text")}
_ROLES: dict[str, Shape] = {
    "system": record(_SPOKEN, ("content",)),
    "developer": record(_SPOKEN, ("content",)),
    "user": record(
        {**_SPOKEN, "content": _content("text", "image_url", "input_audio", "file")}, ("content",)
    ),
    "assistant": record(
        {
            **_SPOKEN,
            "content": nullable(_content("text", "refusal")),
            "refusal": nullable(text()),
            "annotations": nullable(array(anything)),
            "audio": anything,
            "function_call": anything,
            "tool_calls": array(_CALL, least=1),
        }
    ),
    "tool": record({**_SPOKEN, "tool_call_id": text()}, ("content", "tool_call_id")),
}
_FUNCTION = record(
    {"name": text(64), "description": text(), "parameters": anything, "strict": nullable(flag)},
    ("name",),
)
_TOOL = record({"type": choice("function"), "function": _FUNCTION}, ("type", "function"))
_CHOICES: dict[str, Shape] = {
    "function": record({"type": text(), "function": record({"name": text()}, ("name",))}),
    "allowed_tools": record({"type": text(), "allowed_tools": anything}),
}
_COMPLETION_FIELDS: dict[str, Shape] = {
    "model": text(),
    "messages": array(tagged("role", _ROLES), least=1),
    "stream": nullable(flag),
    "stream_options": nullable(record({"include_usage": flag, "include_obfuscation": flag})),
    "tools": array(_TOOL, least=1, most=128),
    "tool_choice": by_type(
        {str: choice("none", "auto", "required"), dict: tagged("type", _CHOICES)}
    ),
    "parallel_tool_calls": flag,
    "max_tokens": nullable(integer(1, 1 << 30)),
    "max_completion_tokens": nullable(integer(1, 1 << 30)),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "frequency_penalty": nullable(number(-2, 2)),
    "presence_penalty": nullable(number(-2, 2)),
    "n": nullable(integer(1, 1)),
    "metadata": nullable(metadata),
    "stop": nullable(by_type({str: anything, list: array(text(), most=4)})),
    **dict.fromkeys(
        (
            *("audio", "logit_bias", "logprobs", "modalities", "moderation", "prediction"),
            *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
            *("reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier"),
            *("store", "top_logprobs", "user", "verbosity", "web_search_options"),
        ),
        anything,
    ),
}
COMPLETION = record(_COMPLETION_FIELDS, ("model", "messages"))

# /responses

_TEXT_PART = {"type": text(), "text": text()}
_INPUT_PARTS: dict[str, Shape] = {
    "input_text": record(_TEXT_PART, ("text",)),
    "output_text": record({**_TEXT_PART, "annotations": anything, "logprobs": anything}, ("text",)),
    "refusal": record({"type": text(), "refusal": text()}, ("refusal",)),
    "input_image": record(
        {
            "type": text(),
            "image_url": nullable(text()),
            "file_id": nullable(text()),
            "detail": nullable(choice("auto", "low", "high", "original")),
        }
    ),
    "input_file": anything,
}
_INPUT_CONTENT = by_type({str: anything, list: array(tagged("type", _INPUT_PARTS))})
_COMMON: dict[str, Shape] = {"type": text(), "id": nullable(text()), "status": nullable(text())}
INPUT_ITEMS: dict[str, Shape] = {
    "message": record(
        {
            **_COMMON,
            "role": choice("user", "assistant", "system", "developer"),
            "content": _INPUT_CONTENT,
            "phase": anything,
        },
        ("role", "content"),
    ),
    "function_call": record(
        {
            **_COMMON,
            "call_id": text(64),
            "name": text(),
            "arguments": text(),
            "namespace": anything,
        },
        ("call_id", "name", "arguments"),
    ),
    "function_call_output": record(
        {**_COMMON, "call_id": text(64), "output": _INPUT_CONTENT}, ("call_id", "output")
    ),
    "item_reference": record({"type": text(), "id": text()}, ("id",)),
    "reasoning": anything,
}
_FLAT_FUNCTION = record(
    {
        "type": text(),
        "name": text(64),
        "description": nullable(text()),
        "parameters": anything,
        "strict": nullable(flag),
        "defer_loading": anything,
    },
    ("name", "parameters"),
)
_RESPONSE_FIELDS: dict[str, Shape] = {
    "model": text(),
    "input": by_type({str: anything, list: array(anything)}),
    "instructions": nullable(text()),
    "stream": nullable(flag),
    "store": nullable(flag),
    "previous_response_id": nullable(text()),
    "tools": array(tagged("type", {"function": _FLAT_FUNCTION}), most=128),
    "tool_choice": by_type(
        {
            str: choice("none", "auto", "required"),
            dict: tagged("type", {"function": anything, "allowed_tools": anything}),
        }
    ),
    "parallel_tool_calls": nullable(flag),
    "max_output_tokens": nullable(integer(1, 1 << 30)),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "metadata": nullable(metadata),
    **dict.fromkeys(
        (
            *("background", "context_management", "include", "max_tool_calls", "moderation"),
            *("prompt", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
            *("reasoning", "safety_identifier", "service_tier", "stream_options", "text"),
            *("top_logprobs", "truncation", "user"),
        ),
        anything,
    ),
}
RESPONSE = record(_RESPONSE_FIELDS, ("model",))

# /assistants, /threads

_ASSISTANT_TOOLS: dict[str, Shape] = {
    "function": record({"type": text(), "function": _FUNCTION}, ("function",)),
    "code_interpreter": record({"type": text()}),
    "file_search": record({"type": text(), "file_search": anything}),
}
_COMMON_SETTINGS: dict[str, Shape] = {
    "model": nullable(text()),
    "instructions": nullable(text(256_000)),
    "metadata": nullable(metadata),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "tools": nullable(array(tagged("type", _ASSISTANT_TOOLS), most=128)),
    "response_format": anything,
    "reasoning_effort": anything,
}
_ASSISTANT_FIELDS: dict[str, Shape] = {
    **_COMMON_SETTINGS,
    "name": nullable(text(256)),
    "description": nullable(text(512)),
    "tool_resources": anything,
}
ASSISTANT = record({**_ASSISTANT_FIELDS, "model": text()}, ("model",))
ASSISTANT_UPDATE = record(_ASSISTANT_FIELDS)

_MESSAGE_PARTS: dict[str, Shape] = {
    "text": _PARTS["text"],
    "image_url": _PARTS["image_url"],
    "image_file": record(
        {
            "type": text(),
            "image_file": record(
                {"file_id": text(), "detail": choice("auto", "low", "high")}, ("file_id",)
            ),
        },
        ("image_file",),
    ),
}
THREAD_MESSAGE = record(
    {
        "role": choice("user", "assistant"),
        "content": by_type(
            {str: text(256_000), list: array(tagged("type", _MESSAGE_PARTS), least=1)}
        ),
        "attachments": anything,
        "metadata": nullable(metadata),
    },
    ("role", "content"),
)
METADATA_UPDATE = record({"metadata": nullable(metadata)})
THREAD = record(
    {
        "messages": array(THREAD_MESSAGE),
        "metadata": nullable(metadata),
        "tool_resources": anything,
    }
)
THREAD_UPDATE = record({"metadata": nullable(metadata), "tool_resources": anything})
_RUN_FIELDS: dict[str, Shape] = {
    **_COMMON_SETTINGS,
    "assistant_id": text(),
    "additional_instructions": nullable(text()),
    "additional_messages": nullable(array(THREAD_MESSAGE)),
    "max_completion_tokens": nullable(integer(256, 1 << 30)),
    "max_prompt_tokens": nullable(integer(256, 1 << 30)),
    "parallel_tool_calls": flag,
    "stream": nullable(flag),
    "tool_choice": nullable(
        by_type(
            {
                str: choice("none", "auto", "required"),
                dict: tagged(
                    "type",
                    {
                        "function": _CHOICES["function"],
                        "code_interpreter": anything,
                        "file_search": anything,
                    },
                ),
            }
        )
    ),
    "truncation_strategy": anything,
}
RUN = record(_RUN_FIELDS, ("assistant_id",))
THREAD_AND_RUN = record(
    {**_RUN_FIELDS, "thread": nullable(THREAD), "tool_resources": anything}, ("assistant_id",)
)
TOOL_OUTPUTS = record(
    {
        "tool_outputs": array(
            record({"tool_call_id": text(), "output": text()}, ("tool_call_id", "output"))
        ),
        "stream": nullable(flag),
    },
    ("tool_outputs",),
)
