/**
 * The program behind `npm start`: the whole platform on this machine, from an empty folder to a prediction.
 * Ctrl-C stops it in order, a second Ctrl-C at once. A failure that a person can mend is one line and exit code 1.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { SluiceClientError } from '#client/client';
import { messageOf } from '#platform/errors';
import { credentialText, partsTable, predictionText, tryItText } from './banner.js';
import { type StandaloneConfig, loadStandaloneConfig, usage } from './config.js';
import { Platform } from './platform.js';
import { compareAnswer, predict } from './prediction.js';
import { adminLogin } from './programs.js';
import { type Sample, loadSample } from './sample.js';
import { rememberShown, secretsPath } from './secrets.js';
import { seed } from './seed.js';
import { StartError } from '#platform/start';
import type { PartStatus } from './supervise/part.js';
import type { LogLine } from './supervise/log-line.js';

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const complain = (text: string): void => void process.stderr.write(`${text}\n`);

/** npm passes a terminal's Ctrl-C on to a program that has had it from the terminal already. */
const echoOfCtrlCMs = 500;

function describe(error: unknown): string {
  const isMendable = error instanceof StartError || error instanceof SluiceClientError;
  if (!isMendable && error instanceof Error) return `sluice: ${error.stack ?? error.message}`;
  return `sluice: ${messageOf(error).replace(/\s*\n\s*/g, ' ')}`;
}

/** The terminal shows the way up, then only what is out of the ordinary. */
function narrate(status: PartStatus): void {
  if (status.state === 'READY')
    say(`  ${status.name} is ready${status.address ? ` at ${status.address}` : ''}`);
  if (status.state === 'BACKING_OFF')
    complain(`  ${status.name} died: ${status.reason ?? 'no reason known'}`);
}

function repeat(name: string, line: LogLine): void {
  if (line.severity !== 'quiet') complain(`  ${name} ${line.severity}: ${line.text}`);
}

/** Releases the sample if need be, and waits until it answers. False when there is nothing of ours to predict with. */
async function seedSample(platform: Platform, sample: Sample, token: string): Promise<boolean> {
  const result = await seed({ baseUrl: platform.registryUrl, token: () => token }, sample);
  if (result === 'left alone') {
    say(`  sample model: "${sample.model}" was changed or archived, and is left alone`);
    return false;
  }
  if (result === 'released')
    say(`  sample model: released ${sample.model}, version 1 to 90 % and version 2 to 10 %`);
  const versions = sample.versions.map(({ version }) => version);
  await platform.waitForEndpoint(sample.model, versions, token);
  return true;
}

function showBanner(platform: Platform, tryIt: string | undefined): void {
  const { secrets, dataFolder, gatewayUrl } = platform;
  const credential = {
    login: adminLogin,
    password: secrets.admin_password,
    clientId: secrets.admin_client_id,
    clientSecret: secrets.admin_client_secret,
    secretsPath: secretsPath(dataFolder),
    shownBefore: secrets.admin_shown,
  };
  say(`\nSluice is ready.\n\n${partsTable(platform.parts())}\n`);
  say(`Console  ${gatewayUrl}/console`);
  say(`API      ${gatewayUrl}/api/v1   (described at ${gatewayUrl}/api/docs)`);
  say(`Data     ${dataFolder}\n`);
  say(credentialText(credential));
  rememberShown(dataFolder);
  if (tryIt !== undefined) say(`\n${tryIt}`);
}

/** Predicts with both versions and through the traffic; throws when an answer is not the expected one. */
async function predictOnce(platform: Platform, sample: Sample, token: string): Promise<void> {
  const gateway = { url: platform.gatewayUrl, token };
  say('\nPredictions:');
  const targets = [...sample.versions.map(({ version }) => version), undefined];
  for (const target of targets) {
    const prediction = await predict(gateway, sample, target);
    say(predictionText(sample, prediction, target === undefined ? 'by traffic' : `/versions/${target}`));
    const expected = sample.versions.find(({ version }) => version === (target ?? prediction.servedBy));
    const fault = expected ? compareAnswer(expected, prediction) : `version ${prediction.servedBy} answered`;
    if (fault !== undefined) throw new StartError(`A prediction differs from the expected one: ${fault}`);
  }
  say('Both versions answered as expected.');
}

async function bringUp(platform: Platform, config: StandaloneConfig): Promise<void> {
  const startedAtMs = performance.now();
  say(`Starting Sluice in ${platform.dataFolder}`);
  await platform.start();
  const sample = loadSample();
  const token = await platform.signIn();
  if (!token)
    complain(
      '  the admin secret was changed, so the sample model is not looked after (SLUICE_ADMIN_CLIENT_SECRET takes the new one)',
    );
  const canPredict = token !== undefined && (await seedSample(platform, sample, token.access_token));
  platform.publishConnection();
  if (config.once) {
    if (!canPredict)
      throw new StartError('There is no sample model to predict with. Choose an empty data folder.');
    return predictOnce(platform, sample, token.access_token);
  }
  showBanner(
    platform,
    canPredict ? tryItText({ gatewayUrl: platform.gatewayUrl, token, sample }) : undefined,
  );
  say(`\nUp in ${((performance.now() - startedAtMs) / 1_000).toFixed(1)} s. Ctrl-C stops everything.`);
}

/** A start that was broken off gets a moment to tidy up after itself. */
async function stopWhole(platform: Platform, up: Promise<void>): Promise<void> {
  await platform.stop();
  await Promise.race([up.catch(() => undefined), sleep(1_000)]);
}

/** Resolves with the exit code when all has ended. */
function run(config: StandaloneConfig): Promise<number> {
  const platform = new Platform(config, {
    changed: narrate,
    said: repeat,
    notice: (text) => say(`  ${text}`),
  });
  return new Promise((resolve) => {
    let stopAskedAtMs: number | undefined;
    const stop = (code: number): void => {
      if (stopAskedAtMs !== undefined) return;
      stopAskedAtMs = performance.now();
      stopWhole(platform, up).then(
        () => resolve(code),
        (error: unknown) => {
          complain(describe(error));
          platform.kill();
          resolve(1);
        },
      );
    };
    const fail = (error: unknown): void => {
      if (stopAskedAtMs === undefined) complain(describe(error)); // while stopping, a broken start is no news
      stop(1);
    };
    const onSignal = (): void => {
      if (stopAskedAtMs === undefined) {
        say('\nStopping: gateway, nodes, registry, database. Once more to end at once.');
        stop(0);
      } else if (performance.now() - stopAskedAtMs > echoOfCtrlCMs) {
        platform.kill();
        resolve(1);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
    process.on('uncaughtException', fail);
    const up = bringUp(platform, config);
    up.then(() => config.once && stop(0), fail);
  });
}

async function main(): Promise<number> {
  // A terminal that is gone must not end the platform: what it would have shown is in the logs.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  try {
    const config = loadStandaloneConfig(process.argv.slice(2));
    if (config !== 'help') return await run(config);
    say(usage);
    return 0;
  } catch (error) {
    complain(describe(error));
    return 1;
  }
}

process.exit(await main());
