// SM2, SM3 and SM4 by sm-crypto-v2, with the checks that the library leaves to its caller.

import { sm2, sm3 as sm3Hex, sm4 } from 'sm-crypto-v2';

const hex = (bytes) => Buffer.from(bytes).toString('hex');

/** SM3 digest (GB/T 32905), 32 bytes. */
export function sm3(bytes) {
  return Buffer.from(sm3Hex(Uint8Array.from(bytes)), 'hex');
}

/** Id of a key: the first 16 hexadecimal digits of the SM3 of its public point. */
export function keyIdOf(point) {
  return hex(sm3(point)).slice(0, 16);
}

// SEQUENCE content of a key's algorithm: id-ecPublicKey on the curve of SM2.
const SM2_ALGORITHM = '06072a8648ce3d020106082a811ccf5501822d';

/** An SM2 private key: of a holder's device, or of an application to which licences are sealed. */
export class Sm2Key {
  #privateHex;
  #publicHex;

  /** @param {string} privateHex The private key, 64 hexadecimal digits. */
  constructor(privateHex) {
    if (!/^[0-9a-f]{64}$/.test(privateHex)) {
      throw new Error('an SM2 private key has 64 hexadecimal digits');
    }
    this.#privateHex = privateHex;
    this.#publicHex = sm2.getPublicKeyFromPrivateKey(privateHex);
  }

  /** It reads the file that `govcode registry make-key` writes: PKCS #8, DER. */
  static ofPkcs8(der) {
    const [whole, end] = readTlv(der, 0, 0x30);
    const [, algorithmAt] = readTlv(whole, 0, 0x02);
    const [algorithm, keyAt] = readTlv(whole, algorithmAt, 0x30);
    const [key] = readTlv(readTlv(whole, keyAt, 0x04)[0], 0, 0x30);
    const [, secretAt] = readTlv(key, 0, 0x02);
    if (end !== der.length || hex(algorithm) !== SM2_ALGORITHM) {
      throw new Error('the bytes are no SM2 key');
    }
    return new Sm2Key(hex(readTlv(key, secretAt, 0x04)[0]));
  }

  static generate() {
    return new Sm2Key(sm2.generateKeyPairHex().privateKey.padStart(64, '0'));
  }

  /** Public point, 65 bytes: 0x04‖x‖y. */
  get point() {
    return Buffer.from(this.#publicHex, 'hex');
  }

  get keyId() {
    return keyIdOf(this.point);
  }

  /** It signs with SM3 and the default user id 1234567812345678: r‖s, 64 bytes. */
  sign(bytes) {
    const options = { hash: true, publicKey: this.#publicHex };
    return Buffer.from(sm2.doSignature(Uint8Array.from(bytes), this.#privateHex, options), 'hex');
  }

  /** It decrypts SM2 ciphertext in the DER form of GM/T 0009: x, y, C3, C2. */
  decrypt(der) {
    const [x, y, digest, cipher] = ciphertextParts(Buffer.from(der));
    // The library multiplies by any point it is given: one off the curve would tell the key bit by bit.
    if (!isPoint(`04${x}${y}`)) {
      throw new Error('the SM2 ciphertext has no point of the curve');
    }
    const plain = sm2.doDecrypt(x + y + digest + cipher, this.#privateHex, 1, { output: 'array' });
    if (plain.length === 0) {
      throw new Error('the SM2 ciphertext was changed, or is meant for another key');
    }
    return Buffer.from(plain);
  }
}

/** It says whether a signature of 64 bytes, r‖s, belongs to these bytes and this public point. */
export function verify(point, signature, bytes) {
  const key = hex(point);
  if (point.length !== 65 || signature.length !== 64 || !isPoint(key)) {
    return false;
  }
  try {
    return sm2.doVerifySignature(Uint8Array.from(bytes), hex(signature), key, { hash: true }) === true;
  } catch {
    return false; // r or s out of range
  }
}

/** It opens SM4-GCM ciphertext with its tag of 16 bytes at the end; it throws where anything was changed. */
export function openSm4Gcm(key, nonce, sealed, additional) {
  if (key.length !== 16 || nonce.length !== 12 || sealed.length < 16) {
    throw new Error('a key has 16 bytes, a nonce 12, and a tag 16');
  }
  const end = sealed.length - 16;
  return Buffer.from(
    sm4.decrypt(sealed.subarray(0, end), key, {
      mode: 'gcm',
      iv: nonce,
      tag: sealed.subarray(end),
      associatedData: additional,
      output: 'array',
    }),
  );
}

function isPoint(publicHex) {
  try {
    return publicHex.startsWith('04') && sm2.verifyPublicKey(publicHex);
  } catch {
    return false;
  }
}

// SEQUENCE { INTEGER x, INTEGER y, OCTET STRING C3, OCTET STRING C2 }, each as hexadecimal digits.
function ciphertextParts(der) {
  const [sequence, after] = readTlv(der, 0, 0x30);
  const parts = [];
  let at = 0;
  for (const tag of [0x02, 0x02, 0x04, 0x04]) {
    const [value, next] = readTlv(sequence, at, tag);
    parts.push(value);
    at = next;
  }
  if (after !== der.length || at !== sequence.length || parts[2].length !== 32) {
    throw new Error('the bytes are no SM2 ciphertext');
  }
  const coordinate = (value) => hex(value).replace(/^0+/, '').padStart(64, '0');
  return [coordinate(parts[0]), coordinate(parts[1]), hex(parts[2]), hex(parts[3])];
}

function readTlv(bytes, at, tag) {
  let length = bytes[at + 1];
  let from = at + 2;
  if (length > 0x80) {
    const size = length - 0x80;
    length = size <= 3 ? bytes.subarray(from, from + size).reduce((sum, byte) => sum * 256 + byte, 0) : Infinity;
    from += size;
  }
  if (bytes[at] !== tag || !(from + length <= bytes.length)) {
    throw new Error('the bytes are no SM2 ciphertext or key');
  }
  return [bytes.subarray(from, from + length), from + length];
}
