/**
 * A file of many GB through the gateway into the registry, as processes: in little memory, and on from where it was when the
 * registry is killed. `SLUICE_TEST_UPLOAD_BYTES=2147483648 npx vitest run --project e2e test/e2e/uploads.spec.ts` takes 2 GiB.
 */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clientCredentials } from '#client/credentials';
import { TusSender, residentBytes, sha256OfGenerated } from '../support/big-upload.js';
import { irisFile } from '../support/iris.js';
import { eventually, startPlatform } from '../support/platform.js';
import type { Platform } from '../support/platform.js';

const mebibyte = 2 ** 20;
const sizeBytes = Number(process.env['SLUICE_TEST_UPLOAD_BYTES'] ?? 256 * mebibyte);
const timeoutMs = 120_000 + sizeBytes / 2_000;
let platform: Platform;
let sender: TusSender;
let digest: string;

beforeAll(async () => {
  platform = await startPlatform();
  const { client_id: clientId, client_secret: clientSecret } = await platform.connection();
  sender = new TusSender(
    platform.gatewayUrl,
    clientCredentials({ baseUrl: platform.gatewayUrl, clientId, clientSecret }),
  );
  digest = sha256OfGenerated(sizeBytes);
}, timeoutMs);
afterAll(() => platform.stop());

async function registryPid(): Promise<number> {
  const { pids } = await platform.connection();
  return pids['registry'] ?? expect.fail('no registry');
}

async function uploadAll(bytes: number): Promise<string> {
  const path = await sender.begin(bytes, sha256OfGenerated(bytes));
  expect(await sender.send(path, bytes, 0)).toBe(204);
  return path;
}
const uploadIdOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

describe(`an upload of ${sizeBytes / mebibyte} MiB`, () => {
  it(
    'takes less than 64 MiB of the registry’s memory',
    async () => {
      // Warm: what is measured is the body, not the compiler and the allocator.
      for (let round = 0; round < 3; round += 1) await uploadAll(32 * mebibyte);
      const pid = await registryPid();
      const beforeBytes = residentBytes(pid);
      let peakBytes = beforeBytes;
      const watch = setInterval(() => {
        peakBytes = Math.max(peakBytes, residentBytes(pid));
      }, 20);
      const startedMs = performance.now();
      await uploadAll(sizeBytes);
      clearInterval(watch);
      const seconds = (performance.now() - startedMs) / 1_000;
      process.stdout.write(
        `${sizeBytes / mebibyte} MiB in ${seconds.toFixed(1)} s; resident ${(beforeBytes / mebibyte).toFixed(0)} MiB before, ${(peakBytes / mebibyte).toFixed(0)} MiB at most\n`,
      );
      expect(await registryPid()).toBe(pid);
      expect(peakBytes - beforeBytes).toBeLessThan(64 * mebibyte);
    },
    timeoutMs,
  );

  it(
    'goes on where it was when the registry is killed, and becomes a version of two files that serves',
    async () => {
      const path = await sender.begin(sizeBytes, digest);
      const pid = await registryPid();
      let killed = false;
      const broken = sender.send(path, sizeBytes, 0, (sentBytes) => {
        if (killed || sentBytes < sizeBytes * 0.7) return;
        killed = true;
        process.kill(pid, 'SIGKILL');
      });
      await broken.catch((error: unknown) => expect(error).toBeInstanceOf(Error));
      await eventually(
        async () => (await registryPid()) !== pid || undefined,
        'the registry is started again',
      );
      const offset = await eventually(async () => sender.offsetOf(path), 'the registry answers');
      expect(offset).toBeGreaterThanOrEqual(sizeBytes * 0.7 - 96 * mebibyte);
      expect(offset).toBeLessThan(sizeBytes);
      expect(await sender.send(path, sizeBytes, offset)).toBe(204);

      const model = 'big';
      await platform.admin.models.create({ body: { name: model } });
      const entry = await sender.sendBytes(await readFile(irisFile(1)));
      const version = await platform.admin.uploads.commit({
        params: { model },
        body: {
          uploads: [
            { path: 'model.onnx', upload_id: uploadIdOf(entry) },
            { path: 'weights.bin', upload_id: uploadIdOf(path) },
          ],
        },
      });
      expect(version.files.find((file) => file.path === 'weights.bin')).toMatchObject({
        sha256: digest,
        size_bytes: sizeBytes,
      });
      await platform.waitForVersion(model, 1, 'READY');
    },
    timeoutMs,
  );
});
