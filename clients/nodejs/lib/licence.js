// A licence as it is delivered: only the application's own SM2 key opens it, whoever passed it on.

import { NodeError } from './errors.js';
import { Sm2Key, openSm4Gcm, sm3 } from './sm.js';
import { decode } from './messages.js';

const CHUNK_TAG = Buffer.from('govcode-license-chunk-v1');
const BROKEN_STREAMS = 3;

/** A delivery is not what it should be. Nothing of it may be used. */
export class DeliveryError extends Error {
  name = 'DeliveryError';
}

/**
 * It fetches one granted licence: one use of the grant. A stream that breaks is gone on with under the same serial, which
 * is not counted again.
 *
 * @param {import('./channel.js').Node} node The node, as `app.relying_party`.
 * @param {object} request A FetchLicenseRequest: biz_serial, authorization_id, item_no, matter_code.
 * @param {Sm2Key} key Private half of the encryption key that is registered for the application.
 * @returns {Promise<{content: object, document: Buffer, header: object, delivery: object}>} The granted fields, and the
 *   document where one was granted; `delivery` is the evidence to keep.
 * @throws {NodeError} The node refuses; nothing was delivered and nothing counts.
 * @throws {DeliveryError} What came was changed, or belongs elsewhere.
 */
export async function fetchLicence(node, request, key) {
  const reader = new DeliveryReader(key, request.authorization_id);
  for (let broken = 0; ; broken += 1) {
    try {
      for await (const piece of node.authorizations.FetchLicense({ ...request, from_chunk: reader.nextChunk })) {
        reader.take(piece);
      }
      return reader.whole();
    } catch (error) {
      const lost = error instanceof NodeError && error.reason === '' && error.code === 'UNAVAILABLE';
      if (!lost || broken === BROKEN_STREAMS) throw error;
    }
  }
}

/** It takes the pieces of a delivery, over several streams where one breaks, and hands out nothing that is not whole. */
export class DeliveryReader {
  #key;
  #authorizationId;
  #header;
  #content;
  #delivery;
  #chunks = [];
  #sealed = [];

  constructor(key, authorizationId) {
    this.#key = key;
    this.#authorizationId = authorizationId;
  }

  /** The chunk to go on from. */
  get nextChunk() {
    return this.#chunks.length;
  }

  take(piece) {
    if (piece.header) this.#begin(piece.header);
    else if (piece.chunk) this.#add(piece.chunk);
    else if (piece.delivery) this.#end(piece.delivery);
  }

  whole() {
    if (!this.#delivery) throw new DeliveryError('the delivery is not whole');
    return {
      content: this.#content,
      document: Buffer.concat(this.#chunks),
      header: this.#header,
      delivery: this.#delivery,
    };
  }

  #begin(header) {
    const opened = openEnvelope(this.#key, header.sealed_content, Buffer.from(header.use_id));
    const content = decode('govcode.authorization.v1.LicenseContent', opened);
    const other = this.#content && !this.#content.document_digest.equals(content.document_digest);
    if (other || header.from_chunk === 0) {
      // The licence was changed between two streams, or it begins anew: what came before is of no use.
      this.#chunks = [];
      this.#sealed = [];
    }
    if (header.from_chunk !== this.nextChunk) {
      throw new DeliveryError(`it goes on from chunk ${header.from_chunk}, not from ${this.nextChunk}`);
    }
    this.#header = header;
    this.#content = content;
  }

  #add({ chunk_no: number, data }) {
    if (!this.#header || number !== this.nextChunk) {
      throw new DeliveryError(`chunk ${number} came in place of ${this.nextChunk}`);
    }
    const nonce = Buffer.alloc(12);
    nonce.writeUInt32BE(number, 8);
    const numbers = Buffer.alloc(8);
    numbers.writeUInt32BE(number, 0);
    numbers.writeUInt32BE(this.#header.chunk_count, 4);
    const additional = Buffer.concat([CHUNK_TAG, Buffer.from(this.#header.use_id), numbers]);
    this.#chunks.push(openSm4Gcm(this.#content.content_key, nonce, data, additional));
    this.#sealed.push(data);
  }

  #end(delivery) {
    const record = decode('govcode.authorization.v1.LicenseDelivery', delivery.payload);
    const header = this.#header;
    if (record.use_id !== header?.use_id || record.authorization_id !== this.#authorizationId) {
      throw new DeliveryError('the record is that of another delivery');
    }
    const document = Buffer.concat(this.#chunks);
    if (this.nextChunk !== header.chunk_count || document.length !== this.#content.document_size) {
      throw new DeliveryError(`${this.nextChunk} of ${header.chunk_count} chunks came`);
    }
    if (header.chunk_count > 0) {
      // Content keys are the application's own: what the licence node signed is the digest of the sealed chunks.
      const sealed = record.chunk_count === 0 || header.from_chunk > 0 || sm3(Buffer.concat(this.#sealed)).equals(record.chunks_digest);
      if (!sealed || !sm3(document).equals(this.#content.document_digest)) {
        throw new DeliveryError('the document is not the one that was sent');
      }
    }
    this.#delivery = delivery;
  }
}

/** It opens an envelope (数字信封): version, key id, SM2-wrapped SM4 key, nonce, SM4-GCM ciphertext and tag. */
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
