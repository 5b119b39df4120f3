// Names every import in src/ that architecture.test.ts would refuse; for `npm run check`.
import { forbiddenImports } from './import-rules.ts';
import { readSourceFiles } from './source-files.ts';

const findings = forbiddenImports(readSourceFiles());
for (const finding of findings) console.log(finding);
process.exitCode = findings.length === 0 ? 0 : 1;
