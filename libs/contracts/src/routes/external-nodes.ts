import {
  CreateExternalVersion,
  ExternalNode,
  ExternalNodePage,
  ExternalNodeParams,
  ListExternalNodes,
  PutExternalNode,
} from '../external-nodes.js';
import { ModelParams, Version } from '../models.js';
import { route } from '../route.js';

export const externalNodeRoutes = {
  put: route({
    method: 'PUT',
    path: '/api/v1/external-nodes/{node}',
    summary: 'Register a server of the Open Inference Protocol as a node, or replace what is known of it',
    access: 'nodes:write',
    status: 200,
    params: ExternalNodeParams,
    body: PutExternalNode,
    response: ExternalNode,
    errors: ['MODEL_NOT_FOUND', 'VERSION_NOT_FOUND'],
  }),
  list: route({
    method: 'GET',
    path: '/api/v1/external-nodes',
    summary: 'List external nodes by name',
    access: 'nodes:read',
    status: 200,
    query: ListExternalNodes,
    response: ExternalNodePage,
  }),
  read: route({
    method: 'GET',
    path: '/api/v1/external-nodes/{node}',
    summary: 'Read an external node',
    access: 'nodes:read',
    status: 200,
    params: ExternalNodeParams,
    response: ExternalNode,
    errors: ['NODE_NOT_FOUND'],
  }),
  remove: route({
    method: 'DELETE',
    path: '/api/v1/external-nodes/{node}',
    summary: 'Forget an external node; it gets no traffic any more',
    access: 'nodes:write',
    status: 204,
    params: ExternalNodeParams,
    errors: ['NODE_NOT_FOUND'],
  }),
  createVersion: route({
    method: 'POST',
    path: '/api/v1/models/{model}/versions/external',
    summary: 'Create a version that only external nodes serve',
    access: 'models:write',
    status: 201,
    idempotencyKey: true,
    params: ModelParams,
    body: CreateExternalVersion,
    response: Version,
    errors: ['MODEL_NOT_FOUND', 'MODEL_ARCHIVED'],
  }),
};
