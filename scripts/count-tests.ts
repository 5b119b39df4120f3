// Reads the report of vitest's json reporter and prints `N passed, N failed` as its last word; for .ci/run.
// Ends with 1 when anything failed, when a file could not be loaded, or when nothing ran at all.
import { readFileSync } from 'node:fs';

type Report = {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
};

const [path = ''] = process.argv.slice(2);
const { success, numPassedTests, numFailedTests, testResults }: Report = JSON.parse(readFileSync(path, 'utf8'));
// A file that breaks outside its tests has failed, although none of them has.
const broken = testResults.filter(
  (file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'),
);
for (const file of broken) console.log(`could not be run: ${file.name}`);
// Errors that belong to no file, such as one thrown after the last test, only show in `success`.
const failed = Math.max(numFailedTests + broken.length, success ? 0 : 1);
console.log(`${numPassedTests} passed, ${failed} failed`);
process.exitCode = failed === 0 && numPassedTests > 0 ? 0 : 1;
