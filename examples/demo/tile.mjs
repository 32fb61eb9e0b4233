/** A picture to send: a blue tile, drawn here so that no file has to lie about. */
import { crc32, deflateSync } from 'node:zlib';

const SIZE = 96;

/** @returns {Uint8Array} a PNG */
export function drawTile() {
  const rows = Array.from({ length: SIZE }, (_, y) =>
    Buffer.concat([Buffer.of(0), ...Array.from({ length: SIZE }, (_, x) => Buffer.from(colourAt(x, y)))]),
  );
  const header = Buffer.alloc(13);
  header.writeUInt32BE(SIZE, 0);
  header.writeUInt32BE(SIZE, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Buffer.concat(rows), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/**
 * A star in four-fold symmetry inside a frame.
 *
 * @param {number} x
 * @param {number} y
 */
function colourAt(x, y) {
  const [dx, dy] = [Math.abs(x - SIZE / 2 + 0.5), Math.abs(y - SIZE / 2 + 0.5)];
  const [near, far] = [Math.min(dx, dy), Math.max(dx, dy)];
  if (far > 45) return [24, 52, 110];
  if (far > 42) return [240, 242, 238];
  if (near + far * 0.42 < 17) return [32, 78, 160];
  if (Math.abs(dx + dy - 40) < 3 || Math.abs(Math.hypot(dx - 42, dy - 42) - 20) < 3) return [70, 124, 196];
  return Math.hypot(dx - 42, dy - 42) < 12 ? [32, 78, 160] : [240, 242, 238];
}

/** @param {string} type @param {Uint8Array} data */
function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}
