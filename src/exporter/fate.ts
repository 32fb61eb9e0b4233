/**
 * What has become of an entrusted record: safe with the API or in the spool; refused by the API for good; impossible to send; or not
 * kept, so that its sender has to send it again.
 */
export type Fate =
  | { readonly kind: 'delivered' | 'spooled' }
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'lost'; readonly reason: string }
  | { readonly kind: 'returned'; readonly reason: string };

export const DELIVERED: Fate = { kind: 'delivered' };
export const SPOOLED: Fate = { kind: 'spooled' };
