// 6.1 本地亮码扫码: a holder opens an account, presents a code, and a counter of the same region scans it.

import { Holder, newSerial } from '../lib/index.js';

export async function presentAndScan(sandbox, say) {
  const { facts } = sandbox;
  const holder = await Holder.open(sandbox.app('holder_app'), sandbox.subject('free_1'), {
    termsVersion: facts.terms_version,
  });
  say(`account open for ${holder.person.name}, session ${holder.session.session_id}`);

  // One time: the first scan uses the code up, so that a photograph of it is worth nothing.
  const code = await holder.present({ one_time: true });
  say(`code presented: ${code.code_text.slice(0, 12)}…`);

  // The serial stands for this one act. Should the answer be lost, the same request with the same serial gets it again;
  // a new serial would be a new act, and the code is used up by then.
  const counter = sandbox.app('counter_app');
  const request = { biz_serial: newSerial('SCAN'), code_text: code.code_text, scene_no: sandbox.scene('counter'), place: '1 号窗口' };
  const { verdict, answer } = await counter.codes.ScanCode(request);
  expect(verdict, 'DECISION_ACCEPT', 'OUTCOME_VALID');
  say(`scanned: ${verdict.text_zh} ${verdict.text_en}, ${JSON.stringify(answer.fields)}`);

  const again = await counter.codes.ScanCode(request);
  expect(again.verdict, 'DECISION_ACCEPT', 'OUTCOME_VALID');
  if (!again.replayed) throw new Error('the same serial was taken for a new act');

  const second = await counter.codes.ScanCode({ ...request, biz_serial: newSerial('SCAN') });
  expect(second.verdict, 'DECISION_REJECT', 'OUTCOME_CONSUMED');
  say(`scanned once more: ${second.verdict.text_zh} ${second.verdict.text_en}`);
  return holder;
}

/** Only DECISION_ACCEPT lets somebody in; whatever this program does not know counts as a refusal. */
export function expect(verdict, decision, outcome) {
  if (verdict.decision !== decision || verdict.outcome !== outcome) {
    throw new Error(`${verdict.decision} ${verdict.outcome} in place of ${decision} ${outcome}`);
  }
}
