import { z } from 'zod';
import { isUuidV4, MAX_BODY_DEPTH } from './contract.ts';
import type { ArrivedReceipt } from './store.ts';
import type { ReceiptsMessage } from './view-types.ts';

const texts = z.array(z.string());

const receipt = z.looseObject({
  dialect: z.string(),
  scope: z.looseObject({ name: z.string(), version: z.string().optional() }),
  traceId: z.string(),
  spanIds: texts,
  parentSpanId: z.string().optional(),
  rules: texts,
  guessed: texts,
  merged: texts,
  cut: texts,
  masked: texts,
  missing: texts,
});

const message = z.strictObject({
  receipts: z
    .array(
      z.strictObject({
        kind: z.enum(['completion', 'trace']),
        id: z.string().refine(isUuidV4, 'is not a valid uuid4 format.'),
        receipt,
        spans: z.array(z.looseObject({})),
      }),
    )
    .max(10_000),
});

/** The receipts of a request, or what is wrong with it. */
export function readReceipts(body: unknown): readonly ArrivedReceipt[] | string {
  if (isDeeperThan(body, MAX_BODY_DEPTH)) return `the body: is nested deeper than ${MAX_BODY_DEPTH} levels`;
  const issue = message.safeParse(body).error?.issues[0];
  if (issue !== undefined) return `${issue.path.join('.') || 'the body'}: ${issue.message}`.slice(0, 300);
  // As it came, and not as zod copies it: a copy has no `__proto__` keys.
  return (body as ReceiptsMessage).receipts.map(({ kind, id, receipt, spans }) => ({
    kind,
    id: id.toLowerCase(),
    json: JSON.stringify({ receipt, spans }),
  }));
}

/** Looks level by level, without recursion. */
function isDeeperThan(value: unknown, most: number): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > most) return true;
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return false;
}
