// ---- a ZIP file whose files are stored as they are (PKWARE's APPNOTE, 4.3). It knows no document.
function zipped(entries) {                                              // [name, bytes] -> parts of a file
  const crcs = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? 0xEDB88320 ^ n >>> 1 : n >>> 1;
    return n;
  });
  const crcOf = (bytes) => ~bytes.reduce((crc, v) => crcs[(crc ^ v) & 255] ^ crc >>> 8, -1);
  const record = (...fields) => {                                       // [bytes of the number, number], little-endian
    const out = new Uint8Array(fields.reduce((sum, [size]) => sum + size, 0));
    let at = 0;
    for (const [size, value] of fields) for (let k = 0; k < size; k++) out[at++] = value >>> 8 * k;
    return out;
  };
  const files = [], list = [];
  let begin = 0, listed = 0;
  for (const [name, bytes] of entries) {
    const title = new TextEncoder().encode(name);
    // version 2.0, no flags, stored, on 1 January 1980
    const common = [[2, 20], [2, 0], [2, 0], [2, 0], [2, 0x21], [4, crcOf(bytes)], [4, bytes.length], [4, bytes.length],
                    [2, title.length], [2, 0]];
    const local = record([4, 0x04034B50], ...common);
    list.push(record([4, 0x02014B50], [2, 20], ...common, [2, 0], [2, 0], [2, 0], [4, 0], [4, begin]), title);
    files.push(local, title, bytes);
    begin += local.length + title.length + bytes.length;
  }
  for (const part of list) listed += part.length;
  const count = entries.length;
  return [...files, ...list, record([4, 0x06054B50], [2, 0], [2, 0], [2, count], [2, count], [4, listed], [4, begin],
                                    [2, 0])];
}
