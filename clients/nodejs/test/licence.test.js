// A delivery is taken whole and unchanged, or not at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sm2, sm4 } from 'sm-crypto-v2';

import { DeliveryError, DeliveryReader, NodeError, Sm2Key, encode, fetchLicence, openEnvelope, sm3 } from '../lib/index.js';

const PRIVATE = '7'.repeat(64);
const KEY = new Sm2Key(PRIVATE);
const USE_ID = `us_${'1'.repeat(32)}`;
const AUTHORIZATION_ID = `au_${'3'.repeat(32)}`;
const CHUNK_SIZE = 256 * 1024;

function seal(key, nonce, plain, additional) {
  const options = { mode: 'gcm', iv: nonce, associatedData: additional, output: 'array', outputTag: true };
  const { output, tag } = sm4.encrypt(plain, key, options);
  return Buffer.concat([output, tag]);
}

function envelope(plain, belongsTo, recipient = KEY) {
  const contentKey = Buffer.alloc(16, 9);
  const nonce = Buffer.alloc(12, 8);
  const wrapped = Buffer.from(sm2.doEncrypt(contentKey, recipient.point.toString('hex'), 1, { asn1: true }), 'hex');
  const length = Buffer.alloc(2);
  length.writeUInt16BE(wrapped.length);
  const head = Buffer.concat([Buffer.of(1), Buffer.from(recipient.keyId, 'hex'), length, wrapped]);
  return Buffer.concat([head, nonce, seal(contentKey, nonce, plain, Buffer.concat([head, belongsTo]))]);
}

const number = (value, size) => Buffer.from(value.toString(16).padStart(size * 2, '0'), 'hex');

function deliveryOf(document) {
  const contentKey = Buffer.alloc(16, 5);
  const chunkCount = Math.ceil(document.length / CHUNK_SIZE);
  const content = encode('govcode.authorization.v1.LicenseContent', {
    license_id: 'li-1',
    fields: [{ name: 'entity_name', value: '样例公司' }],
    document_size: document.length,
    document_digest: sm3(document),
    content_key: contentKey,
  });
  const sealed_content = envelope(content, Buffer.from(USE_ID));
  const header = { use_id: USE_ID, chunk_count: chunkCount, from_chunk: 0, sealed_content };
  const chunks = Array.from({ length: chunkCount }, (_, chunk_no) => {
    const plain = document.subarray(chunk_no * CHUNK_SIZE, (chunk_no + 1) * CHUNK_SIZE);
    const additional = Buffer.concat([
      Buffer.from('govcode-license-chunk-v1'),
      Buffer.from(USE_ID),
      number(chunk_no, 4),
      number(chunkCount, 4),
    ]);
    return { chunk: { chunk_no, data: seal(contentKey, number(chunk_no, 12), plain, additional) } };
  });
  const record = encode('govcode.authorization.v1.LicenseDelivery', {
    use_id: USE_ID,
    authorization_id: AUTHORIZATION_ID,
    chunk_count: chunkCount,
    chunks_digest: chunkCount ? sm3(Buffer.concat(chunks.map(({ chunk }) => chunk.data))) : Buffer.alloc(0),
  });
  return [{ header }, ...chunks, { delivery: { payload: record } }];
}

/** A node that sends these streams one after the other; an Error in a stream breaks it. */
function nodeOf(...streams) {
  const asked = [];
  async function* FetchLicense(request) {
    asked.push(request.from_chunk);
    for (const piece of streams[asked.length - 1]) {
      if (piece instanceof Error) throw piece;
      yield piece;
    }
  }
  return { asked, authorizations: { FetchLicense } };
}

const fetchFrom = (node) => fetchLicence(node, { authorization_id: AUTHORIZATION_ID }, KEY);
const lost = new NodeError({ code: 14, details: 'the connection is lost' });
const DOCUMENT = Buffer.alloc(2 * CHUNK_SIZE + 1000, 'licence');

test('fields and document of a whole delivery are read', async () => {
  const { content, document } = await fetchFrom(nodeOf(deliveryOf(DOCUMENT)));
  assert.deepEqual(content.fields, [{ name: 'entity_name', value: '样例公司' }]);
  assert.ok(document.equals(DOCUMENT));
});

test('a delivery without a document has none', async () => {
  const { document } = await fetchFrom(nodeOf(deliveryOf(Buffer.alloc(0))));
  assert.equal(document.length, 0);
});

test('a broken stream is gone on with at the chunk that is missing', async () => {
  const [{ header }, ...rest] = deliveryOf(DOCUMENT);
  const node = nodeOf([{ header }, rest[0], rest[1], lost], [lost], [{ header: { ...header, from_chunk: 2 } }, ...rest.slice(2)]);
  const { document } = await fetchFrom(node);
  assert.ok(document.equals(DOCUMENT));
  assert.deepEqual(node.asked, [0, 2, 2]);
});

test('a refusal of the node is not tried again', async () => {
  const node = nodeOf([new NodeError({ code: 9, details: 'GRANT_EXHAUSTED' })]);
  await assert.rejects(fetchFrom(node), NodeError);
  assert.equal(node.asked.length, 1);
});

const whole = deliveryOf(DOCUMENT);
const refusals = {
  'a delivery that breaks off': whole.slice(0, -1),
  'a delivery that lacks a chunk': [...whole.slice(0, 3), ...whole.slice(4)],
  'chunks in another order': [whole[0], whole[2], whole[1], whole[3], whole[4]],
  'a chunk before the header': [whole[1], whole[0]],
  'the record of another document': [...whole.slice(0, -1), deliveryOf(Buffer.from('other')).at(-1)],
};
for (const [name, pieces] of Object.entries(refusals)) {
  test(`${name} is refused`, async () => {
    await assert.rejects(fetchFrom(nodeOf(pieces)), DeliveryError);
  });
}

test('a delivery of another authorization is refused', () => {
  const reader = new DeliveryReader(KEY, 'au_other');
  assert.throws(() => whole.forEach((piece) => reader.take(piece)), DeliveryError);
  assert.throws(() => reader.whole(), DeliveryError);
});

test('chunks of another use are refused', async () => {
  const [{ header }, ...rest] = deliveryOf(DOCUMENT);
  const other = { ...header, use_id: `us_${'2'.repeat(32)}` };
  await assert.rejects(fetchFrom(nodeOf([{ header: other }, ...rest])), /tag/);
});

test('an envelope for another key, or with any byte changed, is refused', () => {
  const sealed = envelope(Buffer.from('content'), Buffer.from(USE_ID));
  assert.throws(() => openEnvelope(Sm2Key.generate(), sealed, Buffer.from(USE_ID)), /another key/);
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] ^= 1;
    assert.throws(() => openEnvelope(KEY, changed, Buffer.from(USE_ID)));
  }
});
