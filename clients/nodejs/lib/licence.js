// A licence as it is delivered: only the application's own SM2 key opens it, whoever passed it on.

import { Sm2Key, openSm4Gcm, sm3 } from './sm.js';
import { decode } from './messages.js';

const CHUNK_TAG = Buffer.from('govcode-license-chunk-v1');

/** A delivery is not what it should be. Nothing of it may be used. */
export class DeliveryError extends Error {
  name = 'DeliveryError';
}

/** It opens an envelope (数字信封) for one key: version, key id, SM2-wrapped SM4 key, nonce, SM4-GCM ciphertext and tag. */
export function openEnvelope(key, envelope, belongsTo) {
  const wrappedFrom = 11;
  if (envelope.length < wrappedFrom || envelope[0] !== 1) {
    throw new DeliveryError('no envelope of a known version');
  }
  if (envelope.subarray(1, 9).toString('hex') !== key.keyId) {
    throw new DeliveryError('the envelope is for another key');
  }
  const nonceFrom = wrappedFrom + envelope.readUInt16BE(9);
  const sealedFrom = nonceFrom + 12;
  const contentKey = key.decrypt(envelope.subarray(wrappedFrom, nonceFrom));
  const additional = Buffer.concat([envelope.subarray(0, nonceFrom), belongsTo]);
  return openSm4Gcm(contentKey, envelope.subarray(nonceFrom, sealedFrom), envelope.subarray(sealedFrom), additional);
}

/**
 * It reads a delivery to its end: the granted fields, and the document where one was granted.
 *
 * @param {AsyncIterable<object>} pieces The answers of FetchLicense.
 * @param {Sm2Key} key The application's encryption key.
 * @returns {Promise<{content: object, document: Buffer, header: object, delivery: object}>}
 * @throws {DeliveryError} It broke off, or something of it was changed. Fetch again with the same serial.
 */
export async function readDelivery(pieces, key) {
  let header;
  let content;
  let delivery;
  const chunks = [];
  for await (const piece of pieces) {
    if (piece.header) {
      header = piece.header;
      content = decode('govcode.authorization.v1.LicenseContent', openEnvelope(key, header.sealed_content, Buffer.from(header.use_id)));
    } else if (piece.chunk) {
      chunks.push(openChunk(content, header, piece.chunk, chunks.length));
    } else if (piece.delivery) {
      delivery = piece.delivery;
    }
  }
  if (!delivery || chunks.length !== header.chunk_count) {
    throw new DeliveryError('the delivery is not whole');
  }
  const document = Buffer.concat(chunks);
  if (chunks.length > 0 && !sm3(document).equals(content.document_digest)) {
    throw new DeliveryError('the document is not the one that was sent');
  }
  return { content, document, header, delivery };
}

function openChunk(content, header, chunk, expected) {
  if (chunk.chunk_no !== expected) {
    throw new DeliveryError(`chunk ${chunk.chunk_no} came in place of ${expected}`);
  }
  const nonce = Buffer.alloc(12);
  nonce.writeUInt32BE(chunk.chunk_no, 8);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(chunk.chunk_no, 0);
  numbers.writeUInt32BE(header.chunk_count, 4);
  const additional = Buffer.concat([CHUNK_TAG, Buffer.from(header.use_id), numbers]);
  return openSm4Gcm(content.content_key, nonce, chunk.data, additional);
}
