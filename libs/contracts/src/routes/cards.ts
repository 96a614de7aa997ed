import * as cards from '../cards.js';
import { ModelParams } from '../models.js';
import { route } from '../route.js';

export const cardRoutes = {
  read: route({
    method: 'GET',
    path: '/api/v1/models/{model}/card',
    summary: 'Read the card of a model; the ETag is its revision',
    access: 'models:read',
    status: 200,
    params: ModelParams,
    response: cards.ModelCard,
    concurrency: 'etag',
    errors: ['MODEL_NOT_FOUND'],
  }),
  put: route({
    method: 'PUT',
    path: '/api/v1/models/{model}/card',
    summary: 'Write the card of a model; If-Match must hold the ETag that was read',
    access: 'models:write',
    status: 200,
    params: ModelParams,
    body: cards.PutModelCard,
    maxBodyBytes: 4 * 1_048_576,
    response: cards.ModelCard,
    concurrency: 'etag',
    errors: ['MODEL_NOT_FOUND', 'PRECONDITION_FAILED', 'PRECONDITION_REQUIRED'],
  }),
  history: route({
    method: 'GET',
    path: '/api/v1/models/{model}/card/history',
    summary: 'List the revisions of a card, newest first',
    access: 'models:read',
    status: 200,
    params: ModelParams,
    query: cards.ListModelCards,
    response: cards.ModelCardPage,
    errors: ['MODEL_NOT_FOUND'],
  }),
};
