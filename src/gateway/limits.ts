/** What one sender, and all of them together, may cost. Every bound has an answer, which says what was too much. */
export interface GatewayLimits {
  /** Bytes of one request as it is sent. */
  readonly maxBodyBytes: number;
  /** Bytes of one request, unpacked. */
  readonly maxDecompressedBytes: number;
  /** Bytes of all requests that have not been answered, unpacked ones as they are unpacked. */
  readonly maxInFlightBytes: number;
  /** Requests that have not been answered. */
  readonly maxRequests: number;
  readonly maxConnections: number;
  /** Spans, or log records, in one request. */
  readonly maxSpans: number;
  /** Attribute values in one request. */
  readonly maxValues: number;
  /** Lists and maps inside each other. */
  readonly maxDepth: number;
  /** Milliseconds in which the headers of a request must have come. */
  readonly headersTimeoutMillis: number;
  /** Milliseconds in which a request must have come, from its first byte to its last. */
  readonly requestTimeoutMillis: number;
}

const MIB = 1024 * 1024;

/** The Collector's receiver takes 20 MiB, too; its batches of thousands of spans unpack to a multiple. */
export const DEFAULT_LIMITS: GatewayLimits = {
  maxBodyBytes: 20 * MIB,
  maxDecompressedBytes: 64 * MIB,
  maxInFlightBytes: 256 * MIB,
  maxRequests: 512,
  maxConnections: 1_024,
  maxSpans: 50_000,
  maxValues: 1_000_000,
  maxDepth: 64,
  headersTimeoutMillis: 10_000,
  requestTimeoutMillis: 30_000,
};
