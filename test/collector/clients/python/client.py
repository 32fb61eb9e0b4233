"""One app, under one real instrumentation: `client.py LIBRARY`.

Asks the model server of OPENAI_BASE_URL and ANTHROPIC_BASE_URL; sends spans and log events by OTLP/HTTP with protobuf to
OTEL_EXPORTER_OTLP_ENDPOINT. Prints how many calls it made.
"""

import sys

from opentelemetry import trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

OPENAI_MODEL = "gpt-4o-mini"
ANTHROPIC_MODEL = "claude-sonnet-4-5"
SYSTEM = "Answer briefly, “in kind”."
QUESTION = "Tell me about zażółć gęślą jaźń 🦆\nin two lines."
WEATHER = "Compare the weather here and there."
WEATHER_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
TOOL_RESULT = '{"celsius": 21, "sky": "sunny"}'


def openai_client():
    import openai

    return openai.OpenAI(api_key="sk-not-a-key", max_retries=0), openai.BadRequestError


def ask_openai():
    client, refused = openai_client()
    tools = [
        {
            "type": "function",
            "function": {"name": "get_weather", "description": "The weather.", "parameters": WEATHER_SCHEMA},
        }
    ]
    system = {"role": "system", "content": SYSTEM}
    client.chat.completions.create(
        model=OPENAI_MODEL,
        messages=[system, {"role": "user", "content": QUESTION}],
        temperature=0.25,
        max_tokens=200,
    )
    stream = client.chat.completions.create(
        model=OPENAI_MODEL,
        messages=[system, {"role": "user", "content": "Stream: " + QUESTION}],
        stream=True,
        stream_options={"include_usage": True},
    )
    for _ in stream:
        pass
    messages = [system, {"role": "user", "content": WEATHER}]
    reply = client.chat.completions.create(model=OPENAI_MODEL, messages=messages, tools=tools).choices[0].message
    messages.append(
        {
            "role": "assistant",
            "content": reply.content,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
                for call in reply.tool_calls
            ],
        }
    )
    for call in reply.tool_calls:
        messages.append({"role": "tool", "tool_call_id": call.id, "content": TOOL_RESULT})
    client.chat.completions.create(model=OPENAI_MODEL, messages=messages, tools=tools)
    try:
        client.chat.completions.create(model=OPENAI_MODEL, messages=[{"role": "user", "content": "Please refuse."}])
    except refused:
        pass
    return 5


def ask_anthropic():
    import anthropic

    client = anthropic.Anthropic(api_key="sk-not-a-key", max_retries=0)
    tools = [{"name": "get_weather", "description": "The weather.", "input_schema": WEATHER_SCHEMA}]
    common = {"model": ANTHROPIC_MODEL, "max_tokens": 200, "system": SYSTEM}
    client.messages.create(**common, messages=[{"role": "user", "content": QUESTION}])
    with client.messages.stream(**common, messages=[{"role": "user", "content": "Stream: " + QUESTION}]) as stream:
        for _ in stream.text_stream:
            pass
    messages = [{"role": "user", "content": WEATHER}]
    reply = client.messages.create(**common, messages=messages, tools=tools)
    messages.append({"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in reply.content]})
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": TOOL_RESULT}
        for block in reply.content
        if block.type == "tool_use"
    ]
    messages.append({"role": "user", "content": results})
    client.messages.create(**common, messages=messages, tools=tools)
    try:
        client.messages.create(**common, messages=[{"role": "user", "content": "Please refuse."}])
    except anthropic.BadRequestError:
        pass
    return 5


def ask_langchain():
    from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI

    @tool
    def get_weather(city: str) -> str:
        """The weather."""
        return TOOL_RESULT

    model = ChatOpenAI(model=OPENAI_MODEL, temperature=0.25, api_key="sk-not-a-key", max_retries=0, stream_usage=True)
    model.invoke([SystemMessage(SYSTEM), HumanMessage(QUESTION)])
    for _ in model.stream([SystemMessage(SYSTEM), HumanMessage("Stream: " + QUESTION)]):
        pass
    able = model.bind_tools([get_weather])
    messages = [SystemMessage(SYSTEM), HumanMessage(WEATHER)]
    reply = able.invoke(messages)
    messages.append(reply)
    for call in reply.tool_calls:
        messages.append(ToolMessage(content=get_weather.invoke(call["args"]), tool_call_id=call["id"]))
    able.invoke(messages)
    return 4


def ask_pydantic_ai():
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel

    agent = Agent(OpenAIChatModel(OPENAI_MODEL), instructions=SYSTEM, model_settings={"temperature": 0.25})

    @agent.tool_plain
    def get_weather(city: str) -> str:
        """The weather."""
        return TOOL_RESULT

    agent.run_sync(QUESTION)
    agent.run_sync(WEATHER)
    return 3


def instrument_openai_v2():
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def instrument_openllmetry_openai():
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def instrument_openllmetry_anthropic():
    from opentelemetry.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()


def instrument_openinference_openai():
    from openinference.instrumentation.openai import OpenAIInstrumentor

    OpenAIInstrumentor().instrument()


def instrument_openinference_anthropic():
    from openinference.instrumentation.anthropic import AnthropicInstrumentor

    AnthropicInstrumentor().instrument()


def instrument_openinference_langchain():
    from openinference.instrumentation.langchain import LangChainInstrumentor

    LangChainInstrumentor().instrument()


def instrument_pydantic_ai():
    from pydantic_ai import Agent

    Agent.instrument_all()


def instrument_langchain_and_openai():
    """Two reports of each call."""
    instrument_openinference_langchain()
    instrument_openllmetry_openai()


LIBRARIES = {
    "opentelemetry-openai": (instrument_openai_v2, ask_openai),
    "openllmetry-openai": (instrument_openllmetry_openai, ask_openai),
    "openllmetry-anthropic": (instrument_openllmetry_anthropic, ask_anthropic),
    "openinference-openai": (instrument_openinference_openai, ask_openai),
    "openinference-anthropic": (instrument_openinference_anthropic, ask_anthropic),
    "openinference-langchain": (instrument_openinference_langchain, ask_langchain),
    "langchain-and-openai": (instrument_langchain_and_openai, ask_langchain),
    "pydantic-ai": (instrument_pydantic_ai, ask_pydantic_ai),
}


def main():
    instrument, ask = LIBRARIES[sys.argv[1]]
    resource = Resource.create({"service.name": "python-" + sys.argv[1]})
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(spans)
    logs = LoggerProvider(resource=resource)
    logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(logs)
    instrument()
    with trace.get_tracer("app").start_as_current_span("POST /ask", attributes={"session.id": "python-session"}):
        count = ask()
    # Log events first: what a span waits for.
    logs.shutdown()
    spans.shutdown()
    print(f"made {count} calls")


main()
