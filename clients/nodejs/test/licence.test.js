// A delivery is taken whole and unchanged, or not at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { sm2, sm4 } from 'sm-crypto-v2';

import { DeliveryError, Sm2Key, encode, openEnvelope, readDelivery, sm3 } from '../lib/index.js';

const PRIVATE = '7'.repeat(64);
const KEY = new Sm2Key(PRIVATE);
const USE_ID = `us_${'1'.repeat(32)}`;
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
    document_digest: sm3(document),
    content_key: contentKey,
  });
  const header = { use_id: USE_ID, chunk_count: chunkCount, sealed_content: envelope(content, Buffer.from(USE_ID)) };
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
  return [{ header }, ...chunks, { delivery: { payload: Buffer.of(1) } }];
}

async function* streamOf(pieces) {
  yield* pieces;
}

const DOCUMENT = Buffer.alloc(2 * CHUNK_SIZE + 1000, 'licence');

test('fields and document of a whole delivery are read', async () => {
  const { content, document } = await readDelivery(streamOf(deliveryOf(DOCUMENT)), KEY);
  assert.deepEqual(content.fields, [{ name: 'entity_name', value: '样例公司' }]);
  assert.ok(document.equals(DOCUMENT));
});

test('a delivery without a document has none', async () => {
  const { document } = await readDelivery(streamOf(deliveryOf(Buffer.alloc(0))), KEY);
  assert.equal(document.length, 0);
});

const whole = deliveryOf(DOCUMENT);
const refusals = {
  'a delivery that breaks off': whole.slice(0, -1),
  'a delivery that lacks a chunk': whole.toSpliced?.(3, 1) ?? [...whole.slice(0, 3), ...whole.slice(4)],
  'chunks in another order': [whole[0], whole[2], whole[1], whole[3], whole[4]],
};
for (const [name, pieces] of Object.entries(refusals)) {
  test(`${name} is refused`, async () => {
    await assert.rejects(readDelivery(streamOf(pieces), KEY), DeliveryError);
  });
}

test('chunks of another use are refused', async () => {
  const [{ header }, ...rest] = deliveryOf(DOCUMENT);
  const other = { ...header, use_id: `us_${'2'.repeat(32)}` };
  await assert.rejects(readDelivery(streamOf([{ header: other }, ...rest]), KEY), /tag/);
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
