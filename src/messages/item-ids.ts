import type { Message } from '../completion/completion.ts';

/**
 * The Responses API gives a tool call two ids: its item's own (`fc_…`) and the one its result names (`call_…`). Where an emitter kept
 * the item's, the results that follow tell the other, as long as there are as many of them; where the results kept it, the calls do.
 */
export function restoreCallIds(messages: readonly Message[]): readonly Message[] {
  if (!messages.some(hasItemId)) return messages;
  const restored = [...messages];
  for (let at = 0; at < restored.length; ) {
    const asked = at;
    while (restored[at]?.role === 'assistant') at++;
    const answered = at;
    while (restored[at]?.role === 'tool') at++;
    if (at === asked) at++;
    else pair(restored, asked, answered, at);
  }
  return restored;
}

/** Of two reports of one id the one that results name. */
export function fullerId(first: string | undefined, second: string | undefined): string | undefined {
  return isItemId(first) ? (second ?? first) : (first ?? second);
}

function isItemId(id: string | undefined): boolean {
  return id?.startsWith('fc_') ?? false;
}

function hasItemId(message: Message): boolean {
  return isItemId(message.toolCallId) || message.toolCalls.some((call) => isItemId(call.id));
}

function pair(messages: Message[], asked: number, answered: number, end: number): void {
  const calls = messages.slice(asked, answered).flatMap((message) => message.toolCalls);
  const ids = messages.slice(answered, end).map((message) => message.toolCallId);
  if (calls.length !== ids.length) return;
  if (ids.every(isItemId) && calls.every((call) => call.id?.startsWith('call_')))
    for (let at = answered; at < end; at++)
      messages[at] = { ...(messages[at] as Message), toolCallId: calls[at - answered]?.id };
  if (!ids.every((id) => id?.startsWith('call_'))) return;
  let next = 0;
  for (let at = asked; at < answered; at++) {
    const message = messages[at] as Message;
    messages[at] = {
      ...message,
      toolCalls: message.toolCalls.map((call) => {
        const id = ids[next++];
        return isItemId(call.id) ? { ...call, id } : call;
      }),
    };
  }
}
