/** Routes at the end of a version's life: restore, delete for good, and retention rules. */
import { Model, ModelParams, Version, VersionParams } from '../models.js';
import { Confirmation, RetentionPreview, RetentionRule } from '../retention.js';
import { route } from '../route.js';

export const versionLifecycleRoutes = {
  restore: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions/{version}/restore',
    summary: 'Bring an archived version back',
    access: 'models:write',
    status: 200,
    params: VersionParams,
    response: Version,
    errors: ['MODEL_NOT_FOUND', 'MODEL_ARCHIVED', 'VERSION_NOT_FOUND'],
  }),
  remove: route({
    method: 'DELETE',
    path: '/api/v1/models/{model}/versions/{version}',
    summary: 'Delete an archived version for good; `confirm` must hold `<model>/<version>`',
    access: 'admin',
    status: 204,
    params: VersionParams,
    query: Confirmation,
    errors: [
      'MODEL_NOT_FOUND',
      'VERSION_NOT_FOUND',
      'VERSION_IN_USE',
      'NOT_ARCHIVED',
      'CONFIRMATION_REQUIRED',
    ],
  }),
};

export const modelLifecycleRoutes = {
  remove: route({
    method: 'DELETE',
    path: '/api/v1/models/{model}',
    summary:
      'Delete an archived model with its versions and endpoints for good; `confirm` must hold its name',
    access: 'admin',
    status: 204,
    params: ModelParams,
    query: Confirmation,
    errors: ['MODEL_NOT_FOUND', 'VERSION_IN_USE', 'NOT_ARCHIVED', 'CONFIRMATION_REQUIRED'],
  }),
  setRetention: route({
    method: 'PUT',
    path: '/api/v1/models/{model}/retention',
    summary: 'Set which versions may go by themselves; those with traffic or an alias never do',
    access: 'admin',
    status: 200,
    params: ModelParams,
    body: RetentionRule,
    response: Model,
    errors: ['MODEL_NOT_FOUND'],
  }),
  clearRetention: route({
    method: 'DELETE',
    path: '/api/v1/models/{model}/retention',
    summary: 'Keep all versions',
    access: 'admin',
    status: 200,
    params: ModelParams,
    response: Model,
    errors: ['MODEL_NOT_FOUND'],
  }),
  previewRetention: route({
    method: 'POST',
    path: '/api/v1/models/{model}/retention/preview',
    summary: 'Show what a rule would do now, without doing it',
    access: 'models:read',
    status: 200,
    params: ModelParams,
    body: RetentionRule,
    response: RetentionPreview,
    errors: ['MODEL_NOT_FOUND'],
  }),
};
