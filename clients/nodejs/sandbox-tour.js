// It goes through everything that a sandbox can answer: each Outcome and each ErrorReason of the contract, by the list
// `magic` of the credentials file. It fails where one of them is not reached or comes differently than the list says.
//
//   GOVCODE_SANDBOX=sandbox/sandbox.json node sandbox-tour.js

import { NodeError, Sandbox, namesOf, newSerial } from './lib/index.js';

const sandbox = new Sandbox();
const { outcomes, reasons } = sandbox.facts.magic;
const callers = new Map();
const faults = [];

/** Requests are written as protobuf's JSON; `{serial}` stands for a serial that was never used before. */
function fill(value) {
  if (value === '{serial}') return newSerial('TOUR');
  const duration = typeof value === 'string' && /^(\d+)s$/.exec(value);
  return duration ? { seconds: Number(duration[1]) } : value;
}

/** It makes one call of the list. */
async function call({ at = 'home', as, rpc, request, metadata, deadline_ms: deadline }) {
  const who = `${as}@${at}`;
  if (!callers.has(who)) callers.set(who, sandbox.app(as, at));
  const [service, method] = rpc.split('/');
  const filled = JSON.parse(JSON.stringify(request), (_, value) => fill(value));
  const answer = callers.get(who).service(service)[method](filled, { metadata, ...(deadline ? { deadline } : {}) });
  if (answer[Symbol.asyncIterator] === undefined) return answer;
  for await (const piece of answer) return piece;
  return undefined;
}

async function outcomeOf(entry) {
  const { verdict } = await call(entry);
  if (!verdict.text_zh || !verdict.text_en || !verdict.advice) faults.push(`${entry.outcome}: the verdict has no words`);
  return verdict.outcome;
}

async function reasonOf(entry) {
  try {
    await call(entry);
    return 'no error';
  } catch (error) {
    if (!(error instanceof NodeError)) throw error;
    if (!error.adviceZh || !error.adviceEn || !error.requestId) faults.push(`${entry.reason}: the error has no words`);
    if (entry.status && error.code !== entry.status) faults.push(`${entry.reason}: ${error.code}, not ${entry.status}`);
    return `ERROR_REASON_${error.reason}`;
  }
}

/** It goes through a list and gives the values of the contract that were not reached. */
async function tour(entries, wanted, find, values) {
  const reached = new Set();
  for (const entry of entries) {
    const found = await find(entry);
    reached.add(found);
    if (found !== wanted(entry)) faults.push(`${wanted(entry)} (${entry.way}, ${entry.rpc}): ${found}`);
  }
  const all = namesOf(values);
  const missing = all.filter((name) => !reached.has(name));
  console.log(`${values}: ${all.length - missing.length} of ${all.length} values reached by ${entries.length} calls`);
  faults.push(...missing.map((name) => `${name} was not reached`));
}

const began = performance.now();
await tour(outcomes, ({ outcome }) => `OUTCOME_${outcome}`, outcomeOf, 'govcode.common.v1.Outcome');
await tour(reasons, ({ reason }) => `ERROR_REASON_${reason}`, reasonOf, 'govcode.error.v1.ErrorReason');
for (const fault of faults) console.error(`✗ ${fault}`);
console.log(`${faults.length === 0 ? '✓ all' : `${faults.length} faults`} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
process.exit(faults.length === 0 ? 0 : 1);
