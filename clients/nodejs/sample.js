// It plays 6.1, 6.2 and 6.3 against a sandbox: `node sample.js`, with GOVCODE_SANDBOX naming the credentials file.

import { authorise } from './flows/authorise.js';
import { presentAndScan } from './flows/present_and_scan.js';
import { recognise } from './flows/recognise.js';
import { NodeError, Sandbox } from './lib/index.js';

const say = (line) => console.log(`  ${line}`);

try {
  const sandbox = new Sandbox();
  console.log('6.1 presented and scanned 亮码扫码');
  const holder = await presentAndScan(sandbox, say);
  console.log('6.2 recognised in another region 跨区域互认');
  await recognise(sandbox, holder, say);
  console.log('6.3 authorised and fetched 授权调用电子证照');
  await authorise(sandbox, holder, say);
  process.exit(0);
} catch (error) {
  console.error(error);
  if (error instanceof NodeError) console.error(error.reason, error.adviceEn, error.adviceZh);
  process.exit(1);
}
