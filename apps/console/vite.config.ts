/** Builds the console into dist/apps/console, with each file also compressed: the registry serves files and computes nothing. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';
import type { Plugin } from 'vite';

const outDir = join(import.meta.dirname, '../../dist/apps/console');

/** @fastify/static sends `x.js.br` or `x.js.gz` in place of `x.js` to who takes that. */
const compressed: Plugin = {
  name: 'compressed',
  async closeBundle() {
    const files = await readdir(outDir, { recursive: true });
    for (const file of files.filter((name) => /\.(?:js|css|html|svg)$/.test(name))) {
      const bytes = await readFile(join(outDir, file));
      await writeFile(join(outDir, `${file}.br`), brotliCompressSync(bytes));
      await writeFile(join(outDir, `${file}.gz`), gzipSync(bytes, { level: 9 }));
    }
  },
};

export default defineConfig({
  root: import.meta.dirname,
  base: '/console/',
  resolve: { conditions: ['source', 'module', 'browser', 'production'] },
  build: {
    outDir,
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      onwarn: (warning, warn) => {
        // "use client" says nothing where there is no server that renders.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/oauth': 'http://127.0.0.1:8080' } },
  plugins: [compressed],
});
