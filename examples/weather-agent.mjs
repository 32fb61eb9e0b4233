/** A tiny application for the examples: the Vercel AI SDK, one tool, its built-in telemetry switched on. */
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, stepCountIs, tool } from 'ai';
import { z } from 'zod';

/** @param {string} baseURL of the model API */
export async function askAboutWeather(baseURL) {
  const provider = createOpenAICompatible({ name: 'openai', baseURL, apiKey: 'sk-not-a-real-key' });
  const { text } = await generateText({
    model: provider('gpt-4o-mini'),
    system: 'Answer in one short sentence.',
    prompt: 'What is the weather in Lisbon?',
    stopWhen: stepCountIs(3),
    tools: {
      get_weather: tool({
        description: 'Weather in a city',
        inputSchema: z.object({ city: z.string() }),
        execute: async ({ city }) => ({ city, sky: 'sunny', celsius: 23 }),
      }),
    },
    experimental_telemetry: {
      isEnabled: true,
      functionId: 'weather-desk',
      // `sessionId` groups calls to a conversation; what has no meaning of its own becomes metadata of the session.
      metadata: { sessionId: 'weather-desk-example', userId: 'ana', plan: 'trial' },
    },
  });
  return text;
}
