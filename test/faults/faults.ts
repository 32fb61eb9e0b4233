/** What can go wrong with one request, and which requests it meets. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { Post } from './book.ts';
import type { Exchange, Fault, Script } from './fault-server.ts';

// Which requests.

export const always =
  (fault: Fault): Script =>
  () =>
    fault;

/** The first ones that arrive at all. */
export const first =
  (count: number, fault: Fault): Script =>
  ({ number }) =>
    number <= count ? fault : undefined;

/** The first ones of every record. */
export const firstOfEach =
  (count: number, fault: Fault): Script =>
  ({ attempt }) =>
    attempt <= count ? fault : undefined;

export const where =
  (isMeant: (post: Post) => boolean, fault: Fault): Script =>
  (post) =>
    isMeant(post) ? fault : undefined;

// Answers of the API.

export const status =
  (code: number, headers: OutgoingHttpHeaders = {}, message: string = `about ${code}`): Fault =>
  ({ answer }) =>
    answer(code, JSON.stringify({ message }), headers);

/** An answer that repeats the key that it was sent. */
export const quotingKey =
  (code: number): Fault =>
  ({ answer, post }) =>
    answer(code, JSON.stringify({ message: `${code} for key ${post.key}` }));

/** An answer that repeats the record that it was sent. */
export const quotingRecord =
  (code: number): Fault =>
  ({ answer, post }) =>
    answer(code, JSON.stringify({ message: `${code} for record ${post.text}` }));

/** The API has it already, from an attempt that we know nothing of. */
export const conflict =
  (code: number = 409, message: string = 'completion_id already exists'): Fault =>
  ({ answer, tell, post, book }) => {
    book.record(post);
    tell();
    answer(code, JSON.stringify({ message }));
  };

// What happens to connections.

export const reset: Fault = ({ socket }) => void socket.resetAndDestroy();

export const close: Fault = ({ socket }) => void socket.destroy();

/** No answer, ever. */
export const hang: Fault = () => {};

/** Recorded, and then `fault`: the client cannot know that it was. */
export const recorded =
  (fault: Fault): Fault =>
  (exchange) => {
    exchange.book.record(exchange.post);
    fault(exchange);
  };

/** These bytes, and then the connection is closed; `lost`: reset. */
export const bytes =
  (text: string, end: 'closed' | 'lost' | 'open' = 'closed'): Fault =>
  ({ socket }) => {
    socket.write(text, 'latin1', () => {
      if (end === 'closed') socket.end();
      // The kernel throws away what has not been read yet when a reset arrives.
      if (end === 'lost') setTimeout(() => socket.resetAndDestroy(), 20);
    });
  };

/** A whole and well-formed 201 that never comes to its end in time. */
export const drip =
  (everyMillis: number): Fault =>
  (exchange) => {
    const code = exchange.book.record(exchange.post);
    dripInto(exchange.socket, `HTTP/1.1 ${code} X\r\ncontent-length: 2\r\n\r\n{}`, everyMillis);
  };

export function dripInto(socket: Socket, text: string, everyMillis: number): void {
  let at = 0;
  const timer = setInterval(() => {
    if (at < text.length) socket.write(text.charAt(at));
    at += 1;
  }, everyMillis);
  socket.on('close', () => clearInterval(timer));
}

/** Accepted, and the connection is closed behind the answer without a word of it. */
export const acceptAndClose: Fault = (exchange) => {
  exchange.response.on('finish', () => exchange.socket.destroySoon());
  exchange.accept({ connection: 'keep-alive' });
};

/** A status, and a body that never ends. */
export const flood =
  (code: number): Fault =>
  ({ response, tell, post, book }) => {
    if (code < 300) {
      book.record(post);
      tell();
    }
    response.writeHead(code);
    const write = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    };
    response.on('drain', write);
    write();
  };

/** Accepted with the bytes of an answer made by hand; the client will take it for one. */
export const acceptWith =
  (textOf: (code: 201 | 409) => string, end: 'closed' | 'open' = 'closed'): Fault =>
  (exchange: Exchange) => {
    const { book, post } = exchange;
    const text = textOf(book.record(post));
    exchange.tell();
    bytes(text, end)(exchange);
  };
