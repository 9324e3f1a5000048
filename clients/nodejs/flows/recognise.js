// 6.2 跨区域互认: a counter of another region scans the code; its node asks the code's home node and adds its own evidence.

import { newSerial } from '../lib/index.js';
import { expect } from './present_and_scan.js';

export async function recognise(sandbox, holder, say) {
  const code = await holder.present({ one_time: true });
  const counter = sandbox.peerCounter();
  const { verdict, evidence, home_evidence, home_region_name } = await counter.codes.ScanCode({
    biz_serial: newSerial('SCAN'),
    code_text: code.code_text,
    scene_no: sandbox.scene('counter'),
  });
  expect(verdict, 'DECISION_ACCEPT', 'OUTCOME_VALID');

  // What stands in a dispute is the evidence: of the node that was asked, and of the home node that decided.
  const trust = await sandbox.trust(counter);
  const answer = trust.read(evidence, 'SCAN_ANSWER', 'govcode.code.v1.ScanAnswer');
  const home = trust.read(home_evidence, 'RECOGNIZE_ANSWER', 'govcode.federation.v1.RecognizeAnswer');
  if (home.outcome !== answer.outcome) throw new Error('the two nodes do not say the same');
  if (!answer.cross_region) throw new Error('the code was not taken for one of another region');
  say(`scanned in another region: ${verdict.text_zh} ${verdict.text_en}, decided by ${home.home_node_id} ${home_region_name}, both signed`);

  // The holder sees every use, wherever it was.
  const { records } = await holder.node.codes.ListRecords({ session_token: holder.session.session_token, page_size: 1 });
  say(`the holder's record: ${records[0].relying_party_name}, at node ${records[0].visited_node_id}`);
}
