/** The import rules of the architecture (README, "How it works") as code: who may know whom. */

const lib = (...names) => `^libs/(${names.join('|')})/`;

/** What each part may import, beside itself and npm packages. */
const mayImport = {
  contracts: [],
  routing: ['contracts'],
  quota: ['contracts'],
  inference: ['contracts'],
  comparison: ['contracts', 'inference'],
  client: ['contracts'],
  wording: ['contracts'],
  platform: ['contracts'],
  artifacts: ['contracts', 'platform'],
  database: ['contracts', 'platform'],
};
const appsMayImport = {
  registry: ['contracts', 'client', 'routing', 'quota', 'artifacts', 'database', 'platform'],
  gateway: ['contracts', 'client', 'comparison', 'routing', 'quota', 'platform'],
  node: ['contracts', 'client', 'inference', 'artifacts', 'platform'],
  standalone: ['contracts', 'client', 'platform'],
  cli: ['contracts', 'client', 'platform', 'wording'],
  console: ['contracts', 'client', 'wording'],
};

const libRules = Object.entries(mayImport).map(([name, allowed]) => ({
  name: `lib-${name}`,
  severity: 'error',
  from: { path: `^libs/${name}/` },
  to: { path: '^(libs|apps|migrations|test)/', pathNot: lib(name, ...allowed) },
}));

const appRules = Object.entries(appsMayImport).map(([name, allowed]) => ({
  name: `app-${name}`,
  severity: 'error',
  from: { path: `^apps/${name}/` },
  to: {
    path: '^(libs|apps|migrations|test)/',
    pathNot: [`^apps/${name}/`, lib(...allowed), ...(name === 'registry' ? ['^migrations/'] : [])],
  },
}));

export default {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    ...libRules,
    ...appRules,
    {
      name: 'contracts-only-zod',
      severity: 'error',
      from: { path: '^libs/contracts/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['npm', 'npm-dev', 'core'], pathNot: 'node_modules/zod/' },
    },
    {
      name: 'pure-libs-do-no-io',
      severity: 'error',
      from: { path: '^libs/(routing|quota|inference|comparison|wording)/', pathNot: '\\.spec\\.ts$' },
      to: {
        dependencyTypes: ['npm', 'npm-dev', 'core'],
        pathNot: ['node_modules/zod/', '^(node:)?(buffer|crypto)$'],
      },
    },
    {
      name: 'typeorm-at-home',
      severity: 'error',
      from: {
        path: '^(apps|libs|migrations)/',
        pathNot: ['^libs/database/', '^migrations/', '^apps/registry/'],
      },
      to: { path: 'node_modules/(typeorm|@nestjs/typeorm)/' },
    },
    {
      name: 'onnxruntime-in-runners-only',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: ['^apps/node/src/runner/', '\\.spec\\.ts$'] },
      to: { path: 'node_modules/onnxruntime-node/' },
    },
    {
      name: 'no-framework-in-hot-paths',
      severity: 'error',
      from: { path: '^apps/(gateway/src/data-plane|node/src/runner)/' },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'browsers-have-no-node',
      severity: 'error',
      // What the console uses of the client.
      from: {
        path: ['^apps/console/src/', '^libs/client/src/(client|event-stream|follow-events)'],
        pathNot: '\\.spec\\.ts$',
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'react-in-the-console-only',
      severity: 'error',
      from: { path: '^(apps|libs|migrations|test)/', pathNot: '^apps/console/src/' },
      to: { path: 'node_modules/(react|react-dom|wouter|@tanstack)/' },
    },
    {
      name: 'programs-do-not-import-tests',
      severity: 'error',
      from: { path: '^(apps|libs|migrations)/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^test/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      conditionNames: ['source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
