/** The library's own settings in the environment. The key itself is never shown. */
import { DEFAULT_BASE_URL, resolveConfig } from '../../config.ts';
import { plainText } from '../../local/terminal-text.ts';
import { isLoopback } from '../../loopback.ts';
import { isUuidV4 } from '../../record/ids.ts';
import { type Environment, type Finding, setting } from './finding.ts';

const section = 'Settings';
/** Keys are long; what is shorter is a placeholder or was cut. */
const SHORT_KEY = 16;

export function checkSettings(env: Environment): readonly Finding[] {
  return [
    keyFinding(env),
    projectFinding(env),
    baseFinding(env),
    ...flagFindings(env),
    ...disabledFinding(env),
  ];
}

function keyFinding(env: Environment): Finding {
  const about = { id: 'settings.key', section, subject: 'API key' } as const;
  const key = setting(env, 'FREEPLAY_API_KEY');
  if (key === undefined)
    return {
      ...about,
      status: 'fail',
      finding: 'FREEPLAY_API_KEY is not set: without it nothing is sent',
      fix: "export FREEPLAY_API_KEY=…, or pass it as option apiKey and run this with --env FILE or the app's environment",
    };
  if (/^["'].*["']$/.test(key))
    return {
      ...about,
      status: 'fail',
      finding: 'FREEPLAY_API_KEY has quotes around it',
      fix: 'leave the quotes out',
    };
  if (/[^\x21-\x7e]/.test(key))
    return {
      ...about,
      status: 'fail',
      finding: 'FREEPLAY_API_KEY has characters in it that no HTTP header can hold',
      fix: 'copy it again: a line break or a typographic character came along',
    };
  if (key.length < SHORT_KEY && !isForLocal(env))
    return {
      ...about,
      status: 'warn',
      finding: `FREEPLAY_API_KEY is set and shorter than ${SHORT_KEY} characters`,
      fix: 'was it cut?',
    };
  return { ...about, status: 'ok', finding: 'FREEPLAY_API_KEY is set' };
}

/** `freeplay-otel local` takes any key, and says so. */
function isForLocal(env: Environment): boolean {
  const base = setting(env, 'FREEPLAY_API_BASE') ?? '';
  return URL.canParse(base) && isLoopback(new URL(base).hostname);
}

function projectFinding(env: Environment): Finding {
  const about = { id: 'settings.project', section, subject: 'project' } as const;
  const project = setting(env, 'FREEPLAY_PROJECT_ID');
  if (project === undefined)
    return {
      ...about,
      status: 'fail',
      finding: 'FREEPLAY_PROJECT_ID is not set: without it nothing is sent',
      fix: 'export FREEPLAY_PROJECT_ID=…, or pass it as option projectId',
    };
  if (!isUuidV4(project.toLowerCase()))
    return {
      ...about,
      status: 'fail',
      finding: `FREEPLAY_PROJECT_ID ${JSON.stringify(plainText(project, 60))} is no v4 UUID, which is all that the API takes`,
      fix: "copy the id from the project's settings; its name is not enough",
    };
  return { ...about, status: 'ok', finding: project.toLowerCase() };
}

function baseFinding(env: Environment): Finding {
  const about = { id: 'settings.base', section, subject: 'API base' } as const;
  const given = setting(env, 'FREEPLAY_API_BASE');
  if (given === undefined) return { ...about, status: 'ok', finding: `${DEFAULT_BASE_URL} (default)` };
  const { config, warnings } = resolveConfig({}, { FREEPLAY_API_BASE: given });
  if (warnings.length > 0)
    return {
      ...about,
      status: 'fail',
      finding: `FREEPLAY_API_BASE is no http or https URL, so ${DEFAULT_BASE_URL} is used`,
      fix: 'write it as https://HOST/api',
    };
  const url = new URL(config.baseUrl);
  const shown = plainText(`${url.origin}${url.pathname}`, 120);
  if (/\/v2\/?$/.test(url.pathname))
    return {
      ...about,
      status: 'fail',
      finding: `${shown} ends in /v2, which is appended anyway`,
      fix: `FREEPLAY_API_BASE=${plainText(config.baseUrl.replace(/\/v2\/?$/, ''), 120)}`,
    };
  if (url.username !== '' || url.password !== '')
    return {
      ...about,
      status: 'warn',
      finding: 'FREEPLAY_API_BASE holds a user name or password',
      fix: 'the key is enough',
    };
  if (url.protocol === 'http:' && !/^(localhost|127\..*|\[::1\])$/.test(url.hostname))
    return {
      ...about,
      status: 'warn',
      finding: `${shown} is not encrypted: key and content travel in the clear`,
      fix: 'use https',
    };
  return { ...about, status: 'ok', finding: shown };
}

function flagFindings(env: Environment): readonly Finding[] {
  // Key and address have findings of their own.
  const others = { ...env, FREEPLAY_API_BASE: undefined, FREEPLAY_API_KEY: undefined };
  const { config, warnings } = resolveConfig({}, others);
  const found: Finding[] = warnings.map((warning) => ({
    id: 'settings.value',
    section,
    status: 'warn',
    subject: 'value',
    finding: warning,
    fix: 'write true or false',
  }));
  if (!config.captureContent)
    found.push({
      id: 'settings.capture-content',
      section,
      status: 'warn',
      subject: 'content',
      finding: 'FREEPLAY_CAPTURE_CONTENT is false: records have no texts',
      fix: 'unset it if that is not meant',
    });
  return found;
}

function disabledFinding(env: Environment): readonly Finding[] {
  if (setting(env, 'OTEL_SDK_DISABLED')?.toLowerCase() !== 'true') return [];
  return [
    {
      id: 'settings.sdk-disabled',
      section,
      status: 'fail',
      subject: 'SDK',
      finding: 'OTEL_SDK_DISABLED is true: there are no spans at all',
      fix: 'unset OTEL_SDK_DISABLED',
    },
  ];
}
