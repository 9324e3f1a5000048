// The channel to a node: mutual TLS, agreed keep-alive, retries, a deadline on every call, errors that say what helps.

import { randomUUID } from 'node:crypto';

import grpc from '@grpc/grpc-js';

import { NodeError } from './errors.js';
import { definition } from './messages.js';

const contract = grpc.loadPackageDefinition(definition).govcode;

/** Milliseconds that a call may take where the caller says nothing. */
export const DEADLINE = 10_000;

/**
 * What is tried again by the channel itself: only UNAVAILABLE, which says that the node did not take the call. A second
 * try is harmless, since every act carries its serial (业务流水号). Calls without an answer in time are for the caller
 * to repeat, with the same serial.
 */
const SERVICE_CONFIG = {
  methodConfig: [
    {
      name: [{}], // every method of every service
      retryPolicy: {
        maxAttempts: 4,
        initialBackoff: '0.1s',
        maxBackoff: '2s',
        backoffMultiplier: 2,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
  retryThrottling: { maxTokens: 20, tokenRatio: 0.2 },
};

/** The channel arguments that nodes agree to; README.md says why each. */
export const CHANNEL_ARGUMENTS = {
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.max_receive_message_length': 16 * 1024 * 1024,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 1,
  'grpc.service_config': JSON.stringify(SERVICE_CONFIG),
};

/** It makes a serial that was never used before. Keep it until the act is answered. Example: `SCAN-0b9c…`. */
export function newSerial(act) {
  return `${act}-${randomUUID()}`;
}

/** A node, as one application sees it. Channels connect at the first call, are shared, and live as long as the program. */
export class Node {
  #channel;
  #credentials;
  #target;
  #options;
  #deviceId;
  #stubs = new Map();

  /**
   * @param {object} where
   * @param {string} where.target `host:port`.
   * @param {string} where.serverName Name that must stand in the node's certificate.
   * @param {string} where.roots PEM of the authorities that may have signed it.
   * @param {object} who
   * @param {string} who.certificate PEM of the application's certificate.
   * @param {string} who.privateKey PEM of its key.
   * @param {string} [who.deviceId] The reading device (识读终端), sent with every call.
   */
  constructor({ target, serverName, roots }, { certificate, privateKey, deviceId = '' }) {
    this.#target = target;
    this.#deviceId = deviceId;
    this.#credentials = grpc.credentials.createSsl(
      Buffer.from(roots),
      Buffer.from(privateKey),
      Buffer.from(certificate),
    );
    this.#options = { ...CHANNEL_ARGUMENTS };
    if (serverName) {
      // The name is checked against the certificate in place of the address's host.
      this.#options['grpc.ssl_target_name_override'] = serverName;
      this.#options['grpc.default_authority'] = serverName;
    }
    this.#channel = new grpc.Channel(target, this.#credentials, this.#options);
  }

  /** 码应用服务 (7.1). */
  get codes() {
    return this.#stub(contract.code.v1.CodeApplicationService);
  }

  /** 授权调用电子证照 (6.3). */
  get authorizations() {
    return this.#stub(contract.authorization.v1.AuthorizationService);
  }

  /** Any service of the contract, by its full name. */
  service(name) {
    const found = name.split('.').reduce((at, part) => at?.[part], { govcode: contract });
    if (found === undefined) {
      throw new Error(`the contract has no ${name}`);
    }
    return this.#stub(found);
  }

  close() {
    this.#channel.close();
  }

  #stub(Service) {
    if (!this.#stubs.has(Service)) {
      const client = new Service(this.#target, this.#credentials, { channelOverride: this.#channel });
      this.#stubs.set(Service, this.#asPromises(client, Service.service));
    }
    return this.#stubs.get(Service);
  }

  // Unary methods give a promise of the answer; methods that answer with a stream give an async iterator. Both take
  // `{ deadline, metadata }` as a second argument.
  #asPromises(client, methods) {
    const stub = {};
    for (const [name, method] of Object.entries(methods)) {
      if (method.requestStream) continue; // gates with thousands of codes a minute use the generated client itself
      stub[name] = method.responseStream
        ? (request, options) => this.#stream(client, name, request, options)
        : (request, options) => this.#unary(client, name, request, options);
    }
    return stub;
  }

  #unary(client, name, request, { deadline = DEADLINE, metadata } = {}) {
    return new Promise((resolve, reject) => {
      client[name](request, this.#metadata(metadata), { deadline: Date.now() + deadline }, (failed, answer) =>
        failed ? reject(new NodeError(failed)) : resolve(answer),
      );
    });
  }

  async *#stream(client, name, request, { deadline, metadata } = {}) {
    const options = deadline === undefined ? {} : { deadline: Date.now() + deadline };
    const call = client[name](request, this.#metadata(metadata), options);
    try {
      yield* call;
    } catch (failed) {
      throw failed.code === undefined ? failed : new NodeError(failed);
    } finally {
      call.cancel(); // whoever stops reading tells the node so
    }
  }

  #metadata(own = {}) {
    const metadata = new grpc.Metadata();
    metadata.set('govcode-request-id', randomUUID().replaceAll('-', ''));
    if (this.#deviceId) metadata.set('govcode-device-id', this.#deviceId);
    for (const [key, value] of Object.entries(own)) metadata.set(key, value);
    return metadata;
  }
}
