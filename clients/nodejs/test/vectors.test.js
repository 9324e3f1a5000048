// The vectors of the contract, checked by this language's own libraries (N-41).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { EvidenceError, checkEvidence, leafHash, merkleRoot, signedBytes } from '../lib/evidence.js';
import { Sm2Key, keyIdOf, openSm4Gcm, sm3, verify } from '../lib/sm.js';

const VECTORS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'tests', 'vectors');
const read = (name) => JSON.parse(readFileSync(join(VECTORS, name), 'utf8'));
const bytes = (hex) => Buffer.from(hex, 'hex');
const moment = (milliseconds) => ({
  seconds: Math.floor(milliseconds / 1000),
  nanos: (milliseconds % 1000) * 1_000_000,
});

const vectors = read('evidence/evidence-v1.json');
const POINT = bytes(vectors.public_point);

function evidenceOf(entry, batch = entry) {
  const evidence = {
    payload: bytes(entry.payload),
    payload_type: entry.payload_type,
    node_id: entry.node_id,
    key_id: entry.key_id,
    signed_time: moment(entry.signed_time_ms),
    sm2_signature: bytes(entry.sm2_signature ?? ''),
  };
  if (entry.path) {
    evidence.merkle = {
      leaf_index: entry.leaf_index,
      leaf_count: batch.leaf_count,
      path: entry.path.map(bytes),
      root_time: moment(batch.root_time_ms),
      root_signature: bytes(batch.root_signature),
    };
  }
  return evidence;
}

const check = (entry, batch) =>
  checkEvidence(evidenceOf(entry, batch), { purpose: entry.purpose, payloadType: entry.payload_type }, () => POINT);

test('plain evidence holds', () => {
  assert.ok(vectors.plain.length > 0);
  for (const entry of vectors.plain) {
    assert.equal(keyIdOf(POINT), entry.key_id);
    assert.deepEqual(signedBytes(entry.purpose, evidenceOf(entry)), bytes(entry.signed_bytes));
    assert.deepEqual(check(entry), bytes(entry.payload));
  }
});

test('every leaf of every batch holds', () => {
  assert.ok(vectors.batches.length > 0);
  for (const batch of vectors.batches) {
    for (const leaf of batch.leaves) {
      const { merkle } = evidenceOf(leaf, batch);
      assert.deepEqual(leafHash(bytes(leaf.signed_bytes)), bytes(leaf.leaf_hash));
      assert.deepEqual(merkleRoot(bytes(leaf.leaf_hash), merkle), bytes(batch.root));
      assert.deepEqual(check(leaf, batch), bytes(leaf.payload));
    }
  }
});

for (const entry of vectors.refused) {
  test(`refused: ${entry.why}`, () => {
    assert.throws(() => check(entry), EvidenceError);
  });
}

test('a signature for one purpose is worthless for another', () => {
  const [entry] = vectors.plain.filter(({ purpose }) => purpose === 'CONSENT');
  assert.throws(() => check({ ...entry, purpose: 'TRUST_BUNDLE' }), EvidenceError);
});

test('bytes that this program does not understand are covered all the same', () => {
  const [entry] = vectors.plain;
  const changed = { ...entry, payload: `${entry.payload}f87f01` }; // a field of a newer node
  assert.throws(() => check(changed), EvidenceError);
});

test('SM3 of the standard, and as OpenSSL computes it', () => {
  for (const { input, digest } of read('sm/sm3.json').cases) {
    assert.deepEqual(sm3(bytes(input)), bytes(digest));
  }
  for (const length of [0, 1, 55, 56, 64, 1000]) {
    const data = Buffer.alloc(length, 0x5a);
    assert.deepEqual(sm3(data), createHash('sm3').update(data).digest());
  }
});

const sm2 = read('sm/sm2.json');

test('SM2 signatures of the standard and of other libraries hold, by the default user id', () => {
  for (const { input, signature } of [sm2.signature, ...sm2.cross]) {
    assert.ok(verify(bytes(sm2.public_point), bytes(signature), bytes(input)));
    assert.ok(!verify(bytes(sm2.public_point), bytes(signature), bytes(`${input}00`)));
  }
});

test('SM2 signatures that cannot be are refused without an exception', () => {
  const point = bytes(sm2.public_point);
  const { input, signature } = sm2.signature;
  const order = 'fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123';
  for (const changed of ['', signature.slice(2), '00'.repeat(64), order + signature.slice(64), signature.slice(0, 64) + order]) {
    assert.equal(verify(point, bytes(changed), bytes(input)), false);
  }
  assert.equal(verify(Buffer.concat([Buffer.of(4), Buffer.alloc(64, 1)]), bytes(signature), bytes(input)), false);
});

test('what this program signs has 64 bytes and holds', () => {
  const key = Sm2Key.generate();
  for (let time = 0; time < 20; time += 1) {
    const signature = key.sign(Buffer.from(`statement ${time}`));
    assert.equal(signature.length, 64);
    assert.ok(verify(key.point, signature, Buffer.from(`statement ${time}`)));
  }
});

test('a key file of make-key is read, and refused where it is cut off or of another curve', () => {
  const head = '308187020100301306072a8648ce3d020106082a811ccf5501822d046d306b0201010420';
  const file = bytes(`${head}${sm2.private}a144034200${sm2.public_point}`);
  assert.deepEqual(Sm2Key.ofPkcs8(file).point, bytes(sm2.public_point));
  assert.throws(() => Sm2Key.ofPkcs8(file.subarray(0, -1)), /key/);
  const other = Buffer.from(file);
  other[file.indexOf(bytes('2a811ccf5501822d')) + 7] ^= 1;
  assert.throws(() => Sm2Key.ofPkcs8(other), /no SM2 key/);
});

test('SM2 ciphertexts of the standard and of other libraries are opened', () => {
  const key = new Sm2Key(sm2.private);
  assert.deepEqual(key.point, bytes(sm2.public_point));
  for (const { plaintext, ciphertext_der } of [sm2.encryption, ...sm2.cross]) {
    assert.deepEqual(key.decrypt(bytes(ciphertext_der)), bytes(plaintext));
  }
});

test('an SM2 ciphertext that was changed, or whose point is off the curve, is refused', () => {
  const key = new Sm2Key(sm2.private);
  const whole = bytes(sm2.encryption.ciphertext_der);
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole);
    changed[at] ^= 1;
    assert.throws(() => key.decrypt(changed), /SM2 ciphertext/);
  }
  assert.throws(() => Sm2Key.generate().decrypt(whole), /another key/);
});

test('SM4-GCM of RFC 8998 is opened, and refused where anything was changed', () => {
  const { key, nonce, aad, plaintext, ciphertext, tag } = read('sm/sm4.json').gcm;
  const open = (sealed, additional) => openSm4Gcm(bytes(key), bytes(nonce), bytes(sealed), bytes(additional));
  assert.deepEqual(open(ciphertext + tag, aad), bytes(plaintext));
  assert.throws(() => open(ciphertext + tag, `${aad}00`), /tag/);
  assert.throws(() => open(`00${ciphertext.slice(2)}${tag}`, aad), /tag/);
  assert.throws(() => open(ciphertext, aad), /tag/);
});
