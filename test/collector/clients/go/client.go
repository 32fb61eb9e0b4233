// An app in Go that reports its model calls by hand, as the GenAI conventions ask: there is no instrumentation to do it.
//
// Asks the model server of OPENAI_BASE_URL; sends spans by OTLP/HTTP with protobuf to OTEL_EXPORTER_OTLP_ENDPOINT. Prints how many
// calls it made.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	model    = "gpt-4o-mini"
	system   = "Answer briefly, “in kind”."
	question = "Tell me about zażółć gęślą jaźń 🦆\nin two lines."
)

type object = map[string]any

var tracer trace.Tracer

func main() {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx)
	check(err)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "go-app"))),
	)
	tracer = provider.Tracer("example.com/app", trace.WithInstrumentationVersion("0.1.0"))

	inSpan, root := tracer.Start(ctx, "POST /ask", trace.WithAttributes(attribute.String("session.id", "go-session")))
	system := object{"role": "system", "content": system}
	ask(inSpan, object{
		"messages":    []any{system, object{"role": "user", "content": question}},
		"temperature": 0.25,
		"max_tokens":  200,
	})
	tools := []any{object{"type": "function", "function": object{
		"name":        "get_weather",
		"description": "The weather.",
		"parameters": object{
			"type":       "object",
			"properties": object{"city": object{"type": "string"}},
		},
	}}}
	messages := []any{system, object{"role": "user", "content": "Compare the weather here and there."}}
	reply := ask(inSpan, object{"messages": messages, "tools": tools})
	messages = append(messages, reply)
	for _, call := range reply["tool_calls"].([]any) {
		id := call.(object)["id"]
		messages = append(messages, object{"role": "tool", "tool_call_id": id, "content": `{"celsius": 21}`})
	}
	ask(inSpan, object{"messages": messages, "tools": tools})
	ask(inSpan, object{"messages": []any{object{"role": "user", "content": "Please refuse."}}})
	root.End()
	check(provider.Shutdown(ctx))
	fmt.Println("made 4 calls")
}

// ask makes one call and its span, and returns the message of the model.
func ask(ctx context.Context, request object) object {
	request["model"] = model
	_, span := tracer.Start(ctx, "chat "+model, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "chat"),
		attribute.String("gen_ai.provider.name", "openai"),
		attribute.String("gen_ai.request.model", model),
		attribute.String("gen_ai.input.messages", text(parts(request["messages"].([]any)))),
	))
	defer span.End()
	if tools, offered := request["tools"]; offered {
		span.SetAttributes(attribute.String("gen_ai.tool.definitions", text(tools)))
	}
	if temperature, given := request["temperature"].(float64); given {
		span.SetAttributes(attribute.Float64("gen_ai.request.temperature", temperature))
	}
	if most, given := request["max_tokens"].(int); given {
		span.SetAttributes(attribute.Int("gen_ai.request.max_tokens", most))
	}

	response, err := http.Post(os.Getenv("OPENAI_BASE_URL")+"/chat/completions", "application/json", bytes.NewBufferString(text(request)))
	check(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	check(err)
	var answer object
	check(json.Unmarshal(body, &answer))
	if response.StatusCode != http.StatusOK {
		span.SetAttributes(attribute.String("error.type", fmt.Sprint(response.StatusCode)))
		span.SetStatus(codes.Error, answer["error"].(object)["message"].(string))
		return nil
	}
	choice := answer["choices"].([]any)[0].(object)
	message := choice["message"].(object)
	finish := choice["finish_reason"].(string)
	output := parts([]any{message})
	output[0].(object)["finish_reason"] = finish
	usage := answer["usage"].(object)
	span.SetAttributes(
		attribute.String("gen_ai.response.id", answer["id"].(string)),
		attribute.String("gen_ai.response.model", answer["model"].(string)),
		attribute.StringSlice("gen_ai.response.finish_reasons", []string{finish}),
		attribute.Int("gen_ai.usage.input_tokens", int(usage["prompt_tokens"].(float64))),
		attribute.Int("gen_ai.usage.output_tokens", int(usage["completion_tokens"].(float64))),
		attribute.String("gen_ai.output.messages", text(output)),
	)
	return message
}

// parts turns messages of the API into those of the conventions.
func parts(messages []any) []any {
	told := []any{}
	for _, each := range messages {
		message := each.(object)
		list := []any{}
		content, _ := message["content"].(string)
		if message["role"] == "tool" {
			list = append(list, object{"type": "tool_call_response", "id": message["tool_call_id"], "response": content})
		} else if content != "" {
			list = append(list, object{"type": "text", "content": content})
		}
		calls, _ := message["tool_calls"].([]any)
		for _, each := range calls {
			function := each.(object)["function"].(object)
			var arguments any
			check(json.Unmarshal([]byte(function["arguments"].(string)), &arguments))
			list = append(list, object{"type": "tool_call", "id": each.(object)["id"], "name": function["name"], "arguments": arguments})
		}
		told = append(told, object{"role": message["role"], "parts": list})
	}
	return told
}

func text(value any) string {
	encoded, err := json.Marshal(value)
	check(err)
	return string(encoded)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
