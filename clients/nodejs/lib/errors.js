// Errors of a node, as exceptions that say what helps. A verdict on a code is an answer and never comes here.

import { status as codes } from '@grpc/grpc-js';

import { decode } from './messages.js';

/** A call failed. */
export class NodeError extends Error {
  constructor(failed) {
    super(failed.details || failed.message, { cause: failed });
    this.name = 'NodeError';
    /** Name of the gRPC status. Example: `PERMISSION_DENIED`. */
    this.code = codes[failed.code] ?? String(failed.code);
    /** Name of govcode.error.v1.ErrorReason without its prefix; empty where no node answered. */
    this.reason = '';
    /** Facts of the case, for programs. */
    this.facts = {};
    /** Wrong fields of the request, with what is wrong. */
    this.fields = {};
    /** What to tell people. */
    this.adviceZh = '';
    this.adviceEn = '';
    /** Names the call in the node's records. */
    this.requestId = '';
    /** Milliseconds to wait before another try; undefined where waiting does not help. */
    this.retryAfter = undefined;
    for (const packed of failed.metadata?.get('grpc-status-details-bin') ?? []) {
      this.#read(decode('google.rpc.Status', packed));
    }
  }

  #read(status) {
    for (const { type_url: typeUrl, value } of status.details) {
      const type = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
      switch (type) {
        case 'google.rpc.ErrorInfo': {
          const info = decode(type, value);
          this.reason = info.reason;
          this.facts = info.metadata;
          break;
        }
        case 'google.rpc.LocalizedMessage': {
          const text = decode(type, value);
          this[text.locale === 'zh-CN' ? 'adviceZh' : 'adviceEn'] = text.message;
          break;
        }
        case 'google.rpc.BadRequest':
          for (const { field, description } of decode(type, value).field_violations) {
            this.fields[field] = description;
          }
          break;
        case 'google.rpc.RequestInfo':
          this.requestId = decode(type, value).request_id;
          break;
        case 'google.rpc.RetryInfo': {
          const { seconds, nanos } = decode(type, value).retry_delay;
          this.retryAfter = seconds * 1000 + nanos / 1_000_000;
          break;
        }
        default: // of a newer node
      }
    }
  }
}
