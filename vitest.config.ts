import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Node gets these as well (--conditions): `import` among them would break every require() of a package that has both forms.
const resolve = { conditions: ['source', 'node'] };

export default defineConfig({
  test: {
    // Specs of one project share a PostgreSQL, which has an end of its connections.
    maxWorkers: Math.min(availableParallelism(), 4),
    projects: [
      {
        resolve,
        ssr: { resolve },
        test: {
          name: 'unit',
          include: ['{apps,libs,test/bench,test/histories}/**/*.spec.ts'],
          environment: 'node',
        },
      },
      {
        resolve,
        ssr: { resolve },
        test: {
          name: 'integration',
          include: ['test/integration/**/*.spec.ts'],
          globalSetup: ['test/support/postgres.ts'],
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr: { resolve },
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.spec.ts'],
          environment: 'node',
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        resolve,
        ssr: { resolve },
        test: {
          name: 'services',
          include: ['test/services/**/*.spec.ts'],
          environment: 'node',
          testTimeout: 60_000,
        },
      },
      {
        resolve,
        ssr: { resolve },
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts'],
          environment: 'node',
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
      {
        resolve,
        ssr: { resolve },
        test: {
          name: 'chaos',
          include: ['test/chaos/**/*.spec.ts'],
          environment: 'node',
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
