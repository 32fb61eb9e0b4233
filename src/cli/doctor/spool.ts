/** Whether the spool can be written to, and what is waiting in it. */
import { access, constants, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { plainText } from '../../local/terminal-text.ts';
import { takeInventory } from '../../spool/inventory.ts';
import { type Environment, type Finding, setting } from './finding.ts';

const section = 'Spool';

export async function checkSpool(env: Environment, cwd: string): Promise<readonly Finding[]> {
  const given = setting(env, 'FREEPLAY_SPOOL_DIR');
  const about = { id: 'spool.folder', section, subject: 'folder' } as const;
  if (given === undefined)
    return [
      {
        ...about,
        status: 'ok',
        finding: 'none: what cannot be delivered in time is lost (FREEPLAY_SPOOL_DIR keeps it)',
      },
    ];
  const dir = resolve(cwd, given);
  const shown = plainText(given, 120);
  const problem = await writeProblem(dir);
  if (problem !== undefined)
    return [
      {
        ...about,
        status: 'fail',
        finding: `${shown} ${problem}`,
        fix: 'make it a folder that the app may write to',
      },
    ];
  return [{ ...about, status: 'ok', finding: shown }, ...(await leftFindings(dir, given))];
}

/** A folder that is not there is made, if the one above lets us. */
async function writeProblem(dir: string): Promise<string | undefined> {
  for (let at = dir; ; at = dirname(at)) {
    try {
      if (!(await stat(at)).isDirectory())
        return at === dir ? 'is no folder' : 'cannot be made: a file is in its way';
      await access(at, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      const { code } = error as { code?: string };
      if (code !== 'ENOENT' || dirname(at) === at) return `may not be written to (${code ?? 'unknown'})`;
    }
  }
}

async function leftFindings(dir: string, given: string): Promise<readonly Finding[]> {
  try {
    const [left, rejected] = await Promise.all([
      takeInventory(dir),
      takeInventory(`${dir}/rejected`).catch(() => undefined),
    ]);
    const about = { section, status: 'warn' } as const;
    const replay = `freeplay-otel replay ${plainText(given, 120)}`;
    return [
      ...(left.records === 0
        ? []
        : [
            {
              ...about,
              id: 'spool.left',
              subject: 'waiting',
              finding: `${left.records} records wait to be sent`,
              fix: `${replay}, or start the app`,
            },
          ]),
      ...(rejected === undefined || rejected.records === 0
        ? []
        : [
            {
              ...about,
              id: 'spool.rejected',
              subject: 'rejected',
              finding: `${rejected.records} records were rejected: ${plainText([...rejected.rejections.keys()][0] ?? '', 160)}`,
              fix: `${replay} --rejected, once what the API complains of is put right`,
            },
          ]),
    ];
  } catch {
    // Not there yet.
    return [];
  }
}
