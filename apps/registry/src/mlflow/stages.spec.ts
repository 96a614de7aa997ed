import { describe, expect, it } from 'vitest';
import { aliasOf, parseStage, planTransition, stageOf } from './stages.js';
import type { Named } from './stages.js';

const at = (version: number, hasTraffic = false) => ({ version, hasTraffic });

describe('stages', () => {
  it('are read in any case, and are aliases where they release', () => {
    expect(['production', 'STAGING', 'None', 'archived'].map(parseStage)).toEqual([
      'Production',
      'Staging',
      'None',
      'Archived',
    ]);
    expect(() => parseStage('canary')).toThrow('Invalid Model Version stage: canary.');
    expect((['Production', 'Staging', 'None', 'Archived'] as const).map(aliasOf)).toEqual([
      'production',
      'staging',
      undefined,
      undefined,
    ]);
  });

  it('of a version are what its aliases say, else its mark', () => {
    expect(stageOf(['staging', 'production'], 'Archived')).toBe('Production');
    expect(stageOf(['champion', 'staging'], 'None')).toBe('Staging');
    expect(stageOf(['champion'], 'Archived')).toBe('Archived');
  });
});

describe('planTransition', () => {
  const plan = (
    ...[version, stage, named, archives]: [number, Parameters<typeof aliasOf>[0], Named, boolean]
  ) => {
    const { leaves, enters, marks } = planTransition(version, stage, named, archives);
    return { leaves, enters, marks: [...marks] };
  };

  it('enters a stage and leaves the former one', () => {
    expect(plan(2, 'Production', { staging: at(2), production: at(1) }, false)).toEqual({
      leaves: ['staging'],
      enters: 'production',
      marks: [[2, 'None']],
    });
  });

  it('marks the version that had the stage, if it is told to', () => {
    expect(plan(2, 'Production', { production: at(1) }, true).marks).toEqual([
      [2, 'None'],
      [1, 'Archived'],
    ]);
    expect(plan(2, 'Production', { production: at(2) }, true).marks).toEqual([[2, 'None']]);
    expect(plan(2, 'Production', {}, true).marks).toEqual([[2, 'None']]);
  });

  it('keeps a stage that traffic follows where it is, but for one who leaves for no stage', () => {
    expect(plan(2, 'Production', { staging: at(2, true) }, false).leaves).toEqual([]);
    expect(plan(2, 'Archived', { staging: at(2, true), production: at(2) }, false)).toEqual({
      leaves: ['production', 'staging'],
      enters: undefined,
      marks: [[2, 'Archived']],
    });
    expect(plan(3, 'None', { staging: at(2), production: at(1) }, false).leaves).toEqual([]);
  });

  it('archives others for stages that release only, as MLflow', () => {
    expect(() => plan(2, 'Archived', {}, true)).toThrow('archive_existing_versions');
  });
});
